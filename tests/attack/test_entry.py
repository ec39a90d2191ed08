"""Nobody gets into pods of builds or of the platform, whatever a role says; into the own application one does."""

import pytest

from tests.attack import entry
from tests.attack.table import OWN, POD
from tests.attack.world import CONTROLLER, MALLORY, World

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("door", entry.DOORS)
@pytest.mark.parametrize(("guard", "space"), entry.PLACES.items(), ids=entry.PLACES)
def test_no_door_opens(world: World, guard: str, space: str, door: str) -> None:
    own = entry.knock(world, "acme-dev", door)
    assert "denied request" not in own.text, f"The own application is closed: {own.text}"
    refused = entry.knock(world, space, door)
    assert refused.status_code == 403 and f"'{guard}'" in refused.text, refused.text


@pytest.mark.parametrize(("guard", "space"), entry.PLACES.items(), ids=entry.PLACES)
def test_no_debug_container_gets_in(world: World, guard: str, space: str) -> None:
    assert entry.debug(world, "acme-dev").status_code == 200
    refused = entry.debug(world, space)
    assert refused.status_code == 403 and "denied request" in refused.text, refused.text


def test_a_debug_container_is_held_to_own_images(world: World) -> None:
    path = entry.pod(world, "acme-dev")
    live = world.call("", "GET", path).json()
    for image, status in ((OWN, 200), (OWN.replace("/acme/", "/rival/"), 403)):
        extra = {**POD["spec"]["containers"][0], "name": "debug", "image": image}
        extra.pop("resources")
        live["spec"]["ephemeralContainers"] = [extra]
        answer = world.call(MALLORY, "PUT", f"{path}/ephemeralcontainers", live, params={"dryRun": "All"})
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize("path", ["", "/status", "/finalize"])
def test_a_tenants_namespace_is_the_platforms_through_every_subresource(world: World, path: str) -> None:
    live = world.call("", "GET", "/api/v1/namespaces/acme-dev").json()
    live["metadata"]["labels"]["roost.dev/tenant"] = "rival"
    method = "PUT"
    refused = world.call(MALLORY, method, f"/api/v1/namespaces/acme-dev{path}", live, params={"dryRun": "All"})
    assert refused.status_code == 403 and "'roost-namespaces'" in refused.text, refused.text


def test_a_tenants_namespace_is_deleted_by_the_platform_only(world: World) -> None:
    refused = world.call(MALLORY, "DELETE", "/api/v1/namespaces/acme-dev", params={"dryRun": "All"})
    assert refused.status_code == 403 and "'roost-namespaces'" in refused.text, refused.text


@pytest.mark.parametrize("kind", ["resourcequotas", "limitranges", "serviceaccounts"])
def test_the_walls_survive_a_deletion_of_all(world: World, kind: str) -> None:
    refused = world.call(MALLORY, "DELETE", f"/api/v1/namespaces/acme-dev/{kind}", params={"dryRun": "All"})
    assert refused.status_code == 403 and "denied request" in refused.text, refused.text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/api/v1/namespaces/roost-people", None),
        ("PATCH", "/api/v1/namespaces/default", {"metadata": {"labels": {"roost.dev/tenant": "acme"}}}),
        ("DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterroles/view", None),
        ("DELETE", "/api/v1/namespaces/roost-system/serviceaccounts/roost-api", None),
    ],
    ids=["delete-a-namespace", "adopt-a-namespace", "delete-a-role", "delete-an-account"],
)
def test_the_controller_itself_is_held_to_tenants(world: World, method: str, path: str, body: object) -> None:
    refused = world.call(CONTROLLER, method, path, body, params={"dryRun": "All"})
    assert refused.status_code == 403 and "roost-controller-" in refused.text, refused.text
