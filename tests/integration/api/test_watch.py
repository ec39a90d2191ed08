"""Watching: server-sent events that resume where they broke off, without loss and without repetition."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest

from tests.integration.api.conftest import Running, Team, app_body

pytestmark = pytest.mark.integration


@dataclass
class Events:
    """The events of a stream; `last` is the position to resume from."""

    source: AsyncIterator[httpx2.ServerSentEvent]
    last: str = ""

    async def take(self, number: int) -> list[tuple[str, str]]:
        """The next (event, name of the object); bookmarks are left out."""
        found: list[tuple[str, str]] = []
        while len(found) < number:
            event = await anext(self.source)
            self.last = event.id or self.last
            if event.event != "bookmark":
                found.append((event.event, json.loads(event.data).get("metadata", {}).get("name", "")))
        return found


@asynccontextmanager
async def watching(http: httpx2.AsyncClient, path: str, last: str = "", **params: str) -> AsyncIterator[Events]:
    """A watch of that collection."""
    headers = {"Last-Event-ID": last} if last else {}
    async with asyncio.timeout(30), http.stream("GET", path, params={"watch": "true", **params}, headers=headers) as it:
        assert it.status_code == 200, await it.aread()
        yield Events(aiter(httpx2.EventSource(it)))


async def test_a_watch_begins_with_what_stands_and_goes_on_with_what_happens(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    await http.post(team.of("apps"), json=app_body("one"))
    async with watching(http, team.of("apps")) as events:
        assert await events.take(2) == [("added", "one"), ("synced", "")]
        await http.post(team.of("apps"), json=app_body("two"))
        await http.patch(f"{team.of('apps')}/one", json={"spec": {"stopped": True}})
        await http.delete(f"{team.of('apps')}/two")
        assert await events.take(3) == [("added", "two"), ("modified", "one"), ("deleted", "two")]


async def test_a_broken_watch_resumes_without_loss(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    await http.post(team.of("apps"), json=app_body("app0"))
    async with watching(http, team.of("apps")) as events:
        await events.take(2)
        await http.post(team.of("apps"), json=app_body("app1"))
        await events.take(1)
        last = events.last
    seen = []
    for number in range(2, 8):
        # Broken off before, in between and after: each name is seen exactly once.
        await http.post(team.of("apps"), json=app_body(f"app{number}"))
        if number % 3 == 1:
            async with watching(http, team.of("apps"), last) as events:
                seen += await events.take(2 if number > 4 else 1)
                last = events.last
    async with watching(http, team.of("apps"), last) as events:
        await http.delete(f"{team.of('apps')}/app0")
        while seen[-1] != ("deleted", "app0"):
            seen += await events.take(1)
    assert seen == [*(("added", f"app{number}") for number in range(2, 8)), ("deleted", "app0")]


async def test_a_watch_survives_the_renewal_of_its_rights(
    api: Running, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roost.api.watching.RECHECK_S", 0.2)
    http = await api.as_(team.person("developer"))
    async with watching(http, team.of("apps")) as events:
        assert await events.take(1) == [("synced", "")]
        for number in range(6):
            await http.post(team.of("apps"), json=app_body(f"app{number}"))
            assert await events.take(1) == [("added", f"app{number}")]


async def test_a_position_that_is_too_old_or_nonsense_is_told(
    api: Running, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    from roost.kube.client import Client
    from roost.kube.errors import Gone

    http = await api.as_(team.person("developer"))
    await http.post(team.of("apps"), json=app_body("one"))
    real = Client.watch

    def forgetful(self: Client, *arguments: object, **more: object) -> object:
        if arguments[3] == "1":
            raise Gone("too old resource version", 410)
        return real(self, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Client, "watch", forgetful)
    async with watching(http, team.of("apps"), "1") as events:
        assert await events.take(3) == [("reset", ""), ("added", "one"), ("synced", "")]
    for nonsense in ("x", "-1", "1; drop", "9" * 40, "0"):
        answer = await http.get(team.of("apps"), params={"watch": "true"}, headers={"Last-Event-ID": nonsense})
        assert answer.status_code == 400, nonsense


async def test_one_object_can_be_watched(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    for name in ("one", "two"):
        await http.post(team.of("apps"), json=app_body(name))
    async with watching(http, team.of("apps"), name="two") as events:
        assert await events.take(2) == [("added", "two"), ("synced", "")]
        for name in ("one", "two"):
            await http.patch(f"{team.of('apps')}/{name}", json={"spec": {"stopped": True}})
        assert await events.take(1) == [("modified", "two")]


async def test_members_watch_their_tenants_only(api: Running, team: Team, other: Team) -> None:
    http = await api.as_(team.person("viewer"))
    async with watching(http, "/v1/tenants") as events:
        assert await events.take(2) == [("added", team.name), ("synced", "")]
        for name in (other.name, team.name):
            raw = await api.admin.get("roost.dev/v1alpha1", "Tenant", name)
            assert raw is not None
            await api.admin.patch(raw, {"spec": {"title": "New"}})
        assert await events.take(1) == [("modified", team.name)]


async def test_a_person_holds_a_bounded_number_of_streams(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    held = []
    async with AsyncExitStack() as stack:
        for _ in range(40):
            held.append(await stack.enter_async_context(watching(http, team.of("apps"))))
            await held[-1].take(1)
        refused = await http.get(team.of("apps"), params={"watch": "true"})
        assert refused.status_code == 429
        assert (await http.get(team.of("apps"))).status_code == 200
