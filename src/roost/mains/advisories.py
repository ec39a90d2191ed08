"""The vulnerability database: `python -m roost.mains.advisories`, run daily by the CronJob `advisories`.

Where the site names a mirror of OSV's archives, they are fetched, checked and published as the platform's database
(`roost.builds.advisories`); what fails leaves the one of yesterday. Then the images that run are judged by it again, by
the scanner beside this process. Without a mirror the database is mounted, and only judged by.
"""

import asyncio
import json
import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

from roost.adapters.registry import Registry, over_tls
from roost.builds import advisories, recheck
from roost.builds.scanner import Scanner
from roost.kube.client import Client
from roost.model.advisories import CONFIG_MAP, FOLDER, REPOSITORY, version
from roost.model.build_task import ASKED, TOLD
from roost.model.conditions import timestamp
from roost.model.names import API_VERSION, SYSTEM_NAMESPACE
from roost.settings import Settings
from roost.surface import registry as tokens

ARCHIVES: Final = Path("/advisories")
WORK: Final = Path("/work")
TOKEN: Final = timedelta(hours=3)


@dataclass(frozen=True)
class Cluster:
    """What the cluster says. image: the database that counts."""

    releases: list[dict[str, Any]]
    image: str


def client_of(settings: Settings, repositories: set[str]) -> Registry:
    """A client that may do what is needed in these repositories."""
    access = [tokens.Access(name, ("pull", "push")) for name in sorted(repositories)]
    token = tokens.mint(Path(settings.registry_key).read_bytes(), "roost-advisories", access, datetime.now(UTC), TOKEN)
    return Registry(over_tls(settings.registry, settings.trust_bundle), token, time.sleep)


async def tell(image: str) -> None:
    """Note which image is the database from now on."""
    client = Client.connect(agent="roost-advisories")
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP, "namespace": SYSTEM_NAMESPACE},
        "data": {"image": image},
    }
    try:
        await client.apply(manifest, "roost-advisories")
    finally:
        await client.close()


async def read() -> Cluster:
    """Releases, and the database that counts."""
    client = Client.connect(agent="roost-advisories")
    try:
        told = await client.get("v1", "ConfigMap", CONFIG_MAP, SYSTEM_NAMESPACE) or {}
        releases = await client.list(API_VERSION, "Release")
        return Cluster(releases, str((told.get("data") or {}).get("image", "")))
    finally:
        await client.close()


def main() -> int:
    """0 when it did what there was to do; 1 with the reason, and the database stays as it was."""
    settings = Settings.read(os.environ)
    if settings.advisories:
        try:
            archives = advisories.fetch(settings.advisories, ARCHIVES)
        except (advisories.ArchiveWrong, OSError, HTTPException) as error:
            print(json.dumps({"event": "The vulnerability database stays as it is.", "reason": str(error)}))
            return 1
        registry = client_of(settings, {REPOSITORY})
        digest = advisories.publish(registry, archives, WORK)
        asyncio.run(tell(f"{settings.registry}/{REPOSITORY}@{digest}"))
    held = asyncio.run(read())
    if not held.image or not (ARCHIVES / FOLDER).is_dir():
        print(json.dumps({"event": "There is no vulnerability database."}))
        return 0
    wanted = recheck.images(held.releases, settings.registry)
    registry = client_of(settings, {image.repository for image in wanted})
    asking = Scanner(Path(ASKED), Path(TOLD), time.sleep)
    report = recheck.all_of(registry, asking, wanted, version(held.image), timestamp(datetime.now(UTC)))
    print(json.dumps({"event": "Images are judged.", "database": version(held.image), **asdict(report)}))
    shutil.rmtree(Path(ASKED) / "image", ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
