"""A tenant's builder comes with its first run and goes when it has been idle: the controller with its real rights."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from roost.capabilities.run import actions
from roost.model.kinds.delivery import Project, ProjectSpec, Run, RunSpec
from roost.model.names import SYSTEM_NAMESPACE
from roost.settings import Settings
from roost.surface.registry import new_key
from tests.integration.apiserver import ApiServer
from tests.integration.capabilities.conftest import Cluster, controlling
from tests.integration.conftest import Eventually

pytestmark = [pytest.mark.integration, pytest.mark.full]
IDLE_S = 4
RUNS = ("tenant", "user", "run")


@pytest.fixture
async def cluster(platform: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """The controller sees to runs; a builder is idle after IDLE_S."""
    (tmp_path / "key.pem").write_bytes(new_key())
    (tmp_path / "token").write_text("shared secret\n")
    monkeypatch.setattr(actions, "REGISTRY_KEY", tmp_path / "key.pem")
    monkeypatch.setattr(actions, "GIT_SECRET", tmp_path / "token")
    async with controlling(platform, RUNS, Settings(workers=4, builder_idle_s=IDLE_S, spare_s=0)) as made:
        trust = {"name": "roost-trust", "namespace": SYSTEM_NAMESPACE}
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": trust,
            "data": {"ca.crt": "", "bundle.crt": ""},
        }
        await made.client.apply(manifest, "tests")
        yield made


@pytest.fixture
async def space(cluster: Cluster, eventually: Eventually) -> str:
    """The build namespace of a tenant with a project."""
    tenant = f"t{secrets.token_hex(4)}"
    await cluster.tenant(tenant)

    async def ready() -> bool:
        return await cluster.ready("Tenant", tenant) == "True Ready"

    await eventually(ready)
    await cluster.client.create(Project.manifest("shop", ProjectSpec(), f"{tenant}-build"))
    return f"{tenant}-build"


async def run(cluster: Cluster, space: str, number: int) -> dict[str, Any]:
    """A run that is open."""
    spec = RunSpec(project="shop", ref="refs/heads/main", commit=f"{number}" * 40, attempt=number)
    return await cluster.client.create(Run.manifest(f"shop-{number}-0123456789", spec, space))


async def builder(cluster: Cluster, space: str) -> str:
    """The uid of the builder's pod; empty: there is none."""
    found = await cluster.client.get("v1", "Pod", "builder", space)
    return "" if found is None or found["metadata"].get("deletionTimestamp") else str(found["metadata"]["uid"])


async def test_it_stays_while_there_is_work_and_goes_when_it_has_been_idle(
    cluster: Cluster, space: str, eventually: Eventually
) -> None:
    loop = asyncio.get_running_loop()
    first = await run(cluster, space, 1)

    async def there() -> str:
        return await builder(cluster, space)

    uid = await eventually(there)
    second = await run(cluster, space, 2)
    await cluster.client.patch(first, {"spec": {"cancel": True}})

    async def over(name: str = first["metadata"]["name"]) -> bool:
        return ((await cluster.read("Run", name, space)).get("status") or {}).get("phase") == "Cancelled"

    await eventually(over)
    # Longer than it may be idle, but another run is open.
    until = loop.time() + IDLE_S + 2
    while loop.time() < until:
        assert await builder(cluster, space) == uid
        await asyncio.sleep(0.5)

    await cluster.client.patch(second, {"spec": {"cancel": True}})

    async def all_over() -> bool:
        return await over(second["metadata"]["name"])

    await eventually(all_over)
    ended = loop.time()
    assert await builder(cluster, space) == uid, "it is kept warm for a while"

    async def gone() -> bool:
        return not await builder(cluster, space)

    await eventually(gone, timeout_s=IDLE_S + 15)
    assert loop.time() - ended > IDLE_S - 2, "it went before it had been idle"
    # And comes again.
    await run(cluster, space, 3)
    assert await eventually(there) != uid
