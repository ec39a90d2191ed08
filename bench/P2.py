"""P2: roll-outs under load through the gateway: no request fails, and they take no longer than Kubernetes' own.

    make bench B=P2 [ARGS="--requests 1000000 --rate 400 --events 20"]

A is an App of three instances, B a plain Deployment of the same program, which just exits on SIGTERM. Under an
open-loop load (HTTP/1.1 kept alive, HTTP/2, slow requests, WebSockets) both are rolled out, rolled back and scaled
down, in turns. Last, A's instances are evicted one by one, and where there is a node that may be, it is drained.
`--requests` counts those to A; `--events` how often A is rolled out, back or down.
"""

import argparse
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import place, rollouts
from bench.measure import cpu_s, last_line, machine, ratio, say, table

GOAL_TIME, GOAL_P99 = 1.2, 1.5
KINDS = ("http1", "http2", "slow", "websocket")
STEADY_S = 10.0


def total(events: Sequence[dict[str, Any]], key: str) -> int:
    """Requests, or those that failed."""
    return sum(event[kind][key] for event in events for kind in KINDS)


def wrong(events: Sequence[dict[str, Any]]) -> dict[str, int]:
    """What went wrong how often."""
    found: Counter[str] = Counter()
    for event in events:
        for kind in KINDS:
            found.update({f"{kind}: {text}": count for text, count in event[kind]["wrong"].items()})
    return dict(found.most_common(8))


class Series:
    """All events, of both sides in turns, and steady windows of A between them."""

    def __init__(self, ours: rollouts.Side, plain: rollouts.Side, chosen: argparse.Namespace) -> None:
        self.ours, self.plain, self.chosen = ours, plain, chosen
        self.a: list[dict[str, Any]] = []
        self.b: list[dict[str, Any]] = []
        self.calm: list[dict[str, Any]] = []
        self.last: list[dict[str, Any]] = []
        self.drained = 0

    @property
    def at_least_s(self) -> float:
        """Seconds that an event of A's must go on for all requests to be sent."""
        return float(self.chosen.requests / self.chosen.rate / self.chosen.events)

    def _one(self, side: rollouts.Side, number: int) -> None:
        what = ("rollout", "rollback", "rollout", "narrow")[number % 4]
        if what == "narrow":
            side.widen()
            place.wait("more instances", lambda: side.settled(rollouts.REPLICAS + 2))
        change: Callable[[], float] = getattr(side, what)
        mine = side is self.ours
        done = rollouts.event(side, change, self.chosen.rate, self.at_least_s if mine else 0)
        done["what"] = what
        (self.a if mine else self.b).append(done)
        say(
            f"{side.name} {what}: {done['took']:.1f} s, {total([done], 'failed')} of {total([done], 'requests')} failed"
        )

    def run(self) -> None:
        """Everything."""
        for number in range(self.chosen.events):
            self.calm.append(rollouts.steady(self.ours, self.chosen.rate, STEADY_S))
            sides = [self.ours, self.plain] if number < self.chosen.pairs else [self.ours]
            for side in sides if number % 2 == 0 else sides[::-1]:
                self._one(side, number)
        self.last.append(rollouts.event(self.ours, self.ours.evict, self.chosen.rate, 0))
        if rollouts.workers():
            self.last.append(rollouts.event(self.ours, self.ours.drain, self.chosen.rate, 0))
            self.drained = 1
        say(f"evictions and drain: {total(self.last, 'failed')} of {total(self.last, 'requests')} failed")


def report(series: Series, where: str, spent: float) -> bool:
    """The table and the last line; whether the goal is met."""
    rolled = [
        (mine["took"], other["took"])
        for mine, other in zip(series.a, series.b, strict=False)
        if mine["what"] != "narrow"
    ]
    longer = ratio(rolled)
    calm = statistics.median(window["http1"]["ms"]["p99"] for window in series.calm)
    tail = ratio([(event["http1"]["ms"]["p99"], calm) for event in series.a])
    ours, failed, control = (
        [*series.a, *series.last],
        total(series.a + series.last, "failed"),
        total(series.b, "failed"),
    )
    table(
        ("side", "events", "requests", "failed", "median roll-out s", "median p99 ms"),
        [
            (
                name,
                len(events),
                total(events, "requests"),
                total(events, "failed"),
                f"{statistics.median(times):.1f}",
                f"{statistics.median(event['http1']['ms']['p99'] for event in events):.1f}",
            )
            for name, events, times in (
                ("App", ours, [first for first, _ in rolled]),
                ("plain Deployment", series.b, [second for _, second in rolled]),
            )
        ],
    )
    for name, events in (("App", ours), ("plain Deployment", series.b)):
        for text, count in wrong(events).items():
            print(f"{name}: {count} x {text}")
    met = failed == 0 and control > 0 and longer.high <= GOAL_TIME and tail.high <= GOAL_P99
    last_line(
        bench="P2",
        ratio=round(longer.value, 3),
        ci=longer.interval,
        failed=failed,
        control_failed=control,
        requests=total(ours, "requests"),
        events=len(series.a),
        drains=series.drained,
        p99_ratio=round(tail.value, 3),
        p99_ci=tail.interval,
        p99_steady_ms=round(calm, 1),
        cpu_s=round(spent),
        goal=GOAL_TIME,
        goal_p99=GOAL_P99,
        met=met,
        machine=where,
    )
    return met


def main() -> int:
    """0 when the goal is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.P2", description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1_000_000, help="to the App, in all")
    parser.add_argument("--rate", type=float, default=400.0, help="requests a second")
    parser.add_argument("--events", type=int, default=20, help="roll-outs, rollbacks and scale-downs of the App")
    parser.add_argument("--pairs", type=int, default=10, help="of these, how many are done with the Deployment as well")
    chosen = parser.parse_args()
    where, spent = machine(), cpu_s()
    with tempfile.TemporaryDirectory() as folder:
        try:
            series = Series(*rollouts.make(place.tenant(Path(folder))), chosen)
            series.run()
        finally:
            place.remove()
    return 0 if report(series, where, cpu_s() - spent) else 1


if __name__ == "__main__":
    sys.exit(main())
