"""Every generated kind installs into a real kube-apiserver, and its rules hold there."""

import pytest

from roost.kernel.discovery import kinds
from roost.kube.client import Client
from roost.kube.errors import Invalid
from roost.model.kinds.app import App, AppSpec, Process
from roost.model.kinds.delivery import Run, RunSpec
from roost.model.names import API_VERSION, GROUP
from roost.model.resource import Resource

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.KIND)
async def test_a_kind_is_served_without_complaint(client: Client, kind: type[Resource]) -> None:
    found = await client.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{kind.PLURAL}.{GROUP}")
    assert found is not None
    conditions = {item["type"]: item for item in found["status"]["conditions"]}
    assert conditions["Established"]["status"] == "True", conditions
    assert conditions.get("NonStructuralSchema", {"status": "False"})["status"] == "False", conditions
    assert await client.list(API_VERSION, kind.KIND) is not None


async def test_the_server_fills_in_defaults_of_the_spec_and_none_of_the_status(client: Client, namespace: str) -> None:
    bare = {"apiVersion": API_VERSION, "kind": "App", "metadata": {"name": "hello", "namespace": namespace}}
    made = await client.create(bare)
    assert made["spec"]["processes"][0]["name"] == "web"
    patched = await client.patch_status(made, {"release": "hello-v1"}, "test")
    assert patched["status"] == {"release": "hello-v1"}
    assert App.parse(patched).spec == AppSpec()


async def test_rules_of_a_kind_hold(client: Client, namespace: str) -> None:
    twice = AppSpec(processes=(Process(name="web"), Process(name="web")))
    with pytest.raises(Invalid, match="Two processes have the same name"):
        await client.create(App.manifest("hello", twice, namespace))
    run = RunSpec(project="hello", ref="refs/heads/main", commit="a" * 40)
    made = await client.create(Run.manifest("hello-1", run, namespace))
    with pytest.raises(Invalid, match="A run never changes"):
        await client.patch(made, {"spec": {"commit": "b" * 40}})
    assert (await client.patch(made, {"spec": {"cancel": True}}))["spec"]["cancel"] is True
