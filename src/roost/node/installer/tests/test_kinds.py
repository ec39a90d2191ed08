"""A change of definitions: what must not be applied, what must be written anew, what would be lost."""

import copy
from typing import Any

from roost.node.installer import kinds

THING: dict[str, Any] = {
    "metadata": {"name": "things.roost.dev"},
    "spec": {
        "group": "roost.dev",
        "scope": "Namespaced",
        "names": {"kind": "Thing"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "size": {"type": "integer"},
                                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                                    "parts": {
                                        "type": "array",
                                        "items": {"type": "object", "properties": {"name": {"type": "string"}}},
                                    },
                                    "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}


def held(*stored: str, **spec: Any) -> dict[str, dict[str, Any]]:
    found = copy.deepcopy(THING)
    found["status"] = {"storedVersions": list(stored)}
    found["spec"] |= spec
    return {"things.roost.dev": found}


def later(*, both: bool, alike: bool = True) -> dict[str, Any]:
    """v1alpha2 is stored; v1alpha1 is known too where `both`."""
    found = copy.deepcopy(THING)
    first = found["spec"]["versions"][0]
    second = {**copy.deepcopy(first), "name": "v1alpha2"}
    if not alike:
        second["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["size"]["type"] = "string"
    found["spec"]["versions"] = [{**first, "storage": False}, second] if both else [second]
    return found


def test_the_same_definitions_are_no_change() -> None:
    assert kinds.problems(held("v1alpha1"), [THING]) == [] and kinds.migrations(held("v1alpha1"), [THING]) == []
    assert kinds.problems({}, [THING]) == [] and kinds.migrations({}, [THING]) == []


def test_a_version_that_objects_may_be_stored_in_must_stay_known() -> None:
    (problem,) = kinds.problems(held("v1alpha1"), [later(both=False)])
    assert "v1alpha1" in problem and "knows both" in problem
    assert kinds.problems(held("v1alpha2"), [later(both=False)]) == []


def test_objects_are_written_anew_when_another_version_is_stored() -> None:
    wanted = later(both=True)
    assert kinds.migrations(held("v1alpha1"), [wanted]) == [wanted]
    assert kinds.migrations(held("v1alpha1", "v1alpha2"), [wanted]) == [wanted]
    assert kinds.migrations(held("v1alpha2"), [wanted]) == []


def test_versions_that_differ_need_a_conversion() -> None:
    (problem,) = kinds.problems(held("v1alpha1"), [later(both=True, alike=False)])
    assert "converts" in problem


def test_what_kubernetes_never_changes_is_said_before() -> None:
    assert "scope" in kinds.problems(held("v1alpha1", scope="Cluster"), [THING])[0]


def thing(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "roost.dev/v1alpha1", "kind": "Thing", "metadata": {"name": "a", "x": 1}, "spec": spec}


def test_fields_that_a_definition_knows_are_not_lost() -> None:
    known = thing(size=1, labels={"a": "b"}, parts=[{"name": "x"}], any={"thing": ["at all"]})
    assert kinds.losses(THING, THING, [known, thing()]) == []


def test_fields_that_it_does_not_know_are_counted() -> None:
    objects = [thing(parts=[{"name": "x", "weight": 1}, {"weight": 2}]), thing(colour="red", parts=[{"weight": 1}])]
    assert kinds.losses(THING, THING, objects) == ["Thing: spec.colour (in 1)", "Thing: spec.parts[].weight (in 2)"]


def test_what_the_server_filled_in_is_nobodys_and_no_loss() -> None:
    newer = copy.deepcopy(THING)
    spec = newer["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    spec |= {"colour": {"type": "string", "default": "red"}, "note": {"type": "string"}}
    assert kinds.losses(THING, newer, [thing(colour="red", note=""), thing(colour="red")]) == []
    assert kinds.losses(THING, newer, [thing(colour="blue")]) == ["Thing: spec.colour (in 1)"]


def test_a_version_without_a_schema_loses_nothing() -> None:
    assert kinds.losses(THING, THING, [{**thing(colour="red"), "apiVersion": "roost.dev/v9"}]) == []
