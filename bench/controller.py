"""Roost's controller with the app capability, as a process that says what it costs. `bench.scale` starts it.

    python -m bench.controller KUBECONFIG run           says {"ready": true} when caches are full, and works on
    python -m bench.controller KUBECONFIG once NUMBER   ends when so many were looked at and the queue is empty
    python -m bench.controller KUBECONFIG list          lists and parses the same objects instead, and keeps none

CPU seconds count from the end of the imports.
"""

import asyncio
import json
import logging
import resource
import signal
import sys
import time
from contextlib import suppress

import structlog
from prometheus_client import REGISTRY

from bench.scale import KINDS
from roost.kernel.discovery import capabilities
from roost.kernel.lease import Open
from roost.kernel.runtime import Runtime
from roost.kube.client import Client, Selection
from roost.settings import Settings

CAPABILITIES = ("app", "tenant")  # The second has no objects here: it keeps the namespaces at hand, as it always does.


def total(name: str, **labels: str) -> float:
    """The sum of a metric over its other labels."""
    samples = [sample for metric in REGISTRY.collect() for sample in metric.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def told(begun: float, spent: float) -> dict[str, float]:
    """What it took until now."""
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return {
        "seconds": round(time.monotonic() - begun, 3),
        "cpu_s": round(time.process_time() - spent, 3),
        "rss_mib": round(pages * resource.getpagesize() / 2**20, 1),
        "peak_mib": round(peak_kib / 1024, 1),
        "writes": total("roost_writes_total"),
        "cached": total("roost_cache_objects"),
    }


async def work(client: Client, number: int) -> None:
    """Reconcile; until `number` were looked at, or for ever."""
    begun, spent = time.monotonic(), time.process_time()
    runtime = Runtime(client, [item for item in capabilities() if item.name in CAPABILITIES], Settings())
    task = asyncio.ensure_future(runtime.run(Open()))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await runtime.ready.wait()
    print(json.dumps({"ready": True, **told(begun, spent)}), flush=True)
    while number and (total("roost_reconciles_total", result="ok") < number or total("roost_queue_objects") > 0):
        await asyncio.sleep(0.25)
    if number:
        print(json.dumps(told(begun, spent)), flush=True)
        task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def parse(client: Client) -> None:
    """LIST and parse what the controller watches."""
    begun, spent, found = time.monotonic(), time.process_time(), 0
    for version, kind, labels in KINDS:
        rest = "begin"
        while rest:
            page = await client.page(version, kind, Selection(None, labels), "" if rest == "begin" else rest)
            found, rest = found + len(page.items), page.rest
    print(json.dumps({**told(begun, spent), "listed": found}), flush=True)


async def main(kubeconfig: str, what: str, number: int = 0) -> None:
    """Do it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    client = Client.connect(kubeconfig, "roost-controller")
    try:
        await (parse(client) if what == "list" else work(client, number))
    finally:
        await client.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0))
