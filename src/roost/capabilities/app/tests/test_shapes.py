"""Shapes of instances: none ever changes, and a new one comes to an application with its next version, not before."""

from typing import Any

import pytest

from roost.capabilities.app.manifests import deployment as builder
from roost.capabilities.app.manifests.deployment import SHAPES, Identity, deployment
from roost.capabilities.app.manifests.pod import runtime
from roost.capabilities.app.model import Observed, SeenDeployment, SeenRelease
from roost.capabilities.app.observe import deployment as read
from roost.capabilities.app.plan import plan
from roost.kernel import golden
from roost.model.content import content_digest, digest
from roost.model.kinds.app import App, AppSpec, Artefact, Health, Process, Resources, Variable
from roost.model.resource import Metadata

IMAGE = "registry.roost-system.svc:5000/acme/shop@sha256:" + "a" * 64
WEB = Process(name="web", port=8080, health=Health(path="/up"), resources=Resources(cpu="1", cpu_limit="2"))
WORKER = Process(name="worker", command=("work", "$HOME"), grace_s=5)
CONTENT = AppSpec(artefact=Artefact(image=IMAGE), processes=(WEB, WORKER), config=(Variable(name="A", value="b"),))
ROOT = AppSpec(artefact=Artefact(image=IMAGE, runs_as_root=True), secret_version="0123456789abcdef")
SHOP = App(metadata=Metadata(name="shop", namespace="acme-dev", uid="a-1"), spec=CONTENT)

# Digests of what each shape gives. Whoever finds one of them wrong has changed a shape in which applications run, and
# the next upgrade would restart all of them: leave the shape as it was, and add the next number to SHAPES and here.
GIVEN = {
    1: "594e28569f5bea48eaed3a8a4b91d9a8d9bcf648698530cd2b860cdd20556592",
    2: "8e4212a9e21be783dba8331bd8fdc6499faccc1986307a793ddb98bb6825981e",
}


def rendered(shape: int) -> list[Any]:
    contents = [(content, process) for content in (CONTENT, ROOT) for process in content.processes]
    return [SHAPES[shape](SHOP, "dev", content, process) for content, process in contents]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_never_changes(shape: int) -> None:
    assert digest(rendered(shape)) == GIVEN[shape]


def running(shape: int) -> Observed:
    """Version 1 as it runs, its instances of a shape."""
    release = SeenRelease(number=1, name="shop-v1", digest=content_digest(CONTENT), phase="Live", content=CONTENT)
    deployments = [
        SeenDeployment(process=item.name, release="shop-v1", runtime=runtime(CONTENT, item), shape=shape)
        for item in CONTENT.processes
    ]
    return Observed(tenant="acme", environment="dev", releases=(release,), deployments=tuple(deployments), helped=True)


def templates(app: App, observed: Observed) -> list[dict[str, Any]]:
    applied = plan(app, observed, golden.NOW).apply
    return [item.manifest["spec"]["template"] for item in applied if item.manifest["kind"] == "Deployment"]


def newer(*arguments: Any) -> dict[str, Any]:
    return {**SHAPES[1](*arguments), "hostname": "changed"}


def test_an_upgrade_with_a_new_shape_changes_no_running_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    before = templates(SHOP, running(1))
    monkeypatch.setattr(builder, "SHAPES", {**SHAPES, max(SHAPES) + 1: newer})
    assert templates(SHOP, running(1)) == before


def test_scaling_after_it_changes_none_either(monkeypatch: pytest.MonkeyPatch) -> None:
    before = templates(SHOP, running(1))
    monkeypatch.setattr(builder, "SHAPES", {**SHAPES, max(SHAPES) + 1: newer})
    more = CONTENT.model_copy(update={"processes": (WEB.model_copy(update={"replicas": 4}), WORKER)})
    scaled = SeenRelease(number=2, name="shop-v2", digest=content_digest(more), phase="Pending", content=more)
    observed = running(1).model_copy(update={"releases": (*running(1).releases, scaled)})
    assert templates(SHOP.model_copy(update={"spec": more}), observed) == before


def test_the_next_version_has_the_new_shape_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "SHAPES", {**SHAPES, max(SHAPES) + 1: newer})
    changed = CONTENT.model_copy(update={"config": (Variable(name="A", value="c"),)})
    second = SeenRelease(number=2, name="shop-v2", digest=content_digest(changed), phase="Pending", content=changed)
    observed = running(1).model_copy(update={"releases": (*running(1).releases, second)})
    found = templates(SHOP.model_copy(update={"spec": changed}), observed)
    assert {item["spec"]["hostname"] for item in found} == {"changed"}
    assert {item["metadata"]["annotations"]["roost.dev/shape"] for item in found} == {str(max(builder.SHAPES))}


def test_a_shape_of_a_later_version_becomes_the_newest_that_is_known() -> None:
    """The way back: the platform of before does not know it."""
    assert deployment(SHOP, "dev", CONTENT, WEB, Identity("shop-v1", 99)) == deployment(
        SHOP, "dev", CONTENT, WEB, Identity("shop-v1")
    )


@pytest.mark.parametrize(("told", "shape"), [({}, 1), ({"roost.dev/shape": "3"}, 3), ({"roost.dev/shape": "x"}, 0)])
def test_what_a_deployment_says_of_its_shape_is_read(told: dict[str, str], shape: int) -> None:
    made = deployment(SHOP, "dev", CONTENT, WEB, Identity("shop-v1", 1))
    made["spec"]["template"]["metadata"]["annotations"] |= told
    assert read(made).shape == shape


def test_an_instance_ends_by_the_helper_and_keeps_its_grace() -> None:
    spec = SHAPES[2](SHOP, "dev", CONTENT, WEB)
    (body,) = spec["containers"]
    command = body["lifecycle"]["preStop"]["exec"]["command"]
    assert command[:2] == ["/.roost/drain", "wait"]
    assert "--limit=30s" in command
    assert spec["terminationGracePeriodSeconds"] > WEB.grace_s + WEB.drain_s
    assert SHAPES[2](SHOP, "dev", CONTENT, WORKER) == SHAPES[1](SHOP, "dev", CONTENT, WORKER)


def test_without_the_helper_on_the_nodes_a_new_version_ends_as_before() -> None:
    made = deployment(SHOP, "dev", CONTENT, WEB, Identity("shop-v1", helped=False))
    assert made == deployment(SHOP, "dev", CONTENT, WEB, Identity("shop-v1", 1, helped=False))


def test_what_runs_as_root_gets_the_helper_copied_in_place_of_mounted() -> None:
    """Into a user namespace no image can be mounted: the instance would never start."""
    (process,) = ROOT.processes
    rooted = SHAPES[2](SHOP, "dev", ROOT, process)
    assert rooted["hostUsers"] is False
    assert not any("image" in volume for volume in rooted["volumes"])
    assert rooted["initContainers"][0]["command"] == ["/drain", "install", "/.roost/drain"]
    assert rooted["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][0] == "/.roost/drain"
    assert SHAPES[2](SHOP, "dev", CONTENT, WEB)["volumes"][0]["image"]


def test_an_old_instance_that_waits_for_the_gateway_need_not_wait_for_the_new_one() -> None:
    """It serves until the gateway knows both, so a new one counts at once; without the helper it must wait."""
    settled = [
        deployment(SHOP, "dev", CONTENT, WEB, Identity("shop-v1", helped=helped))["spec"]["minReadySeconds"]
        for helped in (True, False)
    ]
    assert settled == [0, 1]
