"""What the benchmarks share: pairs, medians, intervals, the table and the last line. Used by every module here.

A ratio is the median of the pairs' ratios; its interval is a bootstrap of 95 % over the pairs. Two values of the same
side that stand next to each other are the A/A control: their ratio is the noise.
"""

import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

RESAMPLES = 2000


@dataclass(frozen=True)
class Ratio:
    """A ratio with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> list[float]:
        """[low, high], rounded for print."""
        return [round(self.low, 3), round(self.high, 3)]


def ratio(pairs: Sequence[tuple[float, float]], seed: int = 1) -> Ratio:
    """The median of first / second over the pairs; at least one pair."""
    ratios = [first / second for first, second in pairs]
    chosen = random.Random(seed)
    medians = sorted(statistics.median(chosen.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    low, high = medians[int(RESAMPLES * 0.025)], medians[int(RESAMPLES * 0.975) - 1]
    return Ratio(statistics.median(ratios), low, high)


def interleaved(pairs: int, a: Callable[[], float], b: Callable[[], float], say: Callable[[str], None]) -> "Sides":
    """A B B A A B ...: `pairs` values of each side. `say` hears of each value."""
    sides = Sides([], [])
    for number in range(pairs):
        order = ((a, sides.a), (b, sides.b)) if number % 2 == 0 else ((b, sides.b), (a, sides.a))
        for measure, values in order:
            values.append(measure())
            name = "A" if values is sides.a else "B"
            say(f"{number + 1}/{pairs} {name}: {values[-1]:.2f}")
    return sides


@dataclass(frozen=True)
class Sides:
    """Values of both sides, in the order of measurement."""

    a: list[float]
    b: list[float]

    @property
    def ratio(self) -> Ratio:
        """A over B."""
        return ratio(list(zip(self.a, self.b, strict=True)))

    @property
    def control(self) -> Ratio | None:
        """The same side over itself, of neighbours in time; None where there are too few."""
        twice = [
            (values[number], values[number + 1])
            for start, values in ((1, self.a), (0, self.b))
            for number in range(start, len(values) - 1, 2)
        ]
        return ratio(twice) if twice else None


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table, columns as wide as what is in them."""
    cells = [[str(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def last_line(**values: object) -> None:
    """The last line of every benchmark: one JSON object."""
    print(json.dumps(values))


def say(text: str) -> None:
    """Talk, on stderr."""
    print(text, file=sys.stderr, flush=True)


def machine() -> str:
    """What else the machine did, in words: figures of a busy machine are worth little."""
    now = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} (1 min), {now} UTC"


def cpu_s() -> float:
    """CPU seconds that this machine has spent since it started, all processes, without waiting."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, *_ = (int(word) for word in file.readline().split()[1:])
    return (user + nice + system + irq + softirq) / float(os.sysconf("SC_CLK_TCK"))
