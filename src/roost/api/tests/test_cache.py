"""The cache: what happened is kept in order and within bounds, answers end with a change, reads wait for writes."""

import asyncio
from typing import Any

import pytest

from roost.api import cache as module
from roost.api import watching
from roost.api.cache import Happened, History, KindCache
from roost.api.seen import NOT_CACHED, cookies, least_version
from roost.api.watching import Followed, follow
from roost.kernel.clock import SystemClock
from roost.kernel.informer import Informer, Scope
from roost.kube.client import Event
from roost.surface.problems import forbidden


def happened(position: int) -> Happened:
    return Happened(position, ("acme-dev", "shop"), None, {}, b"{}")


def test_a_position_leads_on_only_where_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HAPPENED", 3)
    history = History()
    history.add(happened(0))
    history.begin(10)
    assert history.after(9) is None
    assert history.after(10) == 1
    for position in (11, 14, 15):
        history.add(happened(position))
    assert [history.after(position) for position in (10, 11, 13, 14, 15, 99)] == [1, 2, 2, 3, 4, 4]
    history.add(happened(20))
    assert history.after(10) is None
    assert [item.position for item in history.since(history.after(11) or 0)] == [14, 15, 20]
    history.begin(30)
    assert history.after(20) is None
    assert history.after(30) == history.next


def app(name: str, version: int, namespace: str = "acme-dev", **labels: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "uid": f"u-{name}", "resourceVersion": str(version), "labels": labels}
    return {"apiVersion": "roost.dev/v1alpha1", "kind": "App", "metadata": meta, "spec": {}}


class Fed(KindCache):
    """A cache whose informer is fed by the test."""

    def __init__(self) -> None:
        super().__init__(Informer(None, Scope("roost.dev/v1alpha1", "App"), SystemClock()))  # type: ignore[arg-type]
        self.informer._version = "1"
        self.informer.synced.set()

    def feed(self, type_: str, item: dict[str, Any]) -> None:
        self.informer._take(Event(type_, item))


async def test_an_answer_is_void_after_a_change_in_its_namespace() -> None:
    kept = Fed()
    kept.keep("acme-dev", "q", b"1")
    kept.keep("other-dev", "q", b"2")
    kept.feed("ADDED", app("shop", 5))
    assert kept.answer("acme-dev", "q") is None
    assert kept.answer("other-dev", "q") == b"2"


async def test_answers_stay_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 100)
    kept = Fed()
    for number in range(50):
        kept.keep("acme-dev", number, b"x" * 30)
        kept.keep("acme-dev", number, b"x" * 40)
    assert kept._answer_bytes == 80
    assert kept.answer("acme-dev", 49) is not None and kept.answer("acme-dev", 0) is None


async def test_a_read_waits_for_what_was_written_here(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Fed()
    kept.wrote(app("shop", 7))
    assert await kept.fresh("other-dev", 0)
    reading = asyncio.ensure_future(kept.fresh("acme-dev", 0))
    await asyncio.sleep(0)
    assert not reading.done()
    kept.feed("ADDED", app("shop", 7))
    assert await reading
    kept.deleted("acme-dev", "shop", "u-shop")
    reading = asyncio.ensure_future(kept.fresh("acme-dev", 0))
    await asyncio.sleep(0)
    assert not reading.done()
    kept.feed("DELETED", app("shop", 9))
    assert await reading
    monkeypatch.setattr(module, "FRESH_S", 0.01)
    assert not await kept.fresh("acme-dev", 1000)


async def test_streams_of_one_namespace_see_only_it_and_resume() -> None:
    kept = Fed()
    kept.feed("ADDED", app("shop", 2, tier="a"))

    async def fine() -> None:
        return None

    followed = Followed(kept, "acme-dev", "tier=a", "", fine, "r")
    stream = follow(followed, None)
    begin = (await anext(stream)) + (await anext(stream))
    assert begin.count(b"event: added") == 1 and b"event: synced" in begin
    kept.feed("ADDED", app("secret", 3, "other-dev", tier="a"))
    kept.feed("MODIFIED", app("shop", 4))
    kept.feed("MODIFIED", app("shop", 5, tier="a"))
    kept.feed("DELETED", app("shop", 6, tier="a"))
    seen = b""
    while b"id: 6" not in seen:
        seen += await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    assert [line for line in seen.split(b"\n") if line.startswith(b"event")] == [
        b"event: deleted",
        b"event: added",
        b"event: deleted",
    ]
    assert b"secret" not in seen
    resumed = follow(followed, kept.history.after(5))
    assert (await anext(resumed)).count(b"event: ") == 1
    await resumed.aclose()  # type: ignore[attr-defined]
    assert not kept._waiting


async def test_a_client_that_reads_nothing_holds_one_piece_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MAX_PIECE", 3_000)
    kept = Fed()

    async def fine() -> None:
        return None

    stream = follow(Followed(kept, "acme-dev", "", "", fine, "r"), None)
    assert b"synced" in await anext(stream)
    wanted = range(2, 302)
    for version in wanted:
        kept.feed("MODIFIED", app("shop", version))
    seen: list[int] = []
    while len(seen) < len(wanted):
        piece = await anext(stream)
        assert len(piece) < 3_000 + 1_000
        seen += [int(line[4:]) for line in piece.split(b"\n") if line.startswith(b"id: ")]
    assert seen == list(wanted)
    # Left behind by the history: told so, and given everything anew.
    monkeypatch.setattr(module, "MAX_HAPPENED", 5)
    for version in range(302, 320):
        kept.feed("MODIFIED", app("shop", version))
    assert (await anext(stream)).startswith(b"event: reset")
    assert b"event: added" in await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]


async def test_a_stream_beats_when_nothing_happens_and_asks_for_its_right_also_when_much_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(watching, "RECHECK_S", 0.05)
    kept, asked = Fed(), 0

    async def recheck() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise forbidden("You may no longer watch apps.")

    stream = follow(Followed(kept, "acme-dev", "", "", recheck, "r"), None)
    assert b"synced" in await anext(stream)
    seen, version = b"", 1
    while asked < 1:
        seen += await anext(stream)
    assert seen.count(b": \n\n") >= 2 and b"event" not in seen  # Only comments.
    async for piece in stream:  # Now it never has to wait, and the question is asked all the same.
        version += 1
        kept.feed("MODIFIED", app("shop", version))
        seen = piece
        await asyncio.sleep(0.001)
    assert asked == 3 and seen.startswith(b"event: error") and b"no longer" in seen
    assert not kept._waiting


def test_what_was_seen_is_a_version_or_nothing() -> None:
    lines = list(cookies({"apps": "12", "runs": NOT_CACHED}))
    assert lines[0].startswith(b"roost-seen-apps=12; ") and b"roost-seen-runs=cluster; " in lines[1]
    assert least_version({}, {"roost-seen-apps": "12"}, "apps") == 12
    assert least_version({}, {"roost-seen-apps": "12"}, "runs") == 0
    assert least_version({}, {"roost-seen-runs": NOT_CACHED}, "runs") is None
    assert least_version({"cache-control": "no-cache"}, {}, "apps") is None
    for forged in ("-1", "1" * 40, "x", "١٢"):
        assert least_version({}, {"roost-seen-apps": forged}, "apps") == 0
