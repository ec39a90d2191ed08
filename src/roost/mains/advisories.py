"""The vulnerability database: `python -m roost.mains.advisories`, run daily by the CronJob `advisories`.

Where the site names a mirror of OSV's archives, they are fetched, checked and published as the platform's database
(`roost.builds.advisories`); what fails leaves the one of yesterday in use, and the ConfigMap says why. Then the images
of kept versions are judged by it again, by the scanner beside this process, and what serves gets its
VulnerabilityReport. Without a mirror the database is mounted, and only judged by.
"""

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

from roost.adapters.registry import Registry, RegistryFailed, over_tls
from roost.builds import advisories, recheck
from roost.builds.scanner import Scanner
from roost.kube.client import Client
from roost.kube.errors import KubeError
from roost.model.advisories import CONFIG_MAP, FOLDER, REPOSITORY, Database, version
from roost.model.build_task import ASKED, TOLD
from roost.model.conditions import timestamp
from roost.model.names import API_VERSION, SYSTEM_NAMESPACE
from roost.settings import Settings
from roost.surface import registry as tokens

AGENT: Final = "roost-advisories"
TOKEN: Final = timedelta(hours=3)


@dataclass(frozen=True)
class Places:
    """Folders of the pod: the database, room to work in, what the scanner is asked and what it tells."""

    archives: Path = Path("/advisories")
    work: Path = Path("/work")
    asked: Path = Path(ASKED)
    told: Path = Path(TOLD)


@dataclass(frozen=True)
class Cluster:
    """What the cluster says. database: the one that counts."""

    apps: list[dict[str, Any]]
    releases: list[dict[str, Any]]
    database: Database


def client_of(settings: Settings, repositories: set[str]) -> Registry:
    """A client that may do what is needed in these repositories."""
    access = [tokens.Access(name, ("pull", "push")) for name in sorted(repositories)]
    token = tokens.mint(Path(settings.registry_key).read_bytes(), AGENT, access, datetime.now(UTC), TOKEN)
    return Registry(over_tls(settings.registry, settings.trust_bundle), token, time.sleep)


async def tell(database: Database) -> None:
    """Note which database counts from now on, and what became of renewing it."""
    client = Client.connect(agent=AGENT)
    metadata = {"name": CONFIG_MAP, "namespace": SYSTEM_NAMESPACE}
    try:
        await client.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": database.data()}, AGENT
        )
    finally:
        await client.close()


async def read() -> Cluster:
    """Apps, Releases, and the database that counts."""
    client = Client.connect(agent=AGENT)
    try:
        told = await client.get("v1", "ConfigMap", CONFIG_MAP, SYSTEM_NAMESPACE) or {}
        apps = await client.list(API_VERSION, "App")
        releases = await client.list(API_VERSION, "Release")
        return Cluster(apps, releases, Database.told(told.get("data") or {}))
    finally:
        await client.close()


async def write(reports: Sequence[dict[str, Any]]) -> int:
    """Write the reports; how many could not be: their App is gone, or its namespace is on its way out."""
    client, failed = Client.connect(agent=AGENT), 0
    try:
        for report in reports:
            try:
                await client.apply(report, AGENT)
            except KubeError as error:
                failed += 1
                meta = report["metadata"]
                where = f"{meta['namespace']}/{meta['name']}"
                print(json.dumps({"event": "A report was not written.", "app": where, "reason": str(error)[:500]}))
    finally:
        await client.close()
    return failed


def renew(settings: Settings, places: Places, held: Database) -> Database:
    """Fetch and publish the database; what counts then. Where that fails, the one that is held, and why."""
    try:
        archives, parts = advisories.fetch(settings.advisories, places.archives, held.parts)
        with closing(client_of(settings, {REPOSITORY})) as registry:
            digest = advisories.publish(registry, archives, places.work)
    except (advisories.ArchiveWrong, OSError, HTTPException, RegistryFailed) as error:
        since = held.failed or datetime.now(UTC)
        return held.model_copy(update={"failure": str(error)[:1000] or type(error).__name__, "failed": since})
    return Database(image=f"{settings.registry}/{REPOSITORY}@{digest}", parts=parts)


def judge(settings: Settings, places: Places, cluster: Cluster, fetched: bool) -> int:
    """Judge what is to be judged, and write the reports. `fetched`: the database that counts is at hand."""
    running = recheck.serving(cluster.apps, cluster.releases, settings.registry)
    wanted = list(
        dict.fromkeys([*(one.image for one in running), *recheck.images(cluster.releases, settings.registry)])
    )
    database = version(cluster.database.image)
    asking = Scanner(places.asked, places.told, time.sleep) if fetched else None
    with closing(client_of(settings, {image.repository for image in wanted})) as registry:
        report, known = recheck.all_of(registry, asking, wanted, database, timestamp(datetime.now(UTC)))
    shutil.rmtree(places.asked / "image", ignore_errors=True)
    failed = asyncio.run(write([recheck.report(one, known[one.image]) for one in running if one.image in known]))
    print(json.dumps({"event": "Images are judged.", "database": database, "unwritten": failed, **asdict(report)}))
    return 1 if failed and failed == len(running) else 0


def main(places: Places = Places()) -> int:
    """0 when it did what there was to do; 1 with the reason, and the database stays as it was."""
    settings = Settings.read(os.environ)
    cluster = asyncio.run(read())
    if settings.advisories:
        database = renew(settings, places, cluster.database)
        asyncio.run(tell(database))
        cluster = replace(cluster, database=database)
        if database.failure:
            print(json.dumps({"event": "The vulnerability database stays as it is.", "reason": database.failure}))
    failure = cluster.database.failure if settings.advisories else ""
    if not cluster.database.image:
        print(json.dumps({"event": "There is no vulnerability database."}))
        return 1 if failure else 0
    fetched = not failure and (places.archives / FOLDER).is_dir()
    return judge(settings, places, cluster, fetched) or (1 if failure else 0)


if __name__ == "__main__":
    sys.exit(main())
