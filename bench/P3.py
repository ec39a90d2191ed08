"""P3: 1,000 Apps reconciled on nodes by kwok; beside a client in Go that only writes the same objects, and kopf.

    make bench B=P3 [ARGS="--apps 1000 --pairs 3 --kopf 1"]

Both begin with Apps that stand and nothing else, in a fresh scratch cluster each time. A: Roost's controller, until
every App is Ready and its Release is live. B: `kube-writer`, 16 requests at a time, writes the same Releases,
Deployments, Services, routes and two statuses for each App, prepared beforehand; until the last pod is ready. C,
`--kopf` times at the end: an operator of stock kopf that sends the same prepared requests, until every App is live.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec

from bench import scale, stock_kopf
from bench.measure import cpu_s, interleaved, last_line, machine, say, table
from roost.kube.client import Client, Selection
from roost.model.names import API_VERSION

GOAL = 1.25
LONGEST_S = 3600.0
Object = dict[str, Any]


def live(app: Object) -> bool:
    """Whether an App's version serves and this is written down."""
    status = app.get("status") or {}
    return bool(status.get("live")) and status["conditions"][0]["status"] == "True"


def available(deployment: Object) -> bool:
    """Whether all pods of a Deployment are ready."""
    return bool((deployment.get("status") or {}).get("availableReplicas") == deployment["spec"]["replicas"])


async def until(client: Client, version: str, kind: str, number: int, done: Callable[[Object], bool]) -> None:
    """Until so many objects of a kind are done."""
    finished: set[tuple[str, str]] = set()
    page = await client.page(version, kind, Selection(), limit=10**6)
    items, at = page.items, page.version
    async with asyncio.timeout(LONGEST_S):
        while True:
            finished |= {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in items if done(item)}
            items = []
            async with aclosing(client.watch(version, kind, Selection(), at)) as events:
                async for event in events:
                    at = event.object["metadata"]["resourceVersion"]
                    if event.type != "BOOKMARK" and done(event.object):
                        finished.add((event.object["metadata"]["namespace"], event.object["metadata"]["name"]))
                    if len(finished) >= number:
                        return


def writes(apps: list[Object]) -> Iterator[scale.Request]:
    """What the Go client sends for each App."""
    for app, (release, *rest) in zip(apps, scale.children(apps), strict=True):
        name, space = app["metadata"]["name"], app["metadata"]["namespace"]
        yield scale.create(release, name, f"system:serviceaccount:{space}:roost-deployer")
        yield from (scale.apply(item, name) for item in rest)
        yield scale.status(release, {"phase": "Live", "liveAt": "2026-11-28T12:00:00Z"}, name)
        now = {"lastTransitionTime": "2026-11-28T12:00:00Z", "observedGeneration": 1}
        ready = {"type": "Ready", "status": "True", "reason": "Ready", "message": "v1 serves.", **now}
        inventory = [
            {
                "apiVersion": item["apiVersion"],
                "kind": item["kind"],
                "name": item["metadata"]["name"],
                "namespace": space,
                "uid": app["metadata"]["uid"],
                "identity": "deployer",
            }
            for item in rest
        ]
        told = {"conditions": [ready], "inventory": inventory, "observedGeneration": 1, "instances": 1, "wanted": 1}
        release_name = release["metadata"]["name"]
        url = f"http://{name}-dev.{space.removesuffix('-dev')}.roost.localhost"
        yield scale.status(app, {**told, "release": release_name, "live": release_name, "url": url}, name)


