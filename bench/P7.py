"""P7: delivery to many event-stream clients, against one direct watch at kube-apiserver; and none lost on reconnecting.

    make bench B=P7 [ARGS="--streams 500 --rate 50 --seconds 20 --windows 3"]

One writer changes an App `--rate` times a second, each change with a number and the time. A: `--streams` clients watch
the applications through the API; one in ten breaks its connection off in the middle of each window and resumes with
Last-Event-ID. B: one watch at kube-apiserver, at the same time. Delivery is the time from just before the write until
the change is read; the p99 over all clients of A shall be <= 2x that of B, and no client may miss a number.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import Any, cast

from bench.measure import cpu_s, last_line, machine, ratio, say, table
from bench.stage import NAMESPACE, PATH, Stage, stage
from roost.kube.client import Selection
from roost.model.names import API_VERSION

NOTE = "bench/number"
SETTLE_S = 60.0


@dataclass
class Seen:
    """What one client saw: number -> seconds until it came."""

    delays: dict[int, float] = field(default_factory=dict)
    position: str = ""
    synced: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, notes: dict[str, str], arrived: float) -> None:
        """One change."""
        number, _, began = notes.get(NOTE, "").partition("/")
        if number:
            self.delays.setdefault(int(number), arrived - float(began))


class _Client(asyncio.Protocol):
    """One event stream. Looks only for what is measured: whoever measures must not be slower than who is measured."""

    def __init__(self, seen: Seen, request: bytes) -> None:
        self._seen = seen
        self._request = request
        self._rest = b""
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        """Events; what frames the chunks stands between them and disturbs nobody."""
        arrived = time.time()
        *events, self._rest = (self._rest + data).split(b"\n\n")
        for event in events:
            if event.startswith(b"HTTP/1.1 ") and not event.startswith(b"HTTP/1.1 200"):
                raise AssertionError(event)
            self._read(event, arrived)

    def connection_lost(self, error: Exception | None) -> None:
        """It is over."""
        self.ended.set()

    def _read(self, event: bytes, arrived: float) -> None:
        at = event.rfind(b"\nid: ")
        if at >= 0:
            self._seen.position = event[at + 5 :].decode()
        if b"event: synced" in event:
            self._seen.synced.set()
        at = event.find(NOTE.encode())
        if at >= 0:
            note = event[at + len(NOTE) + 3 : at + len(NOTE) + 60].partition(b'"')[0]
            self._seen.take({NOTE: note.decode()}, arrived)


async def _follow(stage_: Stage, seen: Seen) -> None:
    last = f"Last-Event-ID: {seen.position}\r\n" if seen.position else ""
    head = f"GET {PATH}?watch=true HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {stage_.token}\r\n{last}\r\n"
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_connection(lambda: _Client(seen, head.encode()), "127.0.0.1", stage_.port)
    try:
        await client.ended.wait()
    finally:
        transport.abort()


async def _direct(stage_: Stage, seen: Seen) -> None:
    page = await stage_.client.page(API_VERSION, "App", Selection(NAMESPACE), limit=1)
    version = page.version
    seen.synced.set()
    while True:
        async for event in stage_.client.watch(API_VERSION, "App", Selection(NAMESPACE), version):
            version = event.object["metadata"]["resourceVersion"]
            if event.type != "BOOKMARK":
                seen.take(event.object["metadata"].get("annotations") or {}, time.time())


async def _write(stage_: Stage, first: int, rate: int, seconds: int) -> int:
    """Changes at that rate; the number after the last."""
    target: dict[str, Any] = {"apiVersion": API_VERSION, "kind": "App", "metadata": {"namespace": NAMESPACE}}
    began = time.perf_counter()
    for number in range(first, first + rate * seconds):
        await asyncio.sleep(max(0.0, began + (number - first) / rate - time.perf_counter()))
        target["metadata"]["name"] = f"app{number % 10}"
        note = f"{number}/{time.time():.6f}"
        await stage_.client.patch(target, {"metadata": {"annotations": {NOTE: note}}}, "bench")
    return first + rate * seconds


async def _window(
    stage_: Stage, arguments: argparse.Namespace, first: int
) -> tuple[list[float], list[float], int, float, int]:
    """(delays through the API, delays of the direct watch, missed by clients, the API's CPU seconds, next number)."""
    direct, clients = Seen(), [Seen() for _ in range(arguments.streams)]
    tasks = [asyncio.create_task(_follow(stage_, seen)) for seen in clients]
    watching = asyncio.create_task(_direct(stage_, direct))
    for seen in (direct, *clients):
        await asyncio.wait_for(seen.synced.wait(), SETTLE_S)
    spent = stage_.api_cpu_s()
    writing = asyncio.create_task(_write(stage_, first, arguments.rate, arguments.seconds))
    await asyncio.sleep(arguments.seconds / 2)
    for number in range(0, len(tasks), 10):
        tasks[number].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await tasks[number]
        tasks[number] = asyncio.create_task(_follow(stage_, clients[number]))
    end = await writing
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline and any(len(seen.delays) < end - first for seen in (direct, *clients)):
        await asyncio.sleep(0.1)
    for task in (*tasks, watching):
        task.cancel()
    await asyncio.gather(*tasks, watching, return_exceptions=True)
    api_cpu_s = stage_.api_cpu_s() - spent
    missed = sum(end - first - len(seen.delays) for seen in clients)
    broken = set(range(0, len(tasks), 10))  # Their delay after a break is the time that they were away.
    through = [delay for n, seen in enumerate(clients) if n not in broken for delay in seen.delays.values()]
    return through, list(direct.delays.values()), missed, api_cpu_s, end


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)] * 1000


async def run(arguments: argparse.Namespace) -> int:
    """Measure, print, 0 when the goal is met."""
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {0})
    pairs, missed, number = [], 0, 0
    rows: list[tuple[object, ...]] = []
    costs: list[float] = []
    async with stage(10) as stage_:
        before = cpu_s()
        for window in range(arguments.windows):
            through, direct, lost, api_s, number = await _window(stage_, arguments, number)
            missed += lost
            pairs.append((_p99(through), _p99(direct)))
            medians = (statistics.median(through) * 1000, statistics.median(direct) * 1000)
            cost_us = api_s / (arguments.streams * arguments.rate * arguments.seconds) * 1e6
            costs.append(cost_us)
            rows.append((window + 1, *(f"{value:.1f}" for value in (*pairs[-1], *medians, cost_us)), lost))
            say(json.dumps(rows[-1]))
        spent = cpu_s() - before
    headings = ("window", "API p99 ms", "direct p99 ms", "API median ms", "direct median ms", "API CPU us", "missed")
    table(headings, rows)
    found = ratio(pairs)
    print(f"{machine()}; {arguments.streams} streams, {arguments.rate}/s; {spent:.0f} CPU s of the machine")
    met = found.high <= 2.0 and not missed
    last_line(
        bench="P7",
        streams=arguments.streams,
        rate=arguments.rate,
        ratio=round(found.value, 3),
        ci=found.interval,
        delivery_cpu_us=round(statistics.median(costs), 1),
        missed=missed,
        met=met,
    )
    return 0 if met else 1


def main() -> int:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--rate", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--windows", type=int, default=3)
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
