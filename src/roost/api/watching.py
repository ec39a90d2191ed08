"""Watching: server-sent events of one collection, resumable without loss. Called by the generic routes.

`follow` reads them from the cache, one watch for all callers; `stream` has a watch of its own, where the cache is cold
or does not reach back to the caller's position. Positions mean the same in both, and in every replica.

A stream begins with everything that stands (without ids), then `synced`; from there each event's id is a position to
resume from. The position given by a caller leads on from there; when the cluster no longer knows it, `reset` and all
anew. Every RECHECK the person's right is asked for again, by a new watch, so that a removed member's stream ends.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from anyio import CancelScope
from fastapi.sse import format_sse_event

from roost.api.cache import Happened, KindCache
from roost.api.errors import from_kube
from roost.api.kinds import shown
from roost.kernel.selector import matches
from roost.kube.client import Client, Event, Selection
from roost.kube.errors import Gone, KubeError, RetryableError
from roost.surface.problems import Problem

RECHECK_S: Final = 45.0
HEARTBEAT_S: Final = 10.0
RETRIES: Final = 30
REFUSALS: Final = 3
PAUSE_S: Final = 1.0
SOME: Final = 50  # Objects that are sent at once.
# Bytes of events that are sent at once. A slow client holds no more than one such piece: the rest waits in the history,
# which all share; whom it leaves behind is told `reset`.
MAX_PIECE: Final = 128 << 10
_NAMES: Final = {"ADDED": "added", "MODIFIED": "modified", "DELETED": "deleted", "BOOKMARK": "bookmark"}
Shows = Callable[[Mapping[str, Any]], bool]


def _everything(_: Mapping[str, Any]) -> bool:
    return True


@dataclass(frozen=True)
class Watched:
    """What is watched, as whom. `recheck` raises Problem when the caller may no longer; `shows` filters objects."""

    client: Client
    api_version: str
    kind: str
    selection: Selection
    recheck: Callable[[], Awaitable[None]]
    request_id: str
    shows: Shows = _everything


def event(name: str, data: Any, id_: str | None = None) -> bytes:
    """One event as bytes."""
    return format_sse_event(data_str=msgspec.json.encode(data).decode(), event=name, id=id_)


def comment() -> bytes:
    """A heart-beat."""
    return format_sse_event(comment="")


async def stream(watched: Watched, position: str) -> AsyncIterator[bytes]:
    """The bytes of the stream, from `position` on (empty: from the start)."""
    failures = 0
    resumed = bool(position)
    while True:
        try:
            if not position:
                if resumed:
                    yield event("reset", {})
                async with aclosing(_initial(watched)) as chunks:
                    async for chunk, version in chunks:
                        yield chunk
                        position = version or position
                resumed = True
            async with aclosing(_follow(watched, position)) as changes:
                async for chunk, version in changes:
                    yield chunk
                    position = version or position
                    failures = 0
            await watched.recheck()
        except Gone:
            position = ""
        except KubeError as error:
            failures += 1
            # A kube-apiserver that has just started refuses what it will allow in a moment.
            if failures > (RETRIES if isinstance(error, RetryableError) else REFUSALS):
                yield event("error", from_kube(error).body(watched.request_id))
                return
            yield comment()
            await asyncio.sleep(PAUSE_S)
        except Problem as problem:
            yield event("error", problem.body(watched.request_id))
            return


async def _initial(watched: Watched) -> AsyncGenerator[tuple[bytes, str], None]:
    rest = ""
    while True:
        page = await watched.client.page(watched.api_version, watched.kind, watched.selection, rest)
        for item in page.items:
            if watched.shows(item):
                yield event("added", shown(item)), ""
        rest = page.rest
        if not rest:
            yield event("synced", {}, page.version), page.version
            return


async def _follow(watched: Watched, position: str) -> AsyncGenerator[tuple[bytes, str], None]:
    """(bytes, position) for RECHECK_S seconds at most."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + RECHECK_S
    source = watched.client.watch(watched.api_version, watched.kind, watched.selection, position)
    async with aclosing(source) as events:
        pending: asyncio.Task[Event] | None = None
        try:
            while loop.time() < deadline:
                if pending is None:
                    pending = asyncio.ensure_future(anext(events))
                wait_s = max(0.0, min(HEARTBEAT_S, deadline - loop.time()))
                done, _ = await asyncio.wait({pending}, timeout=wait_s)
                if not done:
                    yield comment(), ""
                    continue
                try:
                    happened = pending.result()
                except StopAsyncIteration:
                    return
                finally:
                    pending = None
                yield _present(watched, happened)
        finally:
            if pending is not None:
                pending.cancel()
                # The server cancels again and again while a client has hung up; the source must end before it closes.
                with CancelScope(shield=True):
                    await asyncio.wait({pending})