class Stopwatch:
    """Both sides, each in a cluster of its own; remembers CPU seconds and memory."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process_cpu: dict[str, list[float]] = {"A": [], "B": [], "C": []}
        self.machine_cpu: dict[str, list[float]] = {"A": [], "B": [], "C": []}
        self.written_s: list[float] = []
        self.counts: dict[str, int] = {"A": 0, "B": 0, "C": 0}
        self.peak_mib = 0.0

    def roost(self) -> float:
        """Seconds until Roost has every App live."""
        with scale.cluster() as cluster:
            asyncio.run(self._prepare(cluster))
            mark = cluster.server.mark()
            controller = cluster.controller("run")
            controller.line()
            begun, spent = time.monotonic(), cpu_s()
            asyncio.run(self._until(cluster, API_VERSION, "App", live))
            took = time.monotonic() - begun
            self.machine_cpu["A"].append(cpu_s() - spent)
            with open(f"/proc/{controller.process.pid}/status") as file:
                peak = next(line for line in file if line.startswith("VmHWM")).split()[1]
            self.peak_mib = max(self.peak_mib, int(peak) / 1024)
            self.process_cpu["A"].append(controller.stop())
            self.counts["A"] = cluster.server.writes(mark, "roost-controller").total()
            return took

    def go(self) -> float:
        """Seconds until the Go client has written all and every pod is ready."""
        with scale.cluster() as cluster:
            requests = list(writes(asyncio.run(self._prepare(cluster))))
            begun, spent = time.monotonic(), cpu_s()
            done = cluster.write(requests, workers=16)
            asyncio.run(self._until(cluster, "apps/v1", "Deployment", available))
            took = time.monotonic() - begun
            self.machine_cpu["B"].append(cpu_s() - spent)
            self.process_cpu["B"].append(done["cpu_s"])
            self.written_s.append(done["seconds"])
            self.counts["B"] = done["writes"]
            return took

    def kopf(self) -> float:
        """Seconds until an operator of stock kopf has every App live."""
        with scale.cluster() as cluster, tempfile.TemporaryDirectory() as folder:
            requests = Path(folder) / "requests.jsonl"
            lines = (msgspec.json.encode(vars(request)) for request in writes(asyncio.run(self._prepare(cluster))))
            requests.write_bytes(b"\n".join(lines))
            mark = cluster.server.mark()
            operator = scale.Controller(stock_kopf.start(cluster.server.kubeconfig, requests))
            operator.line()
            begun, spent = time.monotonic(), cpu_s()
            asyncio.run(self._until(cluster, API_VERSION, "App", live))
            took = time.monotonic() - begun
            self.machine_cpu["C"].append(cpu_s() - spent)
            self.process_cpu["C"].append(operator.stop())
            self.counts["C"] = cluster.server.writes(mark, "kopf").total()
            return took

    async def _prepare(self, cluster: scale.Cluster) -> list[Object]:
        cluster.write(scale.grounds(self.number))
        cluster.write(scale.apps(self.number))
        cluster.run_pods()
        client = cluster.server.client("bench")
        try:
            return await scale.listed(client, "App")
        finally:
            await client.close()

    async def _until(self, cluster: scale.Cluster, version: str, kind: str, done: Callable[[Object], bool]) -> None:
        client = cluster.server.client("bench")
        try:
            await until(client, version, kind, self.number, done)
        finally:
            await client.close()


def main() -> int:
    """0 when the goal is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.P3", description=__doc__.splitlines()[0])
    parser.add_argument("--apps", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--kopf", type=int, default=1, metavar="TIMES")
    chosen = parser.parse_args()
    where, watch = machine(), Stopwatch(chosen.apps)
    sides = interleaved(chosen.pairs, watch.roost, watch.go, say)
    stock = [watch.kopf() for _ in range(chosen.kopf)]
    ratio, control = sides.ratio, sides.control
    rows = [
        (
            name,
            f"{statistics.median(values):.1f}",
            watch.counts[side],
            f"{statistics.median(watch.process_cpu[side]):.1f}",
            f"{statistics.median(watch.machine_cpu[side]):.1f}",
        )
        for name, side, values in (
            ("Roost's controller", "A", sides.a),
            ("only writing, in Go", "B", sides.b),
            ("stock kopf", "C", stock),
        )
        if values
    ]
    table(("side", "median s", "writes", "its CPU s", "the machine's CPU s"), rows)
    print(f"The Go client had written all after {statistics.median(watch.written_s):.1f} s.")
    last_line(
        bench="P3",
        apps=chosen.apps,
        ratio=round(ratio.value, 3),
        ci=ratio.interval,
        control=control.interval if control else None,
        roost_s=round(statistics.median(sides.a), 2),
        go_s=round(statistics.median(sides.b), 2),
        go_written_s=round(statistics.median(watch.written_s), 2),
        roost_cpu_s=round(statistics.median(watch.process_cpu["A"]), 2),
        go_cpu_s=round(statistics.median(watch.process_cpu["B"]), 2),
        kopf_s=round(statistics.median(stock), 2) if stock else None,
        kopf_over_roost=round(statistics.median(stock) / statistics.median(sides.a), 2) if stock else None,
        kopf_cpu_s=round(statistics.median(watch.process_cpu["C"]), 2) if stock else None,
        roost_peak_mib=round(watch.peak_mib),
        writes=watch.counts,
        goal=GOAL,
        met=ratio.high <= GOAL,
        machine=where,
    )
    return 0 if ratio.high <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
