"""The installer against a real kube-apiserver: records, the way back, what goes, definitions that change."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roost.node import engine
from roost.node.installer import deploy, record
from roost.node.installer.options import Options
from roost.node.installer.record import BEFORE, CURRENT, Installation
from roost.node.kubectl import Kubectl
from roost.node.manifests import common, platform
from tests.integration.apiserver import ApiServer

pytestmark = [pytest.mark.integration, pytest.mark.full]
OPTIONS = Options("apps.example.com", registry="r.example.com/roost")
NAME = "things.roost.dev"


@pytest.fixture
def kubectl(apiserver: ApiServer, tmp_path: Path) -> Iterator[Kubectl]:
    made = Kubectl(apiserver.kubeconfig, engine.existing(["kubernetes"]).path("kubectl"), tmp_path / "cache")
    made.apply(platform.namespaces())
    yield made
    for name in (CURRENT, BEFORE, "first", "second", "both"):
        made.call("delete", "configmap", name, "--namespace=roost-system", "--ignore-not-found")
    made.call("delete", "customresourcedefinition", NAME, "--ignore-not-found")


def definition(*versions: str) -> dict[str, Any]:
    """A kind; its last version is the one that objects are stored in."""
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    listed = [
        {"name": one, "served": True, "storage": one == versions[-1], "schema": {"openAPIV3Schema": schema}}
        for one in versions
    ]
    names = {"kind": "Thing", "plural": "things", "singular": "thing", "listKind": "ThingList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {"group": "roost.dev", "scope": "Namespaced", "names": names, "versions": copy.deepcopy(listed)},
    }


def installation(version: str, *names: str, kinds: tuple[dict[str, Any], ...] = ()) -> Installation:
    maps = [common.config_map(name, "roost-system", {"version": version}) for name in names]
    return Installation(version, OPTIONS, {}, {"kinds": list(kinds), "workloads": maps})


def told(_: str) -> None:
    """Nobody listens."""


def test_a_version_is_installed_followed_by_another_and_gone_back_to(kubectl: Kubectl) -> None:
    first, second = installation("1", "first", "both"), installation("2", "second", "both")
    assert deploy.change(kubectl, first, told) is None
    assert record.read(kubectl) == first and record.read(kubectl, BEFORE) is None
    deploy.change(kubectl, second, told)
    assert record.read(kubectl) == second and record.read(kubectl, BEFORE) == first
    assert kubectl.get("configmap", "first", "roost-system") is None
    back = record.read(kubectl, BEFORE)
    assert back is not None
    deploy.change(kubectl, back, told)
    assert record.read(kubectl) == first and record.read(kubectl, BEFORE) == second
    both = kubectl.get("configmap", "both", "roost-system")
    assert both is not None and both["data"] == {"version": "1"}
    assert kubectl.get("configmap", "second", "roost-system") is None


def test_what_the_server_would_refuse_is_refused_before_anything_is_changed(kubectl: Kubectl) -> None:
    first = installation("1", "first")
    deploy.change(kubectl, first, told)
    wrong = {**common.config_map("bad", "roost-system", {}), "data": {"not a key!": "x"}}
    good = installation("2", "second")
    bad = Installation("2", OPTIONS, {}, {**good.phases, "workloads": [*good.phases["workloads"], wrong]})
    with pytest.raises(deploy.UpgradeRefused, match="not a key"):
        deploy.change(kubectl, bad, told)
    assert record.read(kubectl) == first and kubectl.get("configmap", "second", "roost-system") is None


def test_objects_are_written_anew_in_the_version_that_is_stored_now(kubectl: Kubectl) -> None:
    deploy.apply_kinds(kubectl, [definition("v1alpha1")])
    thing = {"apiVersion": "roost.dev/v1alpha1", "kind": "Thing", "spec": {"size": 1}}
    kubectl.apply_patiently([{**thing, "metadata": {"name": "a", "namespace": "roost-system"}}])
    assert deploy.apply_kinds(kubectl, [definition("v1alpha1", "v1alpha2")]) == 1
    held = deploy.held_definitions(kubectl)[NAME]
    assert held["status"]["storedVersions"] == ["v1alpha2"]
    assert deploy.apply_kinds(kubectl, [definition("v1alpha1", "v1alpha2")]) == 0
    deploy.check(kubectl, installation("3", kinds=(definition("v1alpha2"),)))
    with pytest.raises(deploy.UpgradeRefused, match="may be stored as v1alpha2"):
        deploy.check(kubectl, installation("1", kinds=(definition("v1alpha1"),)))


def test_fields_that_are_in_use_are_not_lost_unasked(kubectl: Kubectl) -> None:
    newer = definition("v1alpha1")
    fields = newer["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    fields["colour"] = {"type": "string", "default": "red"}
    deploy.apply_kinds(kubectl, [newer])
    thing = {
        "apiVersion": "roost.dev/v1alpha1",
        "kind": "Thing",
        "metadata": {"name": "a", "namespace": "roost-system"},
    }
    kubectl.apply_patiently([{**thing, "spec": {"size": 1}}])
    older = installation("1", kinds=(definition("v1alpha1"),))
    deploy.check(kubectl, older)
    kubectl.apply([{**thing, "spec": {"size": 1, "colour": "blue"}}])
    with pytest.raises(deploy.UpgradeRefused, match=r"Thing: spec.colour \(in 1\)"):
        deploy.check(kubectl, older)
    deploy.check(kubectl, older, accept_loss=True)
    assert (
        json.loads(kubectl.call("get", "things", "a", "-n", "roost-system", "-o", "json"))["spec"]["colour"] == "blue"
    )
