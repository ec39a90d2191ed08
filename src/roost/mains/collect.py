"""The registry's garbage collection: `python -m roost.mains.collect`, run daily by the CronJob `registry-collector`.

Reads which digests Releases, Apps and Promotions name, and collects in the registry's store what none of them needs.
Where the cluster does not answer, or has no tenant at all (it may just be restored), nothing is collected.
"""

import asyncio
import json
import os
import re
import sys
import time
from dataclasses import asdict
from pathlib import Path

from roost.adapters.registry_store import Needs, Store, collect
from roost.kube.client import Client
from roost.model.names import API_VERSION

DATA = Path("/data/docker/registry/v2")
DIGEST = re.compile(r"sha256:([a-f0-9]{64})")
NAMING = ("Release", "App", "Promotion")


async def read_needs(client: Client) -> Needs:
    """What the cluster needs. KubeError where it does not answer."""
    pinned: set[str] = set()
    for kind in NAMING:
        for item in await client.list(API_VERSION, kind):
            pinned.update(DIGEST.findall(json.dumps(item)))
    tenants = frozenset(item["metadata"]["name"] for item in await client.list(API_VERSION, "Tenant"))
    return Needs(pinned=frozenset(pinned), tenants=tenants)


async def _needs() -> Needs:
    client = Client.connect(agent="roost-collector")
    try:
        return await read_needs(client)
    finally:
        await client.close()


def main() -> int:
    """0 when it ran, or when there was nothing to go by."""
    needs = asyncio.run(_needs())
    if not needs.tenants:
        print(json.dumps({"event": "There is no tenant: nothing is collected."}))
        return 0
    store = Store(Path(os.environ.get("ROOST_REGISTRY_STORE", str(DATA))))
    print(json.dumps({"event": "Collected.", **asdict(collect(store, needs, time.time()))}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
