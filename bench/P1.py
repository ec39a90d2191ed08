"""P1: from the push of a one-line change until the new version answers; beside the same done by hand.

    make bench B=P1 [ARGS="--pairs 10"]

A is `git push`. B is `buildctl build` with push against the same warm BuildKit, `kubectl set image` and the rollout.
Both until the URL gives the new version's answer; between two measurements the old instances end.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench import place
from bench.measure import cpu_s, interleaved, last_line, machine, say, table

GOAL, GOAL_S = 1.5, 5.0


class Stopwatch:
    """Measures both sides; remembers CPU seconds, and when the push itself came back."""

    def __init__(self, where: place.Place) -> None:
        self.place = where
        self.cpu: dict[str, list[float]] = {"A": [], "B": []}
        self.returned: list[float] = []

    def push(self) -> float:
        """Seconds from the push to the new answer, by somebody who pushed within the hour: a pod waits for the run."""
        if self.returned:
            place.wait("a pod that waits for the next run", self.place.warm)
        text = self.place.write()
        began, spent = time.monotonic(), cpu_s()
        going = self.place.push()
        place.wait(text, lambda: place.answer(place.APP) == text)
        took = time.monotonic() - began
        self.cpu["A"].append(cpu_s() - spent)
        if going.wait():
            raise RuntimeError(f"The push failed: {(self.place.folder / 'push.log').read_text()}")
        self.returned.append(time.monotonic() - began)
        place.wait("the end of the old instance", lambda: self.place.settled(place.APP))
        return took

    def by_hand(self) -> float:
        """Seconds from the build to the new answer."""
        text = self.place.write()
        began, spent = time.monotonic(), cpu_s()
        self.place.roll_out(self.place.build())
        place.wait(text, lambda: place.answer(place.BY_HAND) == text)
        took = time.monotonic() - began
        self.cpu["B"].append(cpu_s() - spent)
        place.wait("the end of the old instance", lambda: self.place.settled(place.BY_HAND))
        return took


def main() -> int:
    """0 when the goal is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.P1", description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10)
    chosen = parser.parse_args()
    where = machine()
    with tempfile.TemporaryDirectory() as folder:
        try:
            watch = Stopwatch(place.make(Path(folder)))
            watch.push()
            watch.by_hand()  # Neither side pays for what is only cold the first time.
            watch.cpu = {"A": [], "B": []}
            sides = interleaved(chosen.pairs, watch.push, watch.by_hand, say)
        finally:
            place.remove()
    ratio, control, median = sides.ratio, sides.control, statistics.median(sides.a)
    table(
        ("side", "median s", "least", "most", "CPU s of the machine"),
        [
            (name, f"{statistics.median(values):.2f}", f"{min(values):.2f}", f"{max(values):.2f}", f"{cpu:.2f}")
            for name, values, cpu in (
                ("git push", sides.a, statistics.median(watch.cpu["A"])),
                ("by hand", sides.b, statistics.median(watch.cpu["B"])),
            )
        ],
    )
    met = ratio.high <= GOAL and median < GOAL_S
    last_line(
        bench="P1",
        ratio=round(ratio.value, 3),
        ci=ratio.interval,
        control=control.interval if control else None,
        push_s=round(median, 2),
        by_hand_s=round(statistics.median(sides.b), 2),
        push_returned_s=round(statistics.median(watch.returned[1:]), 2),
        goal=GOAL,
        goal_s=GOAL_S,
        met=met,
        machine=where,
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
