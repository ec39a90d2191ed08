"""Cache: every object of our kinds as the cluster lately had it, in this process; lists, gets and watches read it.

Filled with the platform's own identity, by the kernel's informers. It decides nothing: a route asks `rights` first. A
kind whose informer does not stand (at the start, after a broken stream) is cold, and its reads go to kube-apiserver as
the caller. Memory is bounded: objects are kept packed (`kernel.packing`), answers and what happened last within limits.
"""

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from roost.api.kinds import shown
from roost.kernel.clock import Clock, SystemClock
from roost.kernel.informer import Informer, Scope
from roost.kernel.store import Change, Key, key_of, version_of
from roost.kube.client import Client
from roost.model.names import API_VERSION
from roost.model.resource import Resource

FRESH_S: Final = 2.0  # So long a read waits for a write that it must show, before it goes to the cluster.
MAX_HAPPENED: Final = 4_000  # Events of a kind that are kept, to resume from.
MAX_HAPPENED_BYTES: Final = 8 << 20
MAX_ANSWERS: Final = 512  # Answers of a kind that are kept ready.
MAX_ANSWER_BYTES: Final = 8 << 20
MAX_PENDING: Final = 5_000

Raw = dict[str, Any]


@dataclass(frozen=True)
class Happened:
    """What happened to an object. `position` is 0 where it stands in no order; labels are None where it was not."""

    position: int
    key: Key
    old: Mapping[str, str] | None
    new: Mapping[str, str] | None
    data: bytes


class History:
    """What happened lately to objects of one kind, numbered one after the other."""

    def __init__(self) -> None:
        self._items: dict[int, Happened] = {}
        self._bytes = 0
        self.first = self.next = 0  # Numbers: of the oldest that is kept, and of the one to come.
        self._ordered = 0  # From this number on, positions ascend.
        self._before = 0  # What happened up to this position is not kept.

    def add(self, happened: Happened) -> None:
        """Keep it."""
        self._items[self.next] = happened
        self.next += 1
        self._bytes += len(happened.data)
        while len(self._items) > MAX_HAPPENED or self._bytes > MAX_HAPPENED_BYTES:
            gone = self._items.pop(self.first)
            self.first += 1
            self._bytes -= len(gone.data)
            self._before = max(self._before, gone.position)
        self._ordered = max(self._ordered, self.first)

    def begin(self, position: int) -> None:
        """A list is complete: nothing before leads on from a position."""
        self._ordered, self._before = self.next, position

    def after(self, position: int) -> int | None:
        """The number of the first that happened after a position; None where that is no longer known."""
        if position < self._before:
            return None
        numbers = range(self._ordered, self.next)
        return self._ordered + bisect_right(numbers, position, key=lambda number: self._items[number].position)

    def since(self, number: int) -> Iterator[Happened]:
        """From that number on."""
        for each in range(number, self.next):
            yield self._items[each]


