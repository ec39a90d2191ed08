"""Only signed images run: what the table of attacks cannot say. The list, debug containers, and what must go on."""

import copy
from typing import Any

import pytest

from roost.model import names
from roost.model.kinds.images import NAME, ImageAllowlist
from tests.attack import entry
from tests.attack.signed import PREDATING, UNSIGNED, list_of
from tests.attack.table import OWN, POD, changed
from tests.attack.world import ADA, BOB, DEPLOYER, MALLORY, World, collection

pytestmark = pytest.mark.integration
DRY = {"dryRun": "All"}
CREATOR = "system:serviceaccount:kube-system:replicaset-controller"
NODE = "system:node:node-1"


def test_versions_from_before_images_were_signed_run(world: World) -> None:
    old = changed(POD, metadata__name="old", spec__containers__0__image=PREDATING)
    made = world.call(CREATOR, "POST", collection(old), old, params=DRY)
    assert made.status_code == 201, made.text


def test_a_debug_container_is_held_to_signed_images(world: World) -> None:
    path = entry.pod(world, "acme-dev")
    live = world.call("", "GET", path).json()
    for image, status in ((OWN, 200), (UNSIGNED, 403)):
        extra = {**POD["spec"]["containers"][0], "name": "debug", "image": image}
        extra.pop("resources")
        live["spec"]["ephemeralContainers"] = [extra]
        answer = world.call(MALLORY, "PUT", f"{path}/ephemeralcontainers", live, params=DRY)
        assert answer.status_code == status, answer.text
        assert status == 200 or "'roost-signed-images'" in answer.text, answer.text


@pytest.mark.parametrize("who", [MALLORY, BOB, ADA, DEPLOYER])
def test_nobody_of_a_tenant_lets_an_image_in(world: World, who: str) -> None:
    path = list_of("acme-dev")
    evil: dict[str, Any] = {"status": {"admitted": [OWN, UNSIGNED]}}
    whole = {"apiVersion": names.API_VERSION, "kind": ImageAllowlist.KIND, "metadata": {"name": NAME}, **evil}
    assert world.call(MALLORY, "GET", path).status_code == 200  # The twin: one may look.
    for attempt in (
        world.call(who, "PATCH", f"{path}/status", evil, params=DRY),
        world.call(
            who, "PATCH", f"{path}/status", whole, kind="apply", params={**DRY, "fieldManager": "m", "force": "true"}
        ),
        world.call(who, "PATCH", path, {"metadata": {"labels": None}}, params=DRY),
        world.call(who, "DELETE", path, params=DRY),
        world.call(who, "DELETE", path.rpartition("/")[0], params=DRY),
        world.call(who, "PATCH", "/api/v1/namespaces/acme-dev", {"metadata": {"labels": {"roost.dev/signed": None}}}),
    ):
        assert attempt.status_code == 403, attempt.text


def test_people_see_which_images_may_run(world: World) -> None:
    assert world.call(BOB, "GET", list_of("acme-dev")).status_code == 200
    assert world.call(BOB, "GET", list_of("rival-dev")).status_code == 403


def test_without_a_list_nothing_runs(world: World) -> None:
    """It fails closed: a list that is gone, however it went, lets nothing in."""
    space = "rival-prod"
    pod = changed(POD, metadata__name="probe", metadata__namespace=space)
    standing = world.call("", "GET", list_of(space)).json()

    def let() -> bool:
        return world.call(CREATOR, "POST", collection(pod), pod, params=DRY).status_code == 201

    pod["spec"]["containers"][0]["image"] = OWN.replace("/acme/", "/rival/")
    also = {"status": {"admitted": [*standing["status"]["admitted"], pod["spec"]["containers"][0]["image"]]}}
    assert world.call("", "PATCH", f"{list_of(space)}/status", also).status_code == 200
    world.until(let, "the image to be let in")
    assert world.call("", "DELETE", list_of(space)).status_code == 200
    try:
        world.until(lambda: not let(), "the missing list to count")
    finally:
        fresh = {key: standing[key] for key in ("apiVersion", "kind", "spec")}
        meta = {key: standing["metadata"][key] for key in ("name", "namespace", "labels")}
        assert world.call("", "POST", list_of(space).rpartition("/")[0], {**fresh, "metadata": meta}).status_code == 201
        assert world.call("", "PATCH", f"{list_of(space)}/status", also).status_code == 200
    world.until(let, "the list to be there again")


def test_a_pod_whose_image_left_the_list_can_still_be_changed_and_removed(world: World) -> None:
    """Else the finalizers that Kubernetes puts on pods of Jobs would jam them for ever."""
    gone = changed(POD, metadata__name="gone", spec__containers__0__image=UNSIGNED)
    also = copy.deepcopy(world.call("", "GET", list_of("acme-dev")).json()["status"])
    listed: dict[str, Any] = {"status": {"admitted": [*also["admitted"], UNSIGNED]}}
    assert world.call("", "PATCH", f"{list_of('acme-dev')}/status", listed).status_code == 200
    path = f"{collection(gone)}/gone"
    try:
        world.until(
            lambda: world.call(CREATOR, "POST", collection(gone), gone).status_code in (201, 409), "the pod to be made"
        )
    finally:
        before = {"status": {"admitted": also["admitted"]}}
        assert world.call("", "PATCH", f"{list_of('acme-dev')}/status", before).status_code == 200
    other = changed(gone, metadata__name="other")
    world.until(
        lambda: world.call(CREATOR, "POST", collection(other), other, params=DRY).status_code == 403,
        "the list to count",
    )
    touched = world.call(CREATOR, "PATCH", path, {"metadata": {"annotations": {"a": "b"}}})
    assert touched.status_code == 200, touched.text
    # But no other image that is not listed gets in by the same door.
    body = [{"op": "replace", "path": "/spec/containers/0/image", "value": UNSIGNED.replace("e" * 64, "9" * 64)}]
    refused = world.call(MALLORY, "PATCH", path, body, kind="json")
    assert refused.status_code == 403 and "'roost-signed-images'" in refused.text, refused.text
    assert world.call("", "DELETE", path, params={"gracePeriodSeconds": "0"}).status_code == 200
