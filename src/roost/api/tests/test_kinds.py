"""What of a body goes on to kube-apiserver, and what stays as it is."""

from typing import Any

import pytest

from roost.api import kinds
from roost.model.kinds.app import App
from roost.surface.problems import Problem

CURRENT: dict[str, Any] = {
    "apiVersion": "roost.dev/v1alpha1",
    "kind": "App",
    "metadata": {
        "name": "shop",
        "namespace": "acme-dev",
        "uid": "u1",
        "resourceVersion": "7",
        "finalizers": ["roost.dev/app"],
        "managedFields": [{}],
        "labels": {"roost.dev/tenant": "acme", "tier": "front"},
        "annotations": {"roost.dev/author": "ada"},
    },
    "spec": {"processes": [{"name": "web", "port": 8080}], "stopped": True},
    "status": {"url": "http://x"},
}


def test_a_merge_patch_is_rfc_7396() -> None:
    target = {"a": "b", "c": {"d": "e", "f": "g"}}
    assert kinds.merge(target, {"a": "z", "c": {"f": None}}) == {"a": "z", "c": {"d": "e"}}
    assert kinds.merge({"a": [1]}, {"a": "c"}) == {"a": "c"}
    assert kinds.merge({"a": "c"}, {"a": {"b": None, "x": 1}}) == {"a": {"x": 1}}
    assert kinds.merge("text", {"a": None}) == {}


def test_a_patch_changes_what_it_names_and_keeps_the_rest() -> None:
    result = kinds.patched(
        App, CURRENT, {"spec": {"hold": "x", "stopped": None}, "metadata": {"labels": {"tier": None}}}
    )
    assert result["spec"] == {"processes": [{"name": "web", "port": 8080}], "hold": "x"}
    assert result["metadata"]["labels"] == {"roost.dev/tenant": "acme"}
    assert result["metadata"]["finalizers"] == ["roost.dev/app"] and result["metadata"]["resourceVersion"] == "7"
    assert "status" not in result and "managedFields" not in result["metadata"]
    assert CURRENT["spec"]["stopped"] is True, "The object that was read stays as it is."


def test_a_replacement_keeps_what_is_ours() -> None:
    body = {
        "metadata": {"name": "shop", "labels": {"a": "b"}, "finalizers": []},
        "spec": {},
        "status": {"url": "forged"},
    }
    result = kinds.replaced(App, CURRENT, body)
    assert result["spec"] == {}
    assert result["metadata"]["labels"] == {"roost.dev/tenant": "acme", "a": "b"}
    assert result["metadata"]["finalizers"] == ["roost.dev/app"]


def test_python_names_of_fields_become_the_wires() -> None:
    assert kinds.read_spec(App, {"secret_version": "0" * 16}) == {"secretVersion": "0" * 16}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"spec": {"nosuch": 1}}, "spec.nosuch"),
        ({"nosuch": 1}, "nosuch"),
        ({"kind": "Secret"}, "kind"),
        ({"apiVersion": "v1"}, "apiVersion"),
        ({"metadata": {"nosuch": 1}}, "metadata.nosuch"),
        ({"metadata": {"labels": {"roost.dev/tenant": "victim"}}}, "metadata.labels.roost.dev/tenant"),
        ({"metadata": {"labels": {"a": "b c"}}}, "metadata.labels.a"),
        ({"metadata": {"annotations": {"a": "x" * 5000}}}, "metadata.annotations.a"),
        ({"metadata": "text"}, "metadata"),
        ({"spec": {"processes": []}}, "spec.processes"),
    ],
)
def test_what_does_not_fit_is_named(body: dict[str, Any], field: str) -> None:
    with pytest.raises(Problem) as refused:
        kinds.patched(App, CURRENT, body)
    assert refused.value.status == 422
    assert refused.value.errors[0].field == field


def test_a_signature_says_who_and_why_and_replaces_the_last_one() -> None:
    first = kinds.sign({"metadata": {"name": "x"}}, "ada", "r1", "Scaled web to 3")
    assert first["metadata"]["annotations"] == {
        "roost.dev/author": "ada",
        "roost.dev/request-id": "r1",
        "roost.dev/cause": "Scaled web to 3",
    }
    second = kinds.sign(first, "bob", "r2")
    assert second["metadata"]["annotations"] == {"roost.dev/author": "bob", "roost.dev/request-id": "r2"}
