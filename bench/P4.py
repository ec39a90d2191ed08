"""P4: the controller starts again over 10,000 unchanged Apps; beside LIST and parse of the same objects.

    make bench B=P4 [ARGS="--apps 10000 --pairs 3"]

A is a new controller process that looks at every App once; B a new process that lists and parses, in the same pages
and by the same client, what the controller watches, and keeps nothing. CPU seconds of each from the end of its imports.
The Apps, their Releases, Deployments, Services, routes and running pods stand in a scratch cluster; a controller has
been through once before anything is measured. kube-apiserver's audit log says how much was written.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Iterator
from typing import Any

from bench import scale
from bench.measure import interleaved, last_line, machine, say, table

GOAL = 2.0
Object = dict[str, Any]


def standing(cluster: scale.Cluster, number: int) -> None:
    """Apps with all that belongs to them, as the controller and Kubernetes would leave it, but for the Apps' status."""
    say(f"Making {number} Apps.")
    cluster.write(scale.grounds(number))
    cluster.write(scale.apps(number))
    cluster.write(_children(asyncio.run(_listed(cluster, "App"))))
    cluster.write(_statuses(asyncio.run(_listed(cluster, "Deployment"))))


async def _listed(cluster: scale.Cluster, kind: str) -> list[Object]:
    client = cluster.server.client("bench")
    try:
        return await scale.listed(client, kind)
    finally:
        await client.close()


def _children(apps: list[Object]) -> Iterator[scale.Request]:
    for release, *rest in scale.children(apps):
        meta = release["metadata"]
        yield scale.create(release, meta["name"], f"system:serviceaccount:{meta['namespace']}:roost-deployer")
        yield from (scale.apply(item, meta["name"]) for item in rest)


def _statuses(deployments: list[Object]) -> Iterator[scale.Request]:
    for item in deployments:
        group, wanted = item["metadata"]["name"], item["spec"]["replicas"]
        told = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), wanted)
        yield scale.status(item, {**told, "observedGeneration": item["metadata"]["generation"]}, group)
        pod = scale.running(item)
        yield scale.create(pod, group)
        yield scale.status(pod, scale.runs(pod), group)


class Stopwatch:
    """Both sides, as CPU seconds; remembers everything else that they said."""

    def __init__(self, cluster: scale.Cluster, number: int) -> None:
        self.cluster = cluster
        self.number = number
        self.told: dict[str, list[dict[str, Any]]] = {"A": [], "B": []}
        self.written = 0

    def restart(self) -> float:
        """CPU seconds of a controller that looks at everything once."""
        mark = self.cluster.server.mark()
        controller = self.cluster.controller("once", str(self.number))
        controller.line()
        self.told["A"].append(controller.line())
        controller.process.wait()
        writes = self.cluster.server.writes(mark, "roost-controller")
        self.written += writes.total()
        for write, number in writes.items():
            say(f"    written: {number} x {write.verb} {write.resource}")
        return float(self.told["A"][-1]["cpu_s"])

    def read(self) -> float:
        """CPU seconds of LIST and parse."""
        lister = self.cluster.controller("list")
        self.told["B"].append(lister.line())
        lister.process.wait()
        return float(self.told["B"][-1]["cpu_s"])


def main() -> int:
    """0 when nothing was written and the goal is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.P4", description=__doc__.splitlines()[0])
    parser.add_argument("--apps", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=3)
    chosen = parser.parse_args()
    where = machine()
    with scale.cluster() as cluster:
        standing(cluster, chosen.apps)
        watch = Stopwatch(cluster, chosen.apps)
        for _ in range(3):  # The first writes each App's status; those after it find Releases marked.
            say(f"A controller settles: {watch.restart():.1f} CPU s, {watch.written} writes.")
            settled, watch.written = watch.written == 0, 0
            if settled:
                break
        watch.told = {"A": [], "B": []}
        sides = interleaved(chosen.pairs, watch.restart, watch.read, say)
    ratio, control = sides.ratio, sides.control
    rows = []
    for name, side, values in (("controller", "A", sides.a), ("LIST and parse", "B", sides.b)):
        took = statistics.median(told["seconds"] for told in watch.told[side])
        peak = max(told["peak_mib"] for told in watch.told[side])
        rows.append((name, f"{statistics.median(values):.2f}", f"{took:.2f}", f"{peak:.0f}"))
    table(("side", "CPU s", "seconds", "peak MiB"), rows)
    objects = watch.told["B"][-1]["listed"]
    print(f"{objects:.0f} objects; the controller wrote {watch.written} times.")
    met = ratio.high <= GOAL and watch.written == 0
    last_line(
        bench="P4",
        apps=chosen.apps,
        objects=objects,
        ratio=round(ratio.value, 3),
        ci=ratio.interval,
        control=control.interval if control else None,
        controller_cpu_s=round(statistics.median(sides.a), 2),
        list_cpu_s=round(statistics.median(sides.b), 2),
        writes=watch.written,
        rss_mib=watch.told["A"][-1]["rss_mib"],
        peak_mib=max(told["peak_mib"] for told in watch.told["A"]),
        goal=GOAL,
        met=met,
        machine=where,
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
