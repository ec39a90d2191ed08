"""Release commands, the bounded history and environments that go, with the controller's real rights."""

from typing import Any

import pytest

from roost.model.kinds.app import App, AppSpec, Artefact, History, Release, ReleaseSpec
from roost.model.kinds.tenant import Environment, Tenant, TenantSpec
from roost.model.names import API_VERSION, APP
from tests.integration.capabilities.conftest import Cluster
from tests.integration.capabilities.test_flow import deploy, image, name, serve
from tests.integration.conftest import Eventually

pytestmark = pytest.mark.integration


@pytest.fixture
async def tenant(cluster: Cluster, eventually: Eventually) -> str:
    """A tenant with two environments."""
    made = name()
    await cluster.tenant(made, environments=("dev", "test"))

    async def ready() -> bool:
        return await cluster.ready("Tenant", made) == "True Ready"

    await eventually(ready)
    return made


@pytest.mark.parametrize(("condition", "reason"), [("Complete", "RollingOut"), ("Failed", "ReleaseCommandFailed")])
async def test_a_version_goes_live_only_after_its_release_command(
    cluster: Cluster, tenant: str, eventually: Eventually, condition: str, reason: str
) -> None:
    space = f"{tenant}-dev"
    await deploy(cluster.client, tenant, "a")
    await serve(cluster, eventually, "shop", space, "shop-v1")
    await deploy(cluster.client, tenant, "b", release_command=("migrate",))

    async def runs() -> bool:
        return await cluster.ready("App", "shop", space) == "False RunningReleaseCommand"

    await eventually(runs)
    deployment = await cluster.client.get("apps/v1", "Deployment", "shop-web", space)
    assert deployment is not None
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == image(tenant, "a")
    job = await cluster.client.get("batch/v1", "Job", "shop-v2-release", space)
    assert job is not None and job["spec"]["template"]["spec"]["containers"][0]["command"] == ["migrate"]
    ended = {"type": condition, "status": "True", "lastTransitionTime": "2026-11-28T12:00:00Z"}
    before = {**ended, "type": "SuccessCriteriaMet" if condition == "Complete" else "FailureTarget"}
    status: dict[str, Any] = {"conditions": [before, ended], "startTime": "2026-11-28T11:59:00Z"}
    if condition == "Complete":
        status |= {"completionTime": "2026-11-28T12:00:00Z", "succeeded": 1}
    await cluster.client.patch(job, {"status": status}, "tests", "status")

    async def went_on() -> bool:
        return await cluster.ready("App", "shop", space) == f"False {reason}"

    await eventually(went_on)
    deployment = await cluster.client.get("apps/v1", "Deployment", "shop-web", space)
    assert deployment is not None
    runs_now = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert runs_now == image(tenant, "b" if condition == "Complete" else "a")


async def test_the_oldest_versions_are_forgotten(cluster: Cluster, tenant: str, eventually: Eventually) -> None:
    space = f"{tenant}-dev"
    keeping = AppSpec(history=History(days=0, pins=(2,)))
    app = await cluster.client.create(App.manifest("shop", keeping, space))
    owner = {"apiVersion": API_VERSION, "kind": "App", "name": "shop", "uid": app["metadata"]["uid"]}
    for number in range(1, 53):
        content = AppSpec(artefact=Artefact(image=image(tenant, "c")))
        spec = ReleaseSpec(app="shop", number=number, content=content, digest=f"{number:064x}")
        made = Release.manifest(f"shop-v{number}", spec, space, labels={APP: "shop"}, ownerReferences=[owner])
        await cluster.client.create(made)
    await deploy(cluster.client, tenant, "d", history=keeping.history)
    await serve(cluster, eventually, "shop", space, "shop-v53")

    async def kept() -> list[str]:
        found = await cluster.client.list(API_VERSION, "Release", space)
        return sorted(item["metadata"]["name"] for item in found)

    async def bounded() -> bool:
        return len(await kept()) == 51

    await eventually(bounded)
    assert {"shop-v1", "shop-v3"}.isdisjoint(await kept()) and "shop-v2" in await kept()


async def test_an_environment_with_applications_stays(cluster: Cluster, tenant: str, eventually: Eventually) -> None:
    await cluster.client.create(App.manifest("shop", AppSpec(), f"{tenant}-test"))
    smaller = TenantSpec(environments=(Environment(name="dev"),))
    await cluster.client.apply(Tenant.manifest(tenant, smaller), "tests")

    async def refused() -> bool:
        return await cluster.ready("Tenant", tenant) == "False EnvironmentInUse"

    await eventually(refused)
    there = await cluster.client.get("v1", "Namespace", f"{tenant}-test")
    assert there is not None and "deletionTimestamp" not in there["metadata"]
    shop = await cluster.read("App", "shop", f"{tenant}-test")
    await cluster.client.delete(shop)

    async def goes() -> bool:
        found = await cluster.client.get("v1", "Namespace", f"{tenant}-test")
        return found is None or "deletionTimestamp" in found["metadata"]

    await eventually(goes, timeout_s=40)
