"""A namespace in which the deployer may write ConfigMaps, Apps in it, and runtimes with the toy capability."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from roost.kernel.capability import Capability
from roost.kernel.lease import Open
from roost.kernel.runtime import Runtime
from roost.kube.client import Client
from roost.model.conditions import READY, find
from roost.model.kinds.app import App, AppSpec, Variable
from roost.model.names import API_VERSION, DEPLOYER
from roost.settings import Settings
from tests.integration.apiserver import ApiServer
from tests.integration.kernel.toy import CAPABILITY

Run = Callable[..., Coroutine[Any, Any, "Running"]]


@dataclass
class Place:
    """A namespace for the toy."""

    client: Client
    name: str

    async def app(self, name: str, **config: str) -> dict[str, Any]:
        """Make an App, or set its configuration."""
        spec = AppSpec(config=tuple(Variable(name=key, value=value) for key, value in config.items()))
        return await self.client.apply(App.manifest(name, spec, self.name), "tests")

    async def read(self, name: str) -> dict[str, Any]:
        """The App; {} where there is none."""
        return await self.client.get(API_VERSION, "App", name, self.name) or {}

    async def ready(self, name: str) -> str:
        """`<status> <reason>` of the App's Ready for its current spec, or ""."""
        item = await self.read(name)
        status = item.get("status") or {}
        condition = find(status.get("conditions") or (), READY)
        if condition is None or condition.get("observedGeneration") != item["metadata"]["generation"]:
            return ""
        return f"{condition['status']} {condition['reason']}"

    async def maps(self, namespace: str | None = None) -> dict[str, str]:
        """The toy's ConfigMaps: name -> value."""
        found = await self.client.list("v1", "ConfigMap", namespace or self.name, "test/toy=yes")
        return {item["metadata"]["name"]: item["data"]["value"] for item in found}

    async def delete(self, name: str, kind: str = "ConfigMap") -> None:
        """Delete an object."""
        version = "v1" if kind == "ConfigMap" else API_VERSION
        await self.client.delete(
            {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": self.name}}
        )


@dataclass
class Running:
    """A runtime at work, as its own user agent."""

    client: Client
    task: "asyncio.Task[None]"
    agent: str

    async def stop(self) -> None:
        """End it as a crash would: nothing is tidied up."""
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
        await self.client.close()


@dataclass
class Runtimes:
    """Starts runtimes and ends them all."""

    server: ApiServer
    running: list[Running] = field(default_factory=list)

    async def __call__(
        self,
        agent: str = "toy",
        capability: Capability = CAPABILITY,
        client: Client | None = None,
        workers: int = 4,
        silence_s: float = 75.0,
    ) -> Running:
        """A runtime that works already."""
        client = client or self.server.client(agent)
        runtime = Runtime(client, [capability], Settings(workers=workers), silence_s=silence_s)
        task = asyncio.ensure_future(runtime.run(Open()))
        self.running.append(Running(client, task, agent))
        await asyncio.wait_for(runtime.ready.wait(), 20)
        return self.running[-1]


@pytest.fixture
async def run(apiserver: ApiServer) -> AsyncIterator[Run]:
    """Start runtimes."""
    runtimes = Runtimes(apiserver)
    yield runtimes
    for running in runtimes.running:
        await running.stop()


@pytest.fixture
async def place(client: Client, namespace: str) -> Place:
    """A namespace whose deployer may write ConfigMaps."""
    rbac = "rbac.authorization.k8s.io"
    meta = {"name": "deployer", "namespace": namespace}
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}
    subject = {"kind": "ServiceAccount", "name": DEPLOYER, "namespace": namespace}
    role = {"apiGroup": rbac, "kind": "Role", "name": "deployer"}
    await client.create({"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": [rule]})
    await client.create(
        {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": meta, "subjects": [subject], "roleRef": role}
    )
    return Place(client, namespace)
