"""Queue: what has to be looked at. De-duplicating, rate-limited, fair, with back-off per key.

A key is handed to one worker at a time; added meanwhile, it comes again afterwards. Two hand-outs of one key are at
least `gap_s` apart, so that a burst of events costs one look. Back-off belongs to a key: others are not held up.

Keys belong to groups (tenants). Groups take turns, and none has more than `share` keys at work: a tenant that changes
ten thousand objects, or whose objects take for ever, waits for itself.
"""

import asyncio
import heapq
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_S = 0.25
LONGEST_S = 300.0
GAP_S = 0.1


class Queue(Generic[K]):
    """Keys to look at. `chance` gives numbers from 0 to 1 for jitter; `group` says whose a key is.

    share: keys of one group that are at work at the same time; None: any number.
    """

    def __init__(
        self,
        chance: Callable[[], float],
        gap_s: float = GAP_S,
        group: Callable[[K], Hashable] = lambda key: None,
        share: int | None = None,
    ) -> None:
        self._chance = chance
        self._gap_s = gap_s
        self._group = group
        self._share = share
        self._ready: OrderedDict[Hashable, deque[K]] = OrderedDict()  # By group; the first one's turn is next.
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._waiting: set[K] = set()
        self._working: set[K] = set()
        self._busy: Counter[Hashable] = Counter()
        self._again: set[K] = set()
        self._due: dict[K, float] = {}
        self._appointments: list[tuple[float, int, K]] = []  # A heap; what `_due` does not say any more is void.
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None
        self._handed: OrderedDict[K, float] = OrderedDict()  # What was handed out during the last gap.
        self._failures: dict[K, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: K) -> None:
        """Look at `key` as soon as the gap since the last look allows."""
        if key in self._waiting:
            return
        if key in self._working:
            self._again.add(key)
            return
        wait_s = self._handed.get(key, -self._gap_s) + self._gap_s - self._time()
        if wait_s > 0:
            self.add_after(key, wait_s)
        else:
            self._enter(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Look at `key` after that long; an earlier appointment stays."""
        when = self._time() + max(seconds, 0.0)
        if self._due.get(key, when + 1) <= when:
            return
        self._due[key] = when
        self._number += 1
        heapq.heappush(self._appointments, (when, self._number, key))
        if len(self._appointments) > 64 + 4 * len(self._due):  # Mostly void ones.
            self._appointments = [entry for entry in self._appointments if self._due.get(entry[2]) == entry[0]]
            heapq.heapify(self._appointments)
        self._wind()

    def retry(self, key: K, least_s: float = 0.0) -> float:
        """Look at `key` again with back-off, not before `least_s`; the seconds until then."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        longest = min(LONGEST_S, FIRST_S * 2.0 ** min(failures, 20))
        seconds = max(least_s, longest * (0.75 + self._chance() / 4))
        self.add_after(key, seconds)
        return seconds

    def failures(self, key: K) -> int:
        """How often `key` was retried in a row."""
        return self._failures.get(key, 0)

    def settle(self, key: K) -> None:
        """All went well: the next back-off begins anew."""
        self._failures.pop(key, None)

    def forget(self, key: K) -> None:
        """`key` is gone for good."""
        self.settle(key)
        self._due.pop(key, None)
        self._handed.pop(key, None)

    async def get(self) -> K:
        """The next key; call `done` afterwards. Its appointments are void: make new ones."""
        while (key := self._take()) is None:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake()  # What it was woken for is left to another one.
                raise
        self._waiting.discard(key)
        self._working.add(key)
        self._busy[self._group(key)] += 1
        self._due.pop(key, None)
        now = self._time()
        self._handed[key] = now
        self._handed.move_to_end(key)
        while next(iter(self._handed.values())) < now - self._gap_s:
            self._handed.popitem(last=False)
        return key

    def done(self, key: K) -> None:
        """The work on `key` ended, well or not."""
        self._working.discard(key)
        group = self._group(key)
        self._busy[group] -= 1
        if not self._busy[group]:
            del self._busy[group]
        if key in self._again:
            self._again.discard(key)
            self.add(key)
        self._wake()

    def close(self) -> None:
        """Drop all appointments."""
        self._due.clear()
        self._appointments.clear()
        self._wind()

    def _enter(self, key: K) -> None:
        self._due.pop(key, None)
        self._waiting.add(key)
        self._ready.setdefault(self._group(key), deque()).append(key)
        self._wake()

    def _take(self) -> K | None:
        """The next key whose group may have one more at work."""
        for group, keys in self._ready.items():
            if self._share is None or self._busy[group] < self._share:
                key = keys.popleft()
                if keys:
                    self._ready.move_to_end(group)
                else:
                    del self._ready[group]
                return key
        return None

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _wind(self) -> None:
        """Set the one timer to the first appointment that holds."""
        heap = self._appointments
        while heap and self._due.get(heap[0][2]) != heap[0][0]:
            heapq.heappop(heap)
        if self._timer is not None and (not heap or self._timer.when() != heap[0][0]):
            self._timer.cancel()
            self._timer = None
        if heap and self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(heap[0][0], self._ring)

    def _ring(self) -> None:
        self._timer = None
        now, heap = self._time(), self._appointments
        while heap and heap[0][0] <= now:
            when, _, key = heapq.heappop(heap)
            if self._due.get(key) == when:
                del self._due[key]
                self._handed.pop(key, None)
                self.add(key)
        self._wind()

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()
