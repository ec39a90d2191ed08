"""The run's own Secret: made once, and never taken over from somebody who guessed the run's name."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from roost.capabilities.run import actions
from roost.kernel.action import ActionContext
from roost.model.names import PLATFORM
from roost.model.plan import Action
from roost.settings import Settings
from roost.surface.registry import new_key

RUN = {
    "metadata": {"name": "shop-1-abc", "namespace": "acme-build", "uid": "run-1"},
    "spec": {"project": "shop"},
}
PREPARE = Action("prepare", "run-1", {"tenant": "acme", "timeoutS": 60})


class Cluster:
    """Secrets by name; what was done to them, in order."""

    def __init__(self, there: dict[str, Any] | None) -> None:
        self.there = there
        self.done: list[str] = []

    async def get(self, *_what: str) -> dict[str, Any] | None:
        return self.there

    async def list(self, *_what: str) -> list[dict[str, Any]]:
        return [{"metadata": {"name": "shop"}}]

    async def delete(self, target: dict[str, Any], uid: str) -> bool:
        self.done.append(f"delete {target['kind']} {target['metadata']['name']} {uid}")
        return True

    async def create(self, manifest: dict[str, Any], _manager: str) -> None:
        self.done.append("create")
        self.there = manifest


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform's keys, and certificates that are there."""

    async def there(_tenant: str, _context: ActionContext) -> None:
        return

    (tmp_path / "token").write_text("git")
    (tmp_path / "key").write_bytes(new_key())
    monkeypatch.setattr(actions, "GIT_SECRET", tmp_path / "token")
    monkeypatch.setattr(actions, "REGISTRY_KEY", tmp_path / "key")
    monkeypatch.setattr(actions, "copy_trust", there)


def prepared(there: dict[str, Any] | None) -> Cluster:
    """The cluster after `prepare`."""
    cluster = Cluster(there)
    context = SimpleNamespace(object=RUN, client=cluster, reader=cluster, settings=Settings())
    asyncio.run(actions.prepare(PREPARE, cast(ActionContext, context)))
    return cluster


def secret(uid: str, owner: str, **labels: str) -> dict[str, Any]:
    """One that is there already."""
    owners = [{"kind": "Run", "name": "shop-1-abc", "uid": owner}]
    return {"metadata": {"name": "shop-1-abc", "uid": uid, "labels": labels, "ownerReferences": owners}}


def test_it_is_made_once() -> None:
    first = prepared(None)
    assert first.done == ["create"]
    assert prepared(first.there).done == []


@pytest.mark.parametrize(
    "there", [secret("s-1", "run-1"), secret("s-1", "run-0", **{PLATFORM: "run"})], ids=["a person's", "an older run's"]
)
def test_what_somebody_else_put_there_is_replaced(there: dict[str, Any]) -> None:
    assert prepared(there).done == ["delete Secret shop-1-abc s-1", "create"]
