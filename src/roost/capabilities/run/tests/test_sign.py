"""What the controller signs: the image that this very run reports, or has succeeded with, and nothing else."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from roost.capabilities.run import actions
from roost.capabilities.run.manifests.job import CONDUCTOR
from roost.kernel.action import ActionContext
from roost.model.errors import Stalled
from roost.model.names import RUN
from roost.model.plan import Action
from roost.settings import Settings

REPOSITORY = "registry.roost-system.svc:5000/acme/shop"
IMAGE, OTHER = (f"{REPOSITORY}@sha256:{letter * 64}" for letter in "ab")
CLAIMS = {"run": "shop-1-abc"}


def run(phase: str = "Building", **more: Any) -> dict[str, Any]:
    """The run as the server has it."""
    return {
        "metadata": {"name": "shop-1-abc", "namespace": "acme-build", "uid": "run-1"},
        "spec": {"project": "shop", "ref": "refs/heads/main", "commit": "a" * 40, "attempt": 1}
        | {"cancel": more.pop("cancel", False)},
        "status": {"phase": phase, **more},
    }


def pod(*reports: tuple[str, str, bool]) -> dict[str, Any]:
    """A pod whose containers have left these last words: (container, image, whether it went well)."""
    statuses = []
    for container, image, ok in reports:
        name, _, digest = image.partition("@")
        message = json.dumps({"ok": ok, "image": name, "digest": digest})
        statuses.append({"name": container, "state": {"terminated": {"exitCode": 0, "message": message}}})
    meta = {"name": "p", "labels": {RUN: "shop-1-abc"}}
    return {"metadata": meta, "status": {"phase": "Succeeded", "containerStatuses": statuses}}


def signed(
    monkeypatch: pytest.MonkeyPatch, live: dict[str, Any] | None, pods: list[dict[str, Any]], name: str = "sign"
) -> list[str]:
    """What is signed when the plan asks for IMAGE."""
    done: list[str] = []

    async def sign_image(_settings: Settings, image: str, claims: dict[str, str]) -> None:
        assert claims == CLAIMS
        done.append(image)

    async def get(*_what: str) -> dict[str, Any] | None:
        return live

    async def listed(*_what: str) -> list[dict[str, Any]]:
        return pods

    monkeypatch.setattr(actions, "sign_image", sign_image)
    client = SimpleNamespace(get=get, list=listed)
    context = cast(ActionContext, SimpleNamespace(object=run(), client=client, settings=Settings()))
    asyncio.run(actions.ACTIONS[name](Action(name, "key", {"image": IMAGE, "claims": CLAIMS}), context))
    return done


def test_the_image_of_the_report_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert signed(monkeypatch, run(), [pod((CONDUCTOR, IMAGE, True))]) == [IMAGE]


@pytest.mark.parametrize(
    ("live", "pods"),
    [
        pytest.param(run(), [pod((CONDUCTOR, OTHER, True))], id="another-digest"),
        pytest.param(run(), [pod((CONDUCTOR, IMAGE, False))], id="a-failed-report"),
        pytest.param(
            run(), [pod(("test", IMAGE, True), (CONDUCTOR, OTHER, True))], id="a-step-that-speaks-for-the-run"
        ),
        pytest.param(run(), [], id="no-pod"),
        pytest.param(run(cancel=True), [pod((CONDUCTOR, IMAGE, True))], id="cancelled-meanwhile"),
        pytest.param(run("Failed"), [pod((CONDUCTOR, IMAGE, True))], id="failed-meanwhile"),
        pytest.param(None, [pod((CONDUCTOR, IMAGE, True))], id="gone"),
        pytest.param(run() | {"metadata": {"uid": "run-2"}}, [pod((CONDUCTOR, IMAGE, True))], id="another-of-its-name"),
    ],
)
def test_nothing_else_is_signed(
    monkeypatch: pytest.MonkeyPatch, live: dict[str, Any] | None, pods: list[dict[str, Any]]
) -> None:
    with pytest.raises(Stalled) as refused:
        signed(monkeypatch, live, pods)
    assert refused.value.reason == "NotBuilt"


def test_a_run_that_is_over_is_signed_by_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    assert signed(monkeypatch, run("Succeeded", artefact={"image": IMAGE}), [], "sign-again") == [IMAGE]
    with pytest.raises(Stalled):
        signed(monkeypatch, run("Succeeded", artefact={"image": OTHER}), [], "sign-again")
