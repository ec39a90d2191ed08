"""Whatever is wrong with one repository, the others get their runs."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from roost.gitserver import ledger as tried
from roost.gitserver.cluster import KubeCluster, Misfit
from roost.gitserver.ledger import Ledger
from roost.gitserver.repositories import Name, Repositories
from roost.model.kinds.delivery import Project

BAD, GOOD = Name("acme", "bad"), Name("acme", "good")


class Answers:
    """A client whose Project `bad` was stored before a name like that was refused."""

    async def get(self, api_version: str, kind: str, name: str, namespace: str) -> dict[str, Any]:
        spec = {"app": "Not_A_Name"} if name == "bad" else {}
        return {"metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}"}, "spec": spec}


class Clock:
    def now(self) -> datetime:
        return datetime(2026, 11, 28, tzinfo=UTC)


class Watched(Ledger):
    """Notes which repositories were settled, each of them by asking for its Project."""

    def __init__(self, repositories: Repositories, cluster: KubeCluster) -> None:
        super().__init__(repositories, cluster, Clock())  # type: ignore[arg-type]
        self.settled: list[Name] = []

    async def settle(self, name: Name) -> list[Any]:
        await self._cluster.project(name)
        self._open.discard(name)
        self.settled.append(name)
        return []


async def repositories(root: Path) -> Repositories:
    made = Repositories(root, 100, 10)
    for name in (BAD, GOOD):
        await made.ensure(name, f"uid-{name.project}", "main")
    return made


def test_a_project_that_does_not_fit_is_told_as_such() -> None:
    cluster = KubeCluster(Answers())  # type: ignore[arg-type]
    with pytest.raises(Misfit, match=r"Project bad does not fit its kind: spec\.app"):
        asyncio.run(cluster.project(BAD))
    assert isinstance(asyncio.run(cluster.project(GOOD)), Project)


def test_one_bad_project_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tried, "PAUSE_S", 0.01)
    monkeypatch.setattr(tried, "SWEEP_S", -1e9)

    async def run() -> Watched:
        ledger = Watched(await repositories(tmp_path), KubeCluster(Answers()))  # type: ignore[arg-type]
        with suppress(TimeoutError):
            await asyncio.wait_for(ledger.keep(), 0.5)
        return ledger

    assert GOOD in asyncio.run(run()).settled
    assert (tmp_path / "acme" / "bad.git").is_dir(), "What cannot be read must not be set aside."


def test_a_commit_that_brings_out_a_mistake_of_ours_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tried, "PAUSE_S", 0.01)

    class Stumbles(Watched):
        async def settle(self, name: Name) -> list[Any]:
            if name == BAD:
                raise TypeError("what nobody thought of")
            return await super().settle(name)

    async def run() -> Watched:
        ledger = Stumbles(await repositories(tmp_path), KubeCluster(Answers()))  # type: ignore[arg-type]
        with suppress(TimeoutError):
            await asyncio.wait_for(ledger.keep(), 0.5)
        return ledger

    assert GOOD in asyncio.run(run()).settled
