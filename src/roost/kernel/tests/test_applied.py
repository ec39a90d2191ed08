"""Whether a live object needs a write: found from the object alone."""

import copy
from typing import Any

import pytest

from roost.kernel.applied import Owner, annotation, carries, digest, dress, fingerprint
from roost.kernel.store import OWNER_UID
from roost.model.names import API_VERSION, REQUEST_ID

OWNER = Owner(API_VERSION, "App", "hello", "acme-dev", "uid-1")
MANIFEST: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "hello", "namespace": "acme-dev", "labels": {"a": "b"}},
    "spec": {
        "replicas": 1,
        "paused": False,
        "template": {
            "spec": {
                "containers": (
                    {
                        "name": "web",
                        "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}},
                        "args": ["x", "y"],
                    },
                ),
                "nodeSelector": {},
            }
        },
    },
}


def served() -> dict[str, Any]:
    """The Deployment as the server keeps it: with its defaults, its spelling, and what others added."""
    live = dress(MANIFEST, "app", OWNER)
    live["metadata"] |= {"uid": "2", "resourceVersion": "7", "generation": 3}
    live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "4"
    del live["spec"]["paused"], live["spec"]["template"]["spec"]["nodeSelector"]
    container = live["spec"]["template"]["spec"]["containers"][0]
    container["resources"]["requests"] = {"cpu": "1", "memory": "1Gi"}
    container["imagePullPolicy"] = "Always"
    live["spec"]["template"]["spec"]["containers"].insert(0, {"name": "injected"})
    live["status"] = {"replicas": 1}
    return live


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The served Deployment with one field changed."""
    live = copy.deepcopy(served())
    place = live
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return live


def test_what_the_server_spells_its_own_way_needs_no_write() -> None:
    assert carries(served(), dress(MANIFEST, "app", OWNER), "app")


def test_another_request_alone_needs_no_write() -> None:
    manifest = {**MANIFEST, "apiVersion": API_VERSION}
    dressed = dress(manifest, "app", OWNER, "request-2")
    assert dressed["metadata"]["annotations"][REQUEST_ID] == "request-2"
    live = dress(manifest, "app", OWNER, "request-1")
    assert carries(live, dressed, "app")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "replicas"), 2),
        (("spec", "template", "spec", "containers", 1, "args"), ["y", "x"]),
        (("spec", "template", "spec", "containers", 1, "resources", "requests", "cpu"), "2"),
        (("spec", "template", "spec", "containers"), []),
        (("metadata", "labels"), {}),
        (("metadata", "labels", OWNER_UID), "another"),
        (("metadata", "ownerReferences"), None),
        (("spec", "template"), None),
    ],
)
def test_what_others_changed_is_found(path: tuple[Any, ...], value: Any) -> None:
    assert not carries(changed(path, value), dress(MANIFEST, "app", OWNER), "app")


def test_what_the_plan_dropped_is_found_by_the_digest() -> None:
    less = {**MANIFEST, "spec": {"replicas": 1}}
    assert not carries(served(), dress(less, "app", OWNER), "app")


def test_an_owner_in_another_namespace_is_a_label_only() -> None:
    elsewhere = {**MANIFEST, "metadata": {"name": "hello", "namespace": "acme-build"}}
    meta = dress(elsewhere, "app", OWNER)["metadata"]
    assert meta["labels"] == {OWNER_UID: "uid-1"} and "ownerReferences" not in meta
    above = Owner(API_VERSION, "Tenant", "acme", None, "uid-9")
    assert dress(elsewhere, "tenant", above)["metadata"]["ownerReferences"] == [above.reference()]


def test_what_is_not_owned_carries_no_owner() -> None:
    meta = dress(MANIFEST, "promotion", None)["metadata"]
    assert OWNER_UID not in meta["labels"] and "ownerReferences" not in meta
    assert list(meta["annotations"]) == [annotation("promotion")]


def test_dressing_leaves_the_manifest_alone_and_is_the_same_each_time() -> None:
    before = copy.deepcopy(MANIFEST)
    assert dress(MANIFEST, "app", OWNER) == dress(MANIFEST, "app", OWNER)
    assert before == MANIFEST
    assert digest(MANIFEST) != digest({**MANIFEST, "spec": {}})


def test_a_fingerprint_is_of_the_content() -> None:
    live = served()
    touched = changed(("metadata", "resourceVersion"), "8")
    touched["status"] = {"replicas": 2}
    assert fingerprint(live) == fingerprint(touched)
    assert fingerprint(live) != fingerprint(changed(("spec", "replicas"), 5))
