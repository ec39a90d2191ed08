"""The controller with all its capabilities, as its own ServiceAccount with its own rights, on a kube-apiserver that has
the platform's roles and admission policies. There is no controller manager: tests say what Deployments became.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from roost.adapters.tests.test_mail import Inbox, Listening
from roost.kernel.discovery import capabilities
from roost.kernel.lease import Open
from roost.kernel.runtime import Runtime
from roost.kube.client import Client
from roost.kube.errors import Conflict, NotFound
from roost.model.conditions import READY, find
from roost.model.kinds.people import User, UserSpec
from roost.model.kinds.tenant import Environment, Member, Tenant, TenantSpec
from roost.model.names import API_VERSION, SYSTEM_NAMESPACE
from roost.settings import Settings
from tests.attack.world import World, install_platform
from tests.integration import apiserver as servers
from tests.integration.apiserver import ApiServer

OURS = ("tenant", "app", "promotion", "user", "release")


@pytest.fixture(scope="session")
def platform() -> Iterator[ApiServer]:
    """A kube-apiserver with the platform installed."""
    server = servers.start()
    try:
        world = World(server)
        install_platform(world)
        world.http.close()
        yield server
    finally:
        server.stop()


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, int]]:
    """A mail server, and its port."""
    made = Inbox()
    controller = Listening(made, hostname="127.0.0.1", port=0)
    controller.start()
    yield made, controller.port
    controller.stop()


@dataclass
class Cluster:
    """The administrator's view of a cluster in which the controller runs."""

    client: Client
    server: ApiServer

    async def read(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
        """An object of ours; {} where there is none."""
        return await self.client.get(API_VERSION, kind, name, namespace) or {}

    async def ready(self, kind: str, name: str, namespace: str | None = None) -> str:
        """`<status> <reason>` of Ready for the current spec, or ""."""
        item = await self.read(kind, name, namespace)
        condition = find((item.get("status") or {}).get("conditions") or (), READY)
        if condition is None or condition.get("observedGeneration") != item["metadata"].get("generation"):
            return ""
        return f"{condition['status']} {condition['reason']}"

    async def tenant(self, name: str, *members: Member, environments: tuple[str, ...] = ("dev",)) -> None:
        """Make a Tenant, or change it."""
        spec = TenantSpec(environments=tuple(Environment(name=item) for item in environments), members=members)
        await self.client.apply(Tenant.manifest(name, spec), "tests")

    async def person(self, name: str) -> None:
        """Make a person."""
        await self.client.apply(User.manifest(name, UserSpec(title=name)), "tests")

    async def rolled_out(self, name: str, namespace: str) -> None:
        """Say of a Deployment what its controller would: all instances are updated and ready."""
        item = await self.client.get("apps/v1", "Deployment", name, namespace)
        assert item is not None
        wanted = item["spec"]["replicas"]
        status = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), wanted)
        status["observedGeneration"] = item["metadata"]["generation"]
        await self.client.patch(item, {"status": status}, "tests", "status")


async def count_quotas(client: Client) -> None:
    """Play the quota controller: every quota that is not counted yet is, with nothing used."""
    while True:
        for quota in await client.list("v1", "ResourceQuota"):
            hard = quota["spec"]["hard"]
            if "used" not in (quota.get("status") or {}):
                with suppress(Conflict, NotFound):
                    status = {"hard": hard, "used": dict.fromkeys(hard, "0")}
                    await client.patch(quota, {"status": status}, "tests", "status")
        await asyncio.sleep(0.2)


async def verify_images(client: Client) -> None:
    """Play the capability `image`, which asks a registry: every image that is named in an environment may run there.

    `test_images` has the real one, with a real registry.
    """
    while True:
        for item in await client.list(API_VERSION, "ImageAllowlist"):
            space, status = item["metadata"]["namespace"], item.get("status") or {}
            specs = [
                found["spec"] for kind in ("App", "Promotion") for found in await client.list(API_VERSION, kind, space)
            ]
            specs += [found["spec"]["content"] for found in await client.list(API_VERSION, "Release", space)]
            named = sorted({spec["artefact"]["image"] for spec in specs if spec.get("artefact")})
            if status.get("admitted") != named:
                with suppress(Conflict, NotFound):
                    await client.patch(item, {"status": {"admitted": named, "predating": []}}, "tests", "status")
        await asyncio.sleep(0.1)


@asynccontextmanager
async def controlling(
    server: ApiServer, ours: tuple[str, ...] = OURS, settings: Settings | None = None
) -> AsyncIterator[Cluster]:
    """The controller runs with the rights of its ServiceAccount, with these capabilities."""
    admin = server.client("tests")
    path = f"api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/roost-controller/token"
    answer = await admin.request("POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"})
    config = yaml.safe_load(server.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": answer["status"]["token"]}
    file = server.folder / "controller"
    file.write_text(yaml.safe_dump(config))
    client = Client.connect(str(file), "roost-controller")
    runtime = Runtime(client, [item for item in capabilities() if item.name in ours], settings or Settings(workers=4))
    tasks = [asyncio.ensure_future(runtime.run(Open())), asyncio.ensure_future(count_quotas(admin))]
    await asyncio.wait_for(runtime.ready.wait(), 120)  # A machine may be busy.
    try:
        yield Cluster(admin, server)
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await client.close()
        await admin.close()


@pytest.fixture
async def cluster(platform: ApiServer) -> AsyncIterator[Cluster]:
    """The administrator's view, while the controller runs; every image may run."""
    async with controlling(platform) as made:
        task = asyncio.ensure_future(verify_images(made.client))
        yield made
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
