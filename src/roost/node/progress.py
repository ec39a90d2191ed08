"""How a long task is shown while it runs: one live line on a terminal, plain lines elsewhere. Used by builds and `up`.

A task is a list of named parts. `Live` rewrites one line with the part that runs, its time and what is left; `Lines`
says when a part begins and ends, and once a minute that it still runs, so that a log stays readable.
"""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TextIO

STILL_S = 60.0


class Progress(Protocol):
    """What a task tells. Calls come in the order plan, (start, tick*, done)*, finish."""

    def plan(self, parts: Sequence[str]) -> None:
        """The parts that have to be done, in order."""

    def start(self, part: str) -> None:
        """A part begins."""

    def tick(self, detail: str = "") -> None:
        """The part still runs; `detail` is a few words about how far it is."""

    def done(self, detail: str = "") -> None:
        """The part ended well."""

    def finish(self) -> None:
        """Nothing more comes, whether all went well or not."""


def duration(seconds: float) -> str:
    """`8s`, `2m05s`, `1h02m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def left(parts: Sequence[str], most: int = 3) -> str:
    """What is left, in a few words: `then cilium, cni, coredns and 4 more`, or that this is the last part."""
    if not parts:
        return "last part"
    more = len(parts) - most
    return "then " + ", ".join(parts[:most]) + (f" and {more} more" if more > 0 else "")


class Lines:
    """Plain lines, for logs and pipes."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self.out, self.clock = out, clock
        self.parts: tuple[str, ...] = ()
        self.index = 0
        self.began = self.told = clock()

    @property
    def _where(self) -> str:
        return f"[{self.index}/{len(self.parts)}] {self.parts[self.index - 1]}"

    def _say(self, text: str) -> None:
        print(text, file=self.out, flush=True)

    def plan(self, parts: Sequence[str]) -> None:
        self.parts, self.index = tuple(parts), 0

    def start(self, part: str) -> None:
        self.index = self.parts.index(part) + 1
        self.began = self.told = self.clock()
        self._say(f"{self._where} ... ({left(self.parts[self.index :])})")

    def tick(self, detail: str = "") -> None:
        now = self.clock()
        if now - self.told >= STILL_S:
            self.told = now
            self._say(f"{self._where} {duration(now - self.began)}" + (f", {detail}" if detail else ""))

    def done(self, detail: str = "") -> None:
        self._say(f"{self._where} done in {duration(self.clock() - self.began)}" + (f", {detail}" if detail else ""))

    def finish(self) -> None:
        pass


class Live(Lines):
    """One line that is rewritten, for terminals; finished parts stay above it."""

    def __init__(self, out: TextIO, columns: int = 100, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(out, clock)
        self.columns = columns

    def _line(self, text: str, end: str) -> None:
        self.out.write("\r\x1b[K" + text[: self.columns - 1] + end)
        self.out.flush()

    def start(self, part: str) -> None:
        self.index = self.parts.index(part) + 1
        self.began = self.clock()
        self.tick()

    def tick(self, detail: str = "") -> None:
        words = [f"{self._where} {duration(self.clock() - self.began)}", detail, left(self.parts[self.index :])]
        self._line(" · ".join(word for word in words if word), "")

    def done(self, detail: str = "") -> None:
        words = [f"✓ {self.parts[self.index - 1]} {duration(self.clock() - self.began)}", detail]
        self._line(" · ".join(word for word in words if word), "\n")

    def finish(self) -> None:
        self._line("", "")


def for_terminal(out: TextIO = sys.stderr) -> Progress:
    """The fitting one for an output."""
    if not out.isatty():
        return Lines(out)
    import shutil

    return Live(out, shutil.get_terminal_size().columns)
