"""Log lines of containers, read with the caller's own rights: merged when only read, interleaved when followed.

For the log routes of apps and runs. Memory is bounded: what one connection to kube-apiserver may bring is limited, and
a reader that is slow slows its sources. Every RECHECK_S the connection is made anew, so that a removed member's stream
ends, and lines already given are left out by their times.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec
from anyio import CancelScope

from roost.kube.client import Client
from roost.kube.errors import BadRequest, NotFound, RetryableError
from roost.model import step_lines
from roost.model.conditions import timestamp

RECHECK_S: Final = 45.0
HEARTBEAT_S: Final = 10.0
PAUSE_S: Final = 1.0
LIMIT_READ: Final = 2 * 1024 * 1024
LIMIT_FOLLOW: Final = 8 * 1024 * 1024
LIMIT_CHOSEN: Final = 64 * 1024 * 1024  # What is looked through for the lines of one step; few of them are held.
QUEUE: Final = 500
MAX_LINE: Final = 64 * 1024


@dataclass(frozen=True)
class Line:
    """A line; `instance` empty: a remark of Roost's own. `time`: RFC 3339 with nanoseconds."""

    time: str
    instance: str
    process: str
    line: str

    def encoded(self) -> bytes:
        """One line of NDJSON."""
        return msgspec.json.encode(self) + b"\n"


@dataclass(frozen=True)
class Wanted:
    """Which lines: the last `tail` of each container, not older than `since`; `process`: only of this one (a step)."""

    tail: int | None = None
    since: datetime | None = None
    process: str = ""

    def shows(self, line: "Line") -> bool:
        """Whether it is one of them."""
        return not self.process or line.process == self.process


@dataclass(frozen=True)
class Container:
    """A container whose log is read, and how its lines are labelled; `marked`: they say themselves of which step they
    are (`model.step_lines`).
    """

    pod: str
    name: str
    process: str
    marked: bool = False


class Logs:
    """Reads the logs of one namespace as one caller. `recheck` raises Problem when the caller may no longer."""

    def __init__(
        self,
        client: Client,
        namespace: str,
        recheck: Callable[[], Awaitable[None]],
        clock: Callable[[], datetime],
    ) -> None:
        self.client = client
        self.namespace = namespace
        self.recheck = recheck
        self._clock = clock

    def remark(self, text: str, process: str = "") -> Line:
        """A line of Roost's own."""
        return Line(self._clock().strftime("%Y-%m-%dT%H:%M:%S.%f000Z"), "", process, text)

    async def pods(self, labels: str) -> list[dict[str, Any]]:
        """The pods with those labels, oldest first."""
        found = await self.client.list("v1", "Pod", self.namespace, labels)
        return sorted(found, key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"]))

    async def read(self, containers: list[Container], wanted: Wanted) -> list[Line]:
        """What stands now, of all containers, in the order of time. One that has not started has nothing."""
        found: list[Line] = []
        limit = LIMIT_CHOSEN if wanted.process else LIMIT_READ
        for container in containers:
            some: deque[Line] = deque(maxlen=wanted.tail)
            try:
                async with aclosing(self._lines(container, wanted, limit, follow=False)) as lines:
                    async for line in lines:
                        if wanted.shows(line):
                            some.append(line)
            except (NotFound, BadRequest):
                continue
            found += some
        return sorted(found, key=lambda line: line.time)

    async def follow(self, container: Container, wanted: Wanted, put: Callable[[Line], Awaitable[None]]) -> None:
        """Give every line to `put` until the container is over for good."""
        last = ""
        while True:
            before = last
            full = False
            try:
                async with asyncio.timeout(RECHECK_S):
                    chosen = replace(wanted, tail=None, since=_moment(last)) if last else wanted
                    async with aclosing(self._lines(container, chosen, LIMIT_FOLLOW, follow=True)) as lines:
                        size = 0
                        async for line in lines:
                            size += len(line.line) + len(line.time) + 2
                            full = size >= LIMIT_FOLLOW
                            if line.time > last and not (full and last > before):
                                last = line.time
                                if wanted.shows(line):
                                    await put(line)
            except TimeoutError:
                await self.recheck()
                continue
            except NotFound:
                return
            except (BadRequest, RetryableError):
                # Not started yet, or kube-apiserver or the node do not answer: look again.
                full = False
            if full:
                if last == before:
                    # More in a second than one connection brings: it could not go on otherwise.
                    await put(self.remark("Too many lines; some are left out.", container.process))
                    last = self._clock().strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
                continue
            if await self._over(container):
                return
            await asyncio.sleep(PAUSE_S)

    async def _over(self, container: Container) -> bool:
        pod = await self.client.get("v1", "Pod", container.pod, self.namespace)
        return pod is None or is_over(pod, container.name)

    async def _lines(
        self, container: Container, wanted: Wanted, limit: int, follow: bool
    ) -> AsyncGenerator[Line, None]:
        params = {"container": container.name, "timestamps": "true", "limitBytes": str(limit)}
        if follow:
            params["follow"] = "true"
        if wanted.tail is not None and not wanted.process:
            params["tailLines"] = str(wanted.tail)
        if wanted.since is not None:
            params["sinceTime"] = timestamp(wanted.since)
        path = f"api/v1/namespaces/{self.namespace}/pods/{container.pod}/log"
        source = self.client.lines(path, params)
        async with aclosing(source) as texts:
            async for text in texts:
                moment, _, rest = text.partition(" ")
                if moment:
                    step, line = step_lines.read(rest) if container.marked else ("", rest)
                    yield Line(moment, container.pod, step or container.process, line[:MAX_LINE])


def is_over(pod: Mapping[str, Any], container: str) -> bool:
    """Will this container print nothing more?"""
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return True
    for item in (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or []):
        if item.get("name") == container:
            never_again = (pod.get("spec") or {}).get("restartPolicy") == "Never"
            ended = (item.get("state") or {}).get("terminated") or {}
            return bool(ended) and (never_again or ended.get("exitCode") == 0)
    return False


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text[:19] + "+00:00")


class Tail:
    """Follows a changing set of containers at once and gives their lines as bytes, with heart-beats."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Line | None] = asyncio.Queue(QUEUE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def put(self, line: Line) -> None:
        """Hand on a line; waits while the reader is slow."""
        await self._queue.put(line)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that puts lines. What it raises ends the stream."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
        if self._queue.qsize() < QUEUE:
            self._queue.put_nowait(None)

    async def output(self) -> AsyncIterator[bytes]:
        """Bytes until everything started has ended. Raises what a piece of work raised."""
        try:
            while True:
                try:
                    line = await asyncio.wait_for(self._queue.get(), HEARTBEAT_S)
                except TimeoutError:
                    yield b"\n"
                    line = None
                if line is not None:
                    yield line.encoded()
                elif self._failure is not None:
                    raise self._failure
                elif not self._tasks and self._queue.empty():
                    return
        finally:
            for task in tuple(self._tasks):
                task.cancel()
            if self._tasks:
                with CancelScope(shield=True):
                    await asyncio.wait(tuple(self._tasks))
