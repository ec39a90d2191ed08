"""Time and chance as arguments, so that tests can turn them. Timers are the event loop's (`call_later`, `loop.time`),
which a test replaces by giving the kernel a loop of its own.
"""

import random
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the kernel asks of time and chance."""

    def now(self) -> datetime:
        """The wall clock, in UTC: for what is written."""
        ...

    def chance(self) -> float:
        """A number from 0 up to 1: for jitter."""
        ...


class SystemClock:
    """The machine's time and chance."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)

    def chance(self) -> float:
        """A number from 0 up to 1."""
        return random.random()
