"""P5: memory of an object in the controller's cache; beside its raw JSON, and beside keeping it as dicts.

    make bench B=P5 [ARGS="--apps 2000"]

A is what an informer holds after its list, indexes and all, by tracemalloc; B the JSON of the same objects without
managedFields, as the server would send it. Also: what reading costs, because what is kept small has to be unpacked.
The objects stand in a scratch kube-apiserver, as the controller leaves them.
"""

import argparse
import asyncio
import gc
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec

from bench import scale
from bench.measure import last_line, machine, ratio, table
from bench.P4 import standing
from roost.kernel.clock import SystemClock
from roost.kernel.informer import Informer, Scope
from roost.kernel.store import key_of
from roost.kube.client import Client, Selection
from roost.model.names import API_VERSION

GOAL = 0.5
MEASURED = ("App", "Release", "Deployment", "Pod", "Service", "HTTPRoute")


def bare(item: dict[str, Any]) -> bytes:
    """The JSON of an object without managedFields."""
    meta = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return msgspec.json.encode({**item, "metadata": meta})


async def weigh(client: Client, version: str, kind: str, labels: str) -> tuple[float, Informer]:
    """(bytes that an informer holds, the informer)."""
    informer = Informer(client, Scope(version, kind, Selection(None, labels)), SystemClock())
    if kind == "App":
        informer.store.place_of("")  # Children's events find an App by its uid: that index is part of it.
    await client.page(version, kind, Selection(None, labels), limit=1)  # What is kept once for all is there by now.
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    await informer._list()
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return float(held), informer


async def as_dicts(client: Client, version: str, kind: str, labels: str) -> float:
    """Bytes of the same objects as dicts, also without managedFields."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    items = await client.list(version, kind, None, labels)
    for item in items:
        item["metadata"].pop("managedFields", None)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return float(held)


def micros(number: int, work: Callable[[], object]) -> float:
    """Microseconds of CPU for one of `number`."""
    begun = time.process_time()
    work()
    return (time.process_time() - begun) / number * 1e6


async def measure(client: Client, kind: str) -> dict[str, float]:
    """All about one kind, by object."""
    version, _, labels = next(entry for entry in scale.KINDS if entry[1] == kind)
    items = await client.list(version, kind, None, labels)
    raw = [bare(item) for item in items]
    sent = [msgspec.json.encode(item) for item in items]
    number = len(items)
    keys = [key_of(item) for item in items]
    del items
    dicts = await as_dicts(client, version, kind, labels)
    held, informer = await weigh(client, version, kind, labels)
    store = informer.store
    packer, fresh = store._packer, [msgspec.json.decode(text) for text in raw]
    return {
        "number": number,
        "sent": sum(map(len, sent)) / number,
        "raw": sum(map(len, raw)) / number,
        "dicts": dicts / number,
        "held": held / number,
        "pack_us": micros(number, lambda: [packer.pack(item) for item in fresh]),
        "get_us": micros(number, lambda: [store.get(key) for key in keys]),
        "parse_us": micros(number, lambda: [msgspec.json.decode(text) for text in sent]),
    }


async def run(server: Any) -> dict[str, dict[str, float]]:
    """All kinds."""
    client = server.client("bench")
    try:
        return {kind: await measure(client, kind) for kind in MEASURED}
    finally:
        await client.close()


def main() -> int:
    """0 when the goal is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.P5", description=__doc__.splitlines()[0])
    parser.add_argument("--apps", type=int, default=2000)
    chosen = parser.parse_args()
    where = machine()
    with scale.cluster() as cluster:
        standing(cluster, chosen.apps)
        cluster.controller("once", str(chosen.apps)).process.wait()
        found = asyncio.run(run(cluster.server))
    table(
        ("kind", "objects", "as sent", "JSON", "as dicts", "in the cache", "ratio", "pack us", "get us", "parse us"),
        [
            (kind, *(f"{told[name]:.0f}" for name in ("number", "sent", "raw", "dicts", "held")))
            + (f"{told['held'] / told['raw']:.2f}", *(f"{told[n]:.1f}" for n in ("pack_us", "get_us", "parse_us")))
            for kind, told in found.items()
        ],
    )
    pairs = [(told["held"] * told["number"], told["raw"] * told["number"]) for told in found.values()]
    all_of = sum(held for held, _ in pairs) / sum(raw for _, raw in pairs)
    app = found["App"]
    spread = ratio(pairs)
    met = all_of <= GOAL and app["held"] / app["raw"] <= GOAL
    last_line(
        bench="P5",
        version=API_VERSION,
        ratio=round(all_of, 3),
        ci=spread.interval,
        app_ratio=round(app["held"] / app["raw"], 3),
        app_bytes=round(app["held"]),
        app_json=round(app["raw"]),
        app_sent=round(app["sent"]),
        dicts_ratio=round(sum(t["dicts"] * t["number"] for t in found.values()) / sum(raw for _, raw in pairs), 2),
        get_us=round(statistics.median(told["get_us"] for told in found.values()), 1),
        pack_us=round(statistics.median(told["pack_us"] for told in found.values()), 1),
        goal=GOAL,
        met=met,
        machine=where,
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
