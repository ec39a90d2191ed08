"""Informer: keeps a Store like the server's objects of one kind, and tells handlers what changed.

A paged list, then watches from its version. A stream that is silent for longer than bookmarks allow is dead
(half-open TCP) and is opened anew; 410, as a status or inside the stream, leads to a new list; every other failure is
tried again with back-off. A kind that the cluster does not serve has no objects: the informer looks again later.
When a stream broke, or ended without a word, the server's history may be another one (etcd was restored): it would
leave a watch from its future waiting in silence, so its version is asked for first.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import structlog

from roost.kernel import metrics
from roost.kernel.clock import Clock
from roost.kernel.selector import matches
from roost.kernel.store import Change, Key, Store, key_of, version_of
from roost.kube.client import SILENCE_S, Client, Event, Page, Selection
from roost.kube.errors import Gone, KubeError, RetryableError, UnknownKind
from roost.kube.reader import Object

Handler = Callable[[Change], None]
LONGEST_PAUSE_S = 30.0
SHORTEST_STREAM_S = 1.0
UNSERVED_PAUSE_S = 15.0


@dataclass(frozen=True)
class Scope:
    """What an informer looks at."""

    api_version: str
    kind: str
    selection: Selection = field(default_factory=Selection)


class Informer:
    """One kind, kept up to date while `run` runs."""

    def __init__(self, client: Client, scope: Scope, clock: Clock, silence_s: float = SILENCE_S) -> None:
        self.scope = scope
        self.store = Store()
        self.synced = asyncio.Event()
        self._client = client
        self._clock = clock
        self._silence_s = silence_s
        self._version = ""
        self._doubt = False
        self._failures = 0
        self._handlers: list[tuple[object, Handler]] = []
        self._listeners: list[Callable[[bool], None]] = []
        self.listing = False  # Changes told meanwhile are in no order of versions.
        self._log = structlog.get_logger("roost.kernel.informer").bind(kind=scope.kind)

    def subscribe(self, handler: Handler, origin: object = None) -> None:
        """Tell `handler` of every change, but for those that are noted with the same `origin`."""
        self._handlers.append((origin, handler))

    def listen(self, listener: Callable[[bool], None]) -> None:
        """Call `listener` when `version` moved without a change: with True when a list is complete, else a bookmark."""
        self._listeners.append(listener)

    @property
    def version(self) -> int:
        """Up to where every change was told; 0 while that is not known."""
        return int(self._version) if self._version.isdigit() else 0

    @property
    def current(self) -> bool:
        """Whether the store is as the server's objects are, but for what is on its way."""
        return self.synced.is_set() and self.version > 0 and not self.listing and not self._failures

    def note(self, item: Object, origin: object = None) -> None:
        """Keep what the server answered to a write of ours, ahead of the watch."""
        self._tell(self.store.put({**item, "metadata": dict(item["metadata"])}), origin)

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels belongs into this cache."""
        return matches(self.scope.selection.labels, labels)

    async def run(self) -> None:
        """List, watch, and begin again, for ever."""
        while True:
            try:
                if not self._version:
                    await self._list()
                elif self._doubt:
                    await self._check_history()
                await self._watch()
            except Gone:
                self._version = ""
                metrics.RELISTS.labels(self.scope.kind).inc()
                self._log.info("The version is too old: listing again.")
                await self._pause()
            except UnknownKind:
                self.synced.set()
                await asyncio.sleep(UNSERVED_PAUSE_S)
            except RetryableError as error:
                self._doubt = True
                metrics.WATCH_FAILURES.labels(self.scope.kind).inc()
                self._log.warning("The stream broke: opening it anew.", error=str(error), failures=self._failures)
                await self._pause(error.retry_after_s)
            except KubeError as error:
                self._version = ""
                metrics.WATCH_FAILURES.labels(self.scope.kind).inc()
                self._log.error("The server refuses to list or watch.", error=str(error))
                await self._pause()

    async def _list(self) -> None:
        self.listing = True
        try:
            await self._list_all()
        finally:
            self.listing = False
        for listener in self._listeners:
            listener(True)

    async def _list_all(self) -> None:
        scope = self.scope
        before = self.store.newest
        page = await self._client.page(scope.api_version, scope.kind, scope.selection)
        version = int(page.version) if page.version.isdigit() else 0
        if version < before:
            self._log.warning("The server's history went back: etcd was restored.", version=version, before=before)
            for change in self.store.reset():
                self._tell(change)
        standing = self._put(page)
        while page.rest:  # Page by page: all at once would be ten times what is kept.
            page = await self._client.page(scope.api_version, scope.kind, scope.selection, page.rest)
            standing |= self._put(page)
        self._version, self._doubt = page.version, False
        for change in self.store.retain(standing, version):
            self._tell(change)
        self.synced.set()
        metrics.CACHED.labels(scope.kind).set(len(self.store))

    def _put(self, page: Page) -> set[Key]:
        for item in page.items:
            self._tell(self.store.put(item))
        return {key_of(item) for item in page.items}

    async def _check_history(self) -> None:
        """Gone when the server's history does not reach as far as ours."""
        page = await self._client.page(self.scope.api_version, self.scope.kind, self.scope.selection, limit=1)
        if page.version.isdigit() and self._version.isdigit() and int(page.version) < int(self._version):
            raise Gone("The server's history went back: etcd was restored.", 410, "Restored")
        self._doubt = False

    async def _watch(self) -> None:
        scope = self.scope
        self._doubt = True
        begun = asyncio.get_running_loop().time()
        events = self._client.watch(scope.api_version, scope.kind, scope.selection, self._version, self._silence_s)
        async with aclosing(events):
            async for event in events:
                self._failures = 0
                self._take(event)
                self._doubt = False
        if asyncio.get_running_loop().time() - begun < SHORTEST_STREAM_S:
            await self._pause()

    def _take(self, event: Event) -> None:
        item = event.object
        if self._version.isdigit() and version_of(item) < int(self._version):
            raise Gone("Versions went back: etcd was restored.", 410, "Restored")
        self._version = item["metadata"]["resourceVersion"]
        if event.type == "DELETED":
            self._tell(self.store.remove(key_of(item), version_of(item)))
        elif event.type != "BOOKMARK":
            self._tell(self.store.put(item))
        else:
            for listener in self._listeners:
                listener(False)
        metrics.CACHED.labels(self.scope.kind).set(len(self.store))

    def _tell(self, change: Change | None, origin: object = None) -> None:
        if change is None:
            return
        for subscriber, handler in self._handlers:
            if origin is None or subscriber is not origin:
                handler(change)

    async def _pause(self, least_s: float = 0.0) -> None:
        longest = min(LONGEST_PAUSE_S, 0.2 * 2.0 ** min(self._failures, 10))
        self._failures += 1
        await asyncio.sleep(max(least_s, longest * (0.5 + self._clock.chance() / 2)))
