"""Watching: server-sent events of one collection, resumable without loss. Called by the generic routes.

A stream begins with everything that stands (without ids), then `synced`; from there each event's id is a position to
resume from. The position given by a caller leads on from there; when the cluster no longer knows it, `reset` and all
anew. Every RECHECK the person's right is asked for again, by a new watch, so that a removed member's stream ends.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from anyio import CancelScope
from fastapi.sse import format_sse_event

from roost.api.errors import from_kube
from roost.api.kinds import shown
from roost.kube.client import Client, Event, Selection
from roost.kube.errors import Gone, KubeError, RetryableError
from roost.surface.problems import Problem

RECHECK_S: Final = 45.0
HEARTBEAT_S: Final = 10.0
RETRIES: Final = 30
REFUSALS: Final = 3
PAUSE_S: Final = 1.0
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
