"""P2: roll-outs under load through the gateway: no request fails, and they take no longer than Kubernetes' own.

    make bench B=P2 [ARGS="--requests 1000000 --rate 400 --events 20"]

A is an App of three instances, B a plain Deployment of the same program, which just exits on SIGTERM. Under an
open-loop load (HTTP/1.1 kept alive, HTTP/2, slow requests, WebSockets) both are rolled out, rolled back and scaled
down, in turns. Last, A's instances are evicted one by one, and where there is a node that may be, it is drained.
`--requests` counts those to A; `--events` how often A is rolled out, back or down.

A roll-out takes from the request that asks for it until whoever asked is told that it is done: B as `kubectl rollout
status` judges it, A when the App says so, which is never sooner. p99 counts from the change until every old instance
has ended, over that of the same load just before. Where a roll-out's time goes is told part by part (`timeline.PARTS`).
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
from bench.measure import Ratio, cpu_s, last_line, machine, ratio, say, table
from bench.timeline import PARTS, Span, Timeline

GOAL_TIME, GOAL_P99 = 1.2, 1.5
KINDS = ("http1", "http2", "slow", "websocket")


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
    """All events, of both sides in turns."""

    def __init__(self, ours: rollouts.Side, plain: rollouts.Side, chosen: argparse.Namespace) -> None:
        self.ours, self.plain, self.chosen = ours, plain, chosen
        self.a: list[dict[str, Any]] = []
        self.b: list[dict[str, Any]] = []
        self.last: list[dict[str, Any]] = []
        self.drained = 0

    @property
    def at_least_s(self) -> float:
        """Seconds that an event of A's must go on for all requests to be sent."""
        return float(self.chosen.requests / self.chosen.rate / self.chosen.events)

    def _event(self, side: rollouts.Side, change: Callable[[], Span], at_least_s: float = 0) -> dict[str, Any]:
        return rollouts.event(side, change, self.chosen.rate, self.chosen.steady_s, at_least_s)

    def _one(self, side: rollouts.Side, number: int) -> None:
        what = ("rollout", "rollback", "rollout", "narrow")[number % 4]
        if what == "narrow":
            side.look()
            side.widen()
            side.rest(rollouts.REPLICAS + 2)
        change: Callable[[], Span] = getattr(side, what)
        mine = side is self.ours
        done = self._event(side, change, self.at_least_s if mine else 0)
        done["what"] = what
        (self.a if mine else self.b).append(done)
        lost = f"{total([done], 'failed')} of {total([done], 'requests')} failed"
        say(f"{side.name} {what}: {done['took']:.1f} s, {lost}, p99 {p99(done, 'before'):.1f} -> {p99(done):.1f} ms")
        say(f"  {', '.join(f'{name} {seconds:.2f}' for name, seconds in done['times'].items())}")

    def run(self) -> None:
        """Everything."""
        for number in range(self.chosen.events):
            sides = [self.ours, self.plain] if number < self.chosen.pairs else [self.ours]
            for side in sides if number % 2 == 0 else sides[::-1]:
                self._one(side, number)
        self.last.append(self._event(self.ours, self.ours.evict))
        if rollouts.workers():
            self.last.append(self._event(self.ours, self.ours.drain))
            self.drained = 1
        say(f"evictions and drain: {total(self.last, 'failed')} of {total(self.last, 'requests')} failed")


def p99(event: dict[str, Any], part: str = "during") -> float:
    """Milliseconds, of requests on kept connections in a part of the load."""
    return float(event["parts"][part]["http1"]["ms"]["p99"])


def rolled(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that replaced instances."""
    return [event for event in events if event["what"] != "narrow"]


def tail(events: Sequence[dict[str, Any]]) -> Ratio:
    """p99 during the changes over that just before."""
    return ratio([(p99(event), p99(event, "before")) for event in events])


def middle(values: Sequence[float], digits: int = 1) -> str:
    """The median as text."""
    return f"{statistics.median(values):.{digits}f}" if values else "-"


def where_it_goes(a: Sequence[dict[str, Any]], b: Sequence[dict[str, Any]]) -> dict[str, list[float | None]]:
    """A table of the parts of roll-outs, medians of both sides in seconds; and the same as data."""
    found: dict[str, list[float | None]] = {}
    rows = []
    for title, name in PARTS:
        sides = [[event["times"][name] for event in events if name in event["times"]] for events in (a, b)]
        found[name] = [round(statistics.median(side), 2) if side else None for side in sides]
        rows.append((title, *(middle(side, 2) for side in sides)))
    ends = [[seconds for event in events for seconds in event["ends"]] for events in (a, b)]
    rows.append(("(an instance's end, beside it)", *(middle(side, 2) for side in ends)))
    table(("seconds of a roll-out", "App", "plain Deployment"), rows)
    return found


def report(series: Series, where: str, spent: float) -> bool:
    """The tables and the last line; whether the goal is met."""
    pairs = list(zip(rolled(series.a), rolled(series.b), strict=False))
    longer = ratio([(mine["took"], other["took"]) for mine, other in pairs])
    tails = tail(series.a), tail(series.b)
    ours = [*series.a, *series.last]
    failed, control = total(ours, "failed"), total(series.b, "failed")
    table(
        ("side", "events", "requests", "failed", "roll-out s", "its CPU s", "p99 ms before", "p99 ms during"),
        [
            (
                name,
                len(events),
                total(events, "requests"),
                total(events, "failed"),
                middle([event["took"] for event in rolled(changes)]),
                middle([event["cpu_s"] for event in rolled(changes)]),
                middle([p99(event, "before") for event in changes]),
                middle([p99(event) for event in changes]),
            )
            for name, events, changes in (("App", ours, series.a), ("plain Deployment", series.b, series.b))
        ],
    )
    times = where_it_goes(rolled(series.a), rolled(series.b))
    for name, events in (("App", ours), ("plain Deployment", series.b)):
        for text, count in wrong(events).items():
            print(f"{name}: {count} x {text}")
    met = failed == 0 and control > 0 and longer.high <= GOAL_TIME and tails[0].high <= GOAL_P99
    last_line(
        bench="P2",
        ratio=round(longer.value, 3),
        ci=longer.interval,
        failed=failed,
        control_failed=control,
        requests=total(ours, "requests"),
        events=len(series.a),
        drains=series.drained,
        p99_ratio=round(tails[0].value, 3),
        p99_ci=tails[0].interval,
        p99_plain=round(tails[1].value, 3),
        p99_plain_ci=tails[1].interval,
        times=times,
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
    parser.add_argument("--steady-s", type=float, default=10.0, help="seconds of load alone before each change")
    chosen = parser.parse_args()
    where, spent = machine(), cpu_s()
    with tempfile.TemporaryDirectory() as folder:
        seen = Timeline()
        try:
            series = Series(*rollouts.make(place.tenant(Path(folder)), seen), chosen)
            series.run()
        finally:
            seen.stop()
            place.remove()
    return 0 if report(series, where, cpu_s() - spent) else 1


if __name__ == "__main__":
    sys.exit(main())
