"""Queue: what has to be looked at. De-duplicating, rate-limited, with back-off per key.

A key is handed to one worker at a time; added meanwhile, it comes again afterwards. Two hand-outs of one key are at
least `gap_s` apart, so that a burst of events costs one look. Back-off belongs to a key: others are not held up.
"""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_S = 0.25
LONGEST_S = 300.0
GAP_S = 0.1


class Queue(Generic[K]):
    """Keys to look at. `chance` gives numbers from 0 to 1 for jitter."""

    def __init__(self, chance: Callable[[], float], gap_s: float = GAP_S) -> None:
        self._chance = chance
        self._gap_s = gap_s
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._waiting: set[K] = set()
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._handed: dict[K, float] = {}
        self._failures: dict[K, int] = {}

    def __len__(self) -> int:
        return self._ready.qsize()

    def add(self, key: K) -> None:
        """Look at `key` as soon as the gap since the last look allows."""
        if key in self._waiting:
            return
        if key in self._working:
            self._again.add(key)
            return
        wait_s = self._handed.get(key, 0.0) + self._gap_s - self._time()
        if key in self._handed and wait_s > 0:
            self.add_after(key, wait_s)
            return
        self._drop_timer(key)
        self._waiting.add(key)
        self._ready.put_nowait(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Look at `key` after that long; an earlier appointment stays."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= loop.time() + seconds:
            return
        self._drop_timer(key)
        self._timers[key] = loop.call_later(max(seconds, 0.0), self._due, key)

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
        self._drop_timer(key)
        self._handed.pop(key, None)

    async def get(self) -> K:
        """The next key; call `done` afterwards. Its appointments are void: make new ones."""
        key = await self._ready.get()
        self._waiting.discard(key)
        self._working.add(key)
        self._drop_timer(key)
        self._handed[key] = self._time()
        return key

    def done(self, key: K) -> None:
        """The work on `key` ended, well or not."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def close(self) -> None:
        """Drop all appointments."""
        for key in list(self._timers):
            self._drop_timer(key)

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self._handed.pop(key, None)
        self.add(key)

    def _drop_timer(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()
