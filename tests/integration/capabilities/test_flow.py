"""From a tenant to a version that serves, and what happens to it afterwards, with the controller's real rights."""

import secrets
from typing import Any

import pytest

from roost.capabilities.app.model import MOVED
from roost.kube.client import Client
from roost.model.configuration import SALT, secret_copy_name, secret_name, secret_version
from roost.model.kinds.app import App, AppSpec, Artefact, Process
from roost.model.kinds.delivery import Promotion, PromotionSpec
from roost.model.kinds.tenant import Member
from roost.model.names import API_VERSION, PEOPLE_NAMESPACE
from tests.integration.capabilities.conftest import Cluster
from tests.integration.conftest import Eventually

pytestmark = pytest.mark.integration


def name() -> str:
    return f"t{secrets.token_hex(4)}"


def image(tenant: str, letter: str) -> str:
    return f"registry.roost-system.svc:5000/{tenant}/shop@sha256:{letter * 64}"


async def serve(cluster: Cluster, eventually: Eventually, app: str, space: str, release: str) -> None:
    """Play the Deployment controller and the gateway until the release is live."""

    async def live() -> bool:
        found = await cluster.client.get("apps/v1", "Deployment", f"{app}-web", space)
        if found is not None:
            await cluster.rolled_out(f"{app}-web", space)
            await take(cluster.client, app, space)
        status = (await cluster.read("App", app, space)).get("status") or {}
        return bool(status.get("live") == release)

    await eventually(live)


async def take(client: Client, app: str, space: str) -> None:
    """Accept the route as it stands, as the gateway does once."""
    route = await client.get("gateway.networking.k8s.io/v1", "HTTPRoute", app, space)
    if route is None or route.get("status"):
        return
    accepted = {
        "type": "Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "",
        "observedGeneration": route["metadata"]["generation"],
        "lastTransitionTime": route["metadata"]["creationTimestamp"],
    }
    parent = {
        "parentRef": route["spec"]["parentRefs"][0],
        "controllerName": "example.org/gateway",
        "conditions": [accepted],
    }
    await client.patch(route, {"status": {"parents": [parent]}}, "tests", "status")


@pytest.fixture
async def tenant(cluster: Cluster, eventually: Eventually) -> str:
    """A tenant with one environment and one developer."""
    made, person = name(), name()
    await cluster.person(person)
    await cluster.tenant(made, Member(person=person, role="developer"))

    async def ready() -> bool:
        return await cluster.ready("Tenant", made) == "True Ready"

    await eventually(ready)
    return made


async def deploy(client: Client, tenant: str, letter: str, **fields: Any) -> None:
    spec = AppSpec(artefact=Artefact(image=image(tenant, letter))).model_copy(update=fields)
    await client.apply(App.manifest("shop", spec, f"{tenant}-dev"), "tests")


async def test_a_tenant_gets_namespaces_with_walls(cluster: Cluster, tenant: str) -> None:
    for environment in ("dev", "build"):
        space = f"{tenant}-{environment}"
        policies = await cluster.client.list("networking.k8s.io/v1", "NetworkPolicy", space)
        assert "roost-default-deny" in [item["metadata"]["name"] for item in policies]
        assert await cluster.client.get("v1", "ResourceQuota", "roost-quota", space) is not None
    found = await cluster.read("Tenant", tenant)
    assert found["status"]["namespaces"] == [f"{tenant}-dev", f"{tenant}-build"]


