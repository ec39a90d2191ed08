"""Time and chance as arguments: everything in the kernel takes a Clock, so that tests can turn it."""

import asyncio
import random
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the kernel asks of time and chance."""

    def now(self) -> datetime:
        """The wall clock, in UTC: for what is written."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow: for what is measured."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
        ...

    def chance(self) -> float:
        """A number from 0 up to 1: for jitter."""
        ...


class SystemClock:
    """The machine's time and chance."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only grow, also while the process is stopped."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
        await asyncio.sleep(seconds)

    def chance(self) -> float:
        """A number from 0 up to 1."""
        return random.random()
