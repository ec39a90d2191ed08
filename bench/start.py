"""start: how long `roost` takes to answer when it asks nobody: `version`, `--help`, a command's help, a wrong word.

    make bench B=start [ARGS="--times 20"]

A is `roost`, B the same Python that imports nothing of ours and of others (`-S -E -c pass`), turn by turn in one run.
The goal is under 0.15 s for A. Processor time is told beside the time that passed, which on a busy machine is mostly
waiting.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Final

from bench.measure import last_line, machine, table

GOAL_S: Final = 0.15
CALLS: Final = (("version",), ("--help",), ("deploy", "--help"), ("statsu",))
ROOST: Final = (sys.executable, "-c", "from roost.cli.main import main; main()")
BARE: Final = (sys.executable, "-S", "-E", "-c", "pass")


@dataclass(frozen=True)
class Taken:
    """Seconds of one start: that passed, and of processor time."""

    passed_s: float
    cpu_s: float


def start(words: tuple[str, ...]) -> Taken:
    """Start it once and wait for its end."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    passed, after = time.perf_counter() - began, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Taken(passed, used)


def main() -> int:
    """Measure; 0 when the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20, help="starts of each call")
    times = parser.parse_args().times
    rows, worst = [], 0.0
    for call in CALLS:
        start((*ROOST, *call))  # Byte code and page cache are warm from here on, for both.
        pairs = [(start((*ROOST, *call)), start(BARE)) for _ in range(times)]
        ours, bare = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        middle = statistics.median(item.passed_s for item in ours)
        worst = max(worst, middle)
        rows.append(
            (
                " ".join(("roost", *call)),
                f"{middle * 1000:.0f} ms",
                f"{min(item.passed_s for item in ours) * 1000:.0f} ms",
                f"{statistics.median(item.cpu_s for item in ours) * 1000:.0f} ms",
                f"{statistics.median(item.passed_s for item in bare) * 1000:.0f} ms",
            )
        )
    table(("call", "median", "least", "processor time", "bare Python"), rows)
    good = worst < GOAL_S
    last_line(bench="start", worst_median_s=round(worst, 4), goal_s=GOAL_S, met=good, machine=machine())
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