async def test_a_version_is_released_served_and_followed_by_another(
    cluster: Cluster, tenant: str, eventually: Eventually
) -> None:
    space = f"{tenant}-dev"
    await deploy(cluster.client, tenant, "a")
    await serve(cluster, eventually, "shop", space, "shop-v1")
    await deploy(cluster.client, tenant, "b", processes=(Process(name="web", port=8000, replicas=2),))
    await serve(cluster, eventually, "shop", space, "shop-v2")
    releases = await cluster.client.list(API_VERSION, "Release", space)
    phases = {item["metadata"]["name"]: (item.get("status") or {}).get("phase") for item in releases}
    assert phases == {"shop-v1": "Superseded", "shop-v2": "Live"}
    app = await cluster.read("App", "shop", space)
    assert app["status"]["url"] == f"http://shop-dev.{tenant}.roost.localhost"
    route = await cluster.client.get("gateway.networking.k8s.io/v1", "HTTPRoute", "shop", space)
    assert route is not None and route["spec"]["hostnames"] == [f"shop-dev.{tenant}.roost.localhost"]
    assert await cluster.client.get("policy/v1", "PodDisruptionBudget", "shop-web", space) is not None


async def test_nothing_is_written_once_all_stands(cluster: Cluster, tenant: str, eventually: Eventually) -> None:
    await deploy(cluster.client, tenant, "a")
    await serve(cluster, eventually, "shop", f"{tenant}-dev", "shop-v1")

    async def ready() -> bool:
        return await cluster.ready("App", "shop", f"{tenant}-dev") == "True Ready"

    await eventually(ready)
    since = cluster.server.mark()
    # An event without a change: both are looked at again.
    for kind, where in (("App", f"{tenant}-dev"), ("Tenant", None)):
        item = await cluster.read(kind, "shop" if where else tenant, where)
        changes = {"metadata": {"annotations": {"tests/again": secrets.token_hex(4)}}}
        await cluster.client.patch(item, changes, "tests")
    other = name()
    await cluster.tenant(other)

    async def done() -> bool:
        return await cluster.ready("Tenant", other) == "True Ready"

    await eventually(done)
    written = cluster.server.writes(since, "roost-controller")
    assert not [write for write in written if write.resource.startswith(("deployments", "httproutes", "releases"))]
    assert not [write for write in written if write.resource == "apps.roost.dev/status"]


async def test_secret_configuration_is_copied_and_used(cluster: Cluster, tenant: str, eventually: Eventually) -> None:
    space = f"{tenant}-dev"
    data = {"TOKEN": "czNjcmV0"}
    version = secret_version(data, "of-this-secret")
    await deploy(cluster.client, tenant, "a", secret_version=version)

    async def waits() -> bool:
        return await cluster.ready("App", "shop", space) == "False ConfigurationPending"

    await eventually(waits)
    metadata = {"name": secret_name("shop"), "namespace": space, "annotations": {SALT: "of-this-secret"}}
    await cluster.client.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
    await serve(cluster, eventually, "shop", space, "shop-v1")
    copy = await cluster.client.get("v1", "Secret", secret_copy_name("shop", version), space)
    assert copy is not None and copy["immutable"] and copy["data"] == data
    assert copy["metadata"]["annotations"][SALT] == "of-this-secret"


async def test_a_promotion_reaches_the_app_and_names_its_release(
    cluster: Cluster, tenant: str, eventually: Eventually
) -> None:
    space = f"{tenant}-dev"
    artefact = Artefact(image=image(tenant, "c"), commit="c" * 40, run="shop-1-abc")
    spec = PromotionSpec(app="shop", artefact=artefact, run="shop-1-abc", sequence=1, author="ada")
    await cluster.client.create(Promotion.manifest("shop-1-abc", spec, space))
    await serve(cluster, eventually, "shop", space, "shop-v1")

    async def followed() -> bool:
        promotion = await cluster.read("Promotion", "shop-1-abc", space)
        return bool((promotion.get("status") or {}).get("release") == "shop-v1")

    await eventually(followed)
    release = await cluster.read("Release", "shop-v1", space)
    assert release["spec"]["author"] == "ada"


async def test_a_foreign_image_is_refused(cluster: Cluster, tenant: str, eventually: Eventually) -> None:
    space = f"{tenant}-dev"
    spec = PromotionSpec(app="shop", artefact=Artefact(image=image("rival", "c")), sequence=1)
    await cluster.client.create(Promotion.manifest("theirs", spec, space))

    async def refused() -> bool:
        return await cluster.ready("Promotion", "theirs", space) == "False ForeignImage"

    await eventually(refused)
    assert await cluster.read("App", "shop", space) == {}