def _present(watched: Watched, happened: Event) -> tuple[bytes, str]:
    version = str(happened.object["metadata"]["resourceVersion"])
    name = _NAMES.get(happened.type, "bookmark")
    if name == "bookmark":
        return event("bookmark", {}, version), version
    if not watched.shows(happened.object):
        # It left the caller's view, or never was in it: its name alone says nothing that the caller may not know.
        return event("bookmark", {}, version), version
    return event(name, shown(happened.object), version), version


# From the cache


@dataclass(frozen=True)
class Followed:
    """What is followed in the cache. `recheck` as above; `name` and `labels` choose among the namespace's objects."""

    kept: KindCache
    namespace: str | None
    labels: str
    name: str
    recheck: Callable[[], Awaitable[None]]
    request_id: str


class _Bell:
    """Sets an event after a while. It is wound rarely; a time-out around each wait cost a tenth of telling an event."""

    def __init__(self, waiting: asyncio.Event) -> None:
        self._waiting = waiting
        self.wind(HEARTBEAT_S)

    def wind(self, seconds: float) -> None:
        """Ring in so many seconds (again)."""
        self.rang = False
        self._timer = asyncio.get_running_loop().call_later(max(0.0, seconds), self._ring)

    def stop(self) -> None:
        """Ring no more."""
        self._timer.cancel()

    def _ring(self) -> None:
        self.rang = True
        self._waiting.set()


async def follow(followed: Followed, number: int | None) -> AsyncIterator[bytes]:
    """The bytes of the stream: from that number of the history on, or (None) from the start."""
    kept = followed.kept
    loop = asyncio.get_running_loop()
    waiting = kept.wait_for(followed.namespace)
    bell, check_at = _Bell(waiting), loop.time() + RECHECK_S
    try:
        begun = number is None
        while True:
            if number is None or number < kept.history.first:
                if not begun:
                    yield event("reset", {})
                # No await between the two: what happens from here on is in the history.
                standing, number = kept.list(followed.namespace, followed.labels), kept.history.next
                position = str(kept.informer.version)
                for chunk in _standing(followed, standing, position):
                    yield chunk
            begun = False
            waiting.clear()
            chunk, number = _news(followed, number)
            if chunk:
                yield chunk
                if number < kept.history.next:
                    await asyncio.sleep(0)  # Others' turn: there is more.
            elif bell.rang:
                yield comment()
            else:
                await waiting.wait()
                continue
            if bell.rang:
                if loop.time() >= check_at:
                    await followed.recheck()
                    check_at = loop.time() + RECHECK_S
                bell.wind(min(HEARTBEAT_S, check_at - loop.time()))
    except (Problem, KubeError) as error:
        problem = from_kube(error) if isinstance(error, KubeError) else error
        yield event("error", problem.body(followed.request_id))
    finally:
        bell.stop()
        kept.leave(followed.namespace, waiting)


def _standing(followed: Followed, standing: list[dict[str, Any]], position: str) -> Iterator[bytes]:
    """What stands, some at a time, and `synced`."""
    shown_ = [item for item in standing if not followed.name or item["metadata"]["name"] == followed.name]
    for start in range(0, len(shown_), SOME):
        yield b"".join(event("added", shown(item)) for item in shown_[start : start + SOME])
    yield event("synced", {}, position)


def _news(followed: Followed, number: int) -> tuple[bytes, int]:
    """What happened since, as bytes (some of it, where it is much), and the number that follows."""
    history, parts, size = followed.kept.history, [], 0
    for happened in history.since(number):
        number += 1
        if happened.key[0] == (followed.namespace or ""):
            parts.append(_told(followed, happened))
            size += len(parts[-1])
            if size >= MAX_PIECE:
                break
    return b"".join(parts), number


def _told(followed: Followed, happened: Happened) -> bytes:
    if followed.name and happened.key[1] != followed.name:
        return b""
    was = happened.old is not None and (not followed.labels or matches(followed.labels, happened.old))
    is_ = happened.new is not None and (not followed.labels or matches(followed.labels, happened.new))
    if not was and not is_:
        return b""
    name = b"modified" if was and is_ else b"added" if is_ else b"deleted"
    id_ = b"id: %d\n" % happened.position if happened.position else b""
    return b"event: %s\ndata: %s\n%s\n" % (name, happened.data, id_)
