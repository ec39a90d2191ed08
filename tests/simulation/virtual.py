"""Virtual time: an event loop whose clock jumps to the next timer, and a Clock that goes by it. Nothing ever waits."""

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


MOST_TURNS = 100_000  # Of the loop; a history takes some 20,000.


class Stuck(AssertionError):
    """Nothing will ever happen again, or the same again and again, and the run has not ended."""


class _Selector(selectors.SelectSelector):
    """Waiting is what moves the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._turns += 1
        if self._turns > MOST_TURNS:
            raise Stuck(f"At {self.now:.0f} s it still goes round and round.")
        if timeout is None:
            raise Stuck("Nothing is left to happen.")
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs callbacks in order; its time begins at 0."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual.now


class VirtualClock:
    """The kernel's Clock in virtual time, with chance from a seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def now(self) -> datetime:
        """The wall clock."""
        return BEGIN + timedelta(seconds=asyncio.get_running_loop().time())

    def chance(self) -> float:
        """A number from 0 up to 1."""
        return self._chance.random()


def run(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in virtual time, from the beginning of it."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(make())
