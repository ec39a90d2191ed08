"""Limits kept in memory, one set per replica: failed sign-ins, requests per person, open streams."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from roost.surface.problems import too_many

MAX_KEYS = 10_000


class Bucket:
    """A token bucket per key: `burst` at once, refilled within `period_s` seconds. Forgets the least used keys."""

    def __init__(self, burst: int, period_s: float, clock: Callable[[], datetime]) -> None:
        self._burst = float(burst)
        self._rate = burst / period_s
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, datetime]] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Seconds until the key may take again; 0 when it may now."""
        level = self._level(key)
        return 0.0 if level >= 1 else (1 - level) / self._rate

    def take(self, key: str) -> float:
        """Take one; what is left."""
        level = max(0.0, self._level(key) - 1)
        self._levels[key] = (level, self._clock())
        self._levels.move_to_end(key)
        if len(self._levels) > MAX_KEYS:
            self._levels.popitem(last=False)
        return level

    def reset(self, key: str) -> None:
        """Fill the key's bucket."""
        self._levels.pop(key, None)

    def _level(self, key: str) -> float:
        if key not in self._levels:
            return self._burst
        level, at = self._levels[key]
        passed_s = max(0.0, (self._clock() - at).total_seconds())
        return min(self._burst, level + passed_s * self._rate)


class Slots:
    """How many streams a person holds open, and all people together."""

    def __init__(self, most: int, most_of_all: int) -> None:
        self._most = most
        self._most_of_all = most_of_all
        self._held: dict[str, int] = {}

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """One slot while the block runs; Problem too-many where there is none."""
        self.check(key)
        self._held[key] = self._held.get(key, 0) + 1
        try:
            yield
        finally:
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]

    def check(self, key: str) -> None:
        """Problem too-many where the key holds as many as it may."""
        if self._held.get(key, 0) >= self._most:
            raise too_many(f"You hold {self._most} streams open. Close one first.", 5)
        if sum(self._held.values()) >= self._most_of_all:
            raise too_many("Too many streams are open. Try again in a moment.", 5)


def refuse_when_spent(bucket: Bucket, key: str, detail: str) -> None:
    """Problem too-many where the key has nothing left."""
    seconds = bucket.wait_s(key)
    if seconds > 0:
        raise too_many(detail, int(seconds) + 1)
