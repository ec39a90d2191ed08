"""P6: reads of the API with sign-in and RBAC, against the same server returning fixed bytes of the same length.

    make bench B=P6 [ARGS="--pairs 10 --apps 50 --requests 2000 --clients 16"]

A is `GET .../apps` (a page of all applications) as a viewer, B `GET /fixed/<as many bytes>`. Closed loop, `--clients`
connections that stay open. Throughput is A / B and shall be >= 0.6, p99 A / B <= 2. The load comes from this process,
the API is another one; each keeps to a core of its own where there are two. The API's CPU time for a request is told
too: on a busy machine, B's over A's is what the throughput would be on an idle one, as the API has one thread.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time

from bench.measure import cpu_s, last_line, machine, ratio, say, table
from bench.stage import PATH, Stage, stage


async def _connection(stage_: Stage, request: bytes, share: int, latencies: list[float]) -> int:
    """`share` requests one after the other; the length of the last body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stage_.port, limit=1 << 22)
    length = 0
    for _ in range(share):
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - began)
    writer.close()
    return length


def _request(stage_: Stage, path: str) -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {stage_.token}\r\n\r\n"
    return head.encode()


async def _side(stage_: Stage, path: str, requests: int, clients: int) -> tuple[float, float, float]:
    """(requests a second, p99 in milliseconds, the API's CPU microseconds for one)."""
    latencies: list[float] = []
    began, spent = time.perf_counter(), stage_.api_cpu_s()
    work = (_connection(stage_, _request(stage_, path), requests // clients, latencies) for _ in range(clients))
    await asyncio.gather(*work)
    rate = len(latencies) / (time.perf_counter() - began)
    cpu_us = (stage_.api_cpu_s() - spent) / len(latencies) * 1e6
    return rate, sorted(latencies)[int(len(latencies) * 0.99)] * 1000, cpu_us


async def run(arguments: argparse.Namespace) -> int:
    """Measure, print, 0 when both goals are met."""
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {0})
    async with stage(arguments.apps) as stage_:
        size = await _connection(stage_, _request(stage_, PATH), 1, [])
        a: list[tuple[float, float, float]] = []
        b: list[tuple[float, float, float]] = []
        before = cpu_s()
        for number in range(arguments.pairs):
            order = ((PATH, a), (f"/fixed/{size}", b)) if number % 2 == 0 else ((f"/fixed/{size}", b), (PATH, a))
            for path, values in order:
                values.append(await _side(stage_, path, arguments.requests, arguments.clients))
                rate, p99, cpu_us = values[-1]
                say(f"{number + 1}/{arguments.pairs} {path[:12]}: {rate:.0f}/s, p99 {p99:.1f} ms, {cpu_us:.0f} us CPU")
        spent = cpu_s() - before
    rates = ratio([(x[0], y[0]) for x, y in zip(a, b, strict=True)])
    tails = ratio([(x[1], y[1]) for x, y in zip(a, b, strict=True)])
    costs = ratio([(y[2], x[2]) for x, y in zip(a, b, strict=True)])
    control = ratio([(b[n][0], b[n + 1][0]) for n in range(len(b) - 1)]) if len(b) > 1 else rates
    rows = []
    for name, side in (("API", a), ("fixed bytes", b)):
        rate, p99, cpu_us = (statistics.median(values) for values in zip(*side, strict=True))
        rows.append((name, f"{rate:.0f}", f"{p99:.1f}", f"{cpu_us:.0f}"))
    table(("side", "requests/s", "p99 ms", "CPU us"), rows)
    print(f"{machine()}; {size} bytes an answer; {spent:.0f} CPU s of the machine")
    met = rates.low >= 0.6 and tails.high <= 2.0
    last_line(
        bench="P6",
        ratio=round(rates.value, 3),
        ci=rates.interval,
        p99=round(tails.value, 3),
        p99_ci=tails.interval,
        cpu=round(costs.value, 3),
        cpu_ci=costs.interval,
        control=control.interval,
        met=met,
    )
    return 0 if met else 1


def main() -> int:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--apps", type=int, default=50)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=16)
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