async def test_a_namespace_of_somebody_else_is_never_taken_over(cluster: Cluster, eventually: Eventually) -> None:
    made = name()
    await cluster.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{made}-dev"}})
    await cluster.tenant(made)

    async def refused() -> bool:
        return await cluster.ready("Tenant", made) == "False NamespaceTaken"

    await eventually(refused)
    theirs = await cluster.client.get("v1", "Namespace", f"{made}-dev")
    assert theirs is not None and "roost.dev/tenant" not in (theirs["metadata"].get("labels") or {})
    assert await cluster.client.list("rbac.authorization.k8s.io/v1", "RoleBinding", f"{made}-dev") == []


async def test_who_leaves_loses_every_right(cluster: Cluster, tenant: str, eventually: Eventually) -> None:
    found = await cluster.read("Tenant", tenant)
    person = found["spec"]["members"][0]["person"]

    async def bound() -> list[str]:
        bindings = await cluster.client.list("rbac.authorization.k8s.io/v1", "RoleBinding")
        bindings += await cluster.client.list("rbac.authorization.k8s.io/v1", "ClusterRoleBinding")
        subjects = [subject for item in bindings for subject in item.get("subjects") or ()]
        return [
            item["name"] for item in subjects if item.get("namespace") == PEOPLE_NAMESPACE and item["name"] == person
        ]

    assert await bound()
    await cluster.tenant(tenant)

    async def gone() -> bool:
        return await bound() == []

    await eventually(gone)


async def template(cluster: Cluster, space: str) -> dict[str, Any]:
    """Of the Deployment's instances."""
    found = await cluster.client.get("apps/v1", "Deployment", "shop-web", space)
    assert found is not None
    made: dict[str, Any] = found["spec"]["template"]
    return made


async def cordon(cluster: Cluster, node: str, on: bool) -> None:
    """`kubectl cordon`, and `uncordon`."""
    item = await cluster.client.get("v1", "Node", node)
    assert item is not None
    await cluster.client.patch(item, {"spec": {"unschedulable": on or None}}, "tests")


async def instance(cluster: Cluster, space: str, node: str) -> str:
    """An instance of the present template on a node, as ReplicaSet and scheduler would have made it."""
    made = await template(cluster, space)
    pod = {"apiVersion": "v1", "kind": "Pod", **made}
    pod["metadata"] = {**made["metadata"], "name": f"shop-web-{name()}", "namespace": space}
    called = str(pod["metadata"]["name"])
    await cluster.client.create(pod, "tests")
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": called}, "target": target}
    await cluster.client.request("POST", f"api/v1/namespaces/{space}/pods/{called}/binding", binding)
    return called


async def test_a_single_instance_moves_when_its_node_is_to_be_emptied(
    cluster: Cluster, tenant: str, eventually: Eventually
) -> None:
    """The test plays the scheduler and `kubectl cordon`."""
    space, node = f"{tenant}-dev", f"node-{tenant}"
    await cluster.client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}, "tests")
    await deploy(cluster.client, tenant, "a")
    await serve(cluster, eventually, "shop", space, "shop-v1")
    budget = await cluster.client.get("policy/v1", "PodDisruptionBudget", "shop-web", space)
    assert budget is not None and budget["spec"]["maxUnavailable"] == 0
    pod = await instance(cluster, space, node)
    assert MOVED not in (await template(cluster, space))["metadata"]["annotations"]
    await cordon(cluster, node, True)

    async def moves() -> bool:
        return bool((await template(cluster, space))["metadata"]["annotations"].get(MOVED) == pod)

    await eventually(moves)
    await cordon(cluster, node, False)
    assert await moves(), "a node that is kept after all moves nothing back"
