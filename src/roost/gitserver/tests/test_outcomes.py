"""A run's report comes to its Run by the git server, from the pods of this project alone, and is bounded."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from roost.gitserver import outcomes
from roost.gitserver.cluster import Cluster
from roost.gitserver.exchange import Exchange
from roost.gitserver.repositories import Name
from roost.kube.errors import Unreachable
from roost.surface import fetch_token

SECRET, NOW = "shared secret of two", datetime(2026, 11, 29, 12, tzinfo=UTC)


class Runs:
    """The one Run of acme/shop. away: kube-apiserver does not answer."""

    away = False

    def __init__(self) -> None:
        self.brought: list[str] = []

    async def bring(self, name: Name, run: str, report: str) -> bool:
        if self.away:
            raise Unreachable("no answer")
        if (str(name), run) != ("acme/shop", "shop-1-abc"):
            return False
        self.brought.append(report)
        return True


def token(project: str = "shop", purpose: str = fetch_token.FETCH, minutes: int = 1) -> str:
    return fetch_token.mint(SECRET, ("acme", project), NOW, timedelta(minutes=minutes), purpose)


async def sent(runs: Runs, path: str = "acme/shop/shop-1-abc", body: bytes = b"report", bearer: str = "") -> int:
    """The status of the answer."""
    told: list[dict[str, Any]] = []
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return parts.pop() if parts else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        told.append(dict(message))

    headers = [(b"authorization", f"Bearer {bearer or token()}".encode())]
    scope = {"path": f"/outcomes/{path}", "query_string": b"", "headers": headers}
    await outcomes.answer(Exchange(receive, send), scope, cast(Cluster, runs), SECRET, NOW)
    return int(told[0]["status"])


async def test_it_is_laid_on_the_run() -> None:
    runs = Runs()
    assert await sent(runs) == 204
    assert runs.brought == ["report"]


@pytest.mark.parametrize(
    "bearer",
    [token("other"), token(purpose=fetch_token.PUSH), token(minutes=-1), "1.2", "x"],
    ids=["another project's", "for pushing", "expired", "made up", "none"],
)
async def test_only_pods_of_the_project_may(bearer: str) -> None:
    runs = Runs()
    assert await sent(runs, bearer=bearer) == 401
    assert runs.brought == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("acme/shop/shop-2-abc", b"report", 404),
        ("acme/shop/", b"report", 404),
        ("acme/shop/shop-1-abc?x", b"report", 404),
        ("acme/shop", b"report", 404),
        ("acme/../shop/shop-1-abc", b"report", 404),
        ("", b"report", 404),
        ("acme/shop/shop-1-abc", b"x" * (6 << 10), 413),
        ("acme/shop/shop-1-abc", b"\xff", 400),
    ],
)
async def test_anything_else_is_refused(path: str, body: bytes, status: int) -> None:
    runs = Runs()
    assert await sent(runs, path, body) == status
    assert runs.brought == []


async def test_without_kubernetes_the_pod_is_told_so() -> None:
    runs = Runs()
    runs.away = True
    assert await sent(runs) == 503