class KindCache:
    """One kind."""

    def __init__(self, informer: Informer) -> None:
        self.informer = informer
        self.history = History()
        self._changes: dict[str, int] = {}  # Per namespace: answers made before the last one are void.
        self._answers: OrderedDict[Hashable, tuple[int, bytes]] = OrderedDict()
        self._answer_bytes = 0
        self._written: OrderedDict[str, int] = OrderedDict()  # Per namespace: the version of our last write.
        self._deleted: OrderedDict[Key, str] = OrderedDict()  # Uids of what we deleted and still have.
        self._moved: set[asyncio.Future[None]] = set()
        self._waiting: dict[str, set[asyncio.Event]] = {}
        informer.subscribe(self._on_change)
        informer.listen(self._on_progress)

    # Reads

    def get(self, namespace: str | None, name: str) -> Raw | None:
        """The object, or None. Shared: never change it in place."""
        return self.informer.store.get((namespace or "", name))

    def list(self, namespace: str | None, labels: str) -> list[Raw]:
        """The objects that match."""
        return self.informer.store.list(namespace or "", labels)

    def answer(self, namespace: str | None, question: Hashable) -> bytes | None:
        """The answer to the same question, where nothing changed since."""
        found = self._answers.get((namespace, question))
        if found is None or found[0] != self._changes.get(namespace or "", 0):
            return None
        self._answers.move_to_end((namespace, question))
        return found[1]

    def keep(self, namespace: str | None, question: Hashable, content: bytes) -> None:
        """Keep an answer that was just made."""
        key = (namespace, question)
        old = self._answers.pop(key, (0, b""))
        self._answers[key] = (self._changes.get(namespace or "", 0), content)
        self._answer_bytes += len(content) - len(old[1])
        while self._answer_bytes > MAX_ANSWER_BYTES or len(self._answers) > MAX_ANSWERS:
            self._answer_bytes -= len(self._answers.popitem(last=False)[1][1])

    async def fresh(self, namespace: str | None, version: int) -> bool:
        """Whether reads show that version, and what was written here; waits for it FRESH_S seconds at most."""
        if self._settled(namespace or "", version):
            return True
        moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(FRESH_S):
                while not self._settled(namespace or "", version):
                    moved = asyncio.get_running_loop().create_future()
                    self._moved.add(moved)
                    await moved
        except TimeoutError:
            return False
        finally:
            self._moved.discard(moved)
        return self.informer.current

    def _settled(self, namespace: str, version: int) -> bool:
        if not self.informer.current:
            return False
        if self._deleted and any(key[0] == namespace for key in self._deleted):
            return False
        written = self._written.get(namespace)
        reached = max(self.informer.version, self.informer.store.newest)
        if written is not None and written <= reached:
            del self._written[namespace]
            written = None
        return max(version, written or 0) <= reached

    # Writes of this process

    def wrote(self, raw: Raw) -> None:
        """The server's answer to a write."""
        namespace, version = key_of(raw)[0], version_of(raw)
        self._written[namespace] = max(version, self._written.get(namespace, 0))
        if len(self._written) > MAX_PENDING:
            self._written.popitem(last=False)

    def deleted(self, namespace: str | None, name: str, uid: str) -> None:
        """The server said that the object is gone."""
        key = (namespace or "", name)
        found = self.informer.store.get(key)
        if found is not None and found["metadata"].get("uid") == uid:
            self._deleted[key] = uid
            if len(self._deleted) > MAX_PENDING:
                self._deleted.popitem(last=False)

    # Changes

    def wait_for(self, namespace: str | None) -> asyncio.Event:
        """An event that is set at each change in that namespace; give it back with `leave`."""
        waiting = asyncio.Event()
        self._waiting.setdefault(namespace or "", set()).add(waiting)
        return waiting

    def leave(self, namespace: str | None, waiting: asyncio.Event) -> None:
        """No longer wait."""
        others = self._waiting.get(namespace or "", set())
        others.discard(waiting)
        if not others:
            self._waiting.pop(namespace or "", None)

    def _on_change(self, change: Change) -> None:
        item = change.new or change.old
        if item is None:
            return
        key = key_of(item)
        self._changes[key[0]] = self._changes.get(key[0], 0) + 1
        position = 0 if self.informer.listing else self.informer.version
        if self._deleted and (change.new is None or change.new["metadata"].get("uid") != self._deleted.get(key)):
            self._deleted.pop(key, None)
        if change.new is None and position:
            item = {**item, "metadata": {**item["metadata"], "resourceVersion": str(position)}}
        data = msgspec.json.encode(shown(item))
        self.history.add(Happened(position, key, _labels(change.old), _labels(change.new), data))
        self._wake(key[0])

    def _on_progress(self, listed: bool) -> None:
        if listed:
            self.history.begin(self.informer.version)
        self._wake(None)

    def _wake(self, namespace: str | None) -> None:
        for moved in self._moved:
            if not moved.done():
                moved.set_result(None)
        if namespace is not None:
            for waiting in self._waiting.get(namespace, ()):
                waiting.set()


def _labels(item: Raw | None) -> Mapping[str, str] | None:
    return None if item is None else item["metadata"].get("labels") or {}


class Cache:
    """All kinds."""

    def __init__(self, client: Client, kinds: Iterable[type[Resource]], clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        self._kinds = {kind.KIND: KindCache(Informer(client, Scope(API_VERSION, kind.KIND), clock)) for kind in kinds}

    def of(self, kind: str) -> KindCache | None:
        """The cache of a kind, or None while it is cold."""
        found = self._kinds.get(kind)
        return found if found is not None and found.informer.current else None

    def any(self, kind: str) -> KindCache:
        """The cache of a kind, be it cold."""
        return self._kinds[kind]

    async def run(self) -> None:
        """Keep all up to date, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for kept in self._kinds.values():
                group.create_task(kept.informer.run())
