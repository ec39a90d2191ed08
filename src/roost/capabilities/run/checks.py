"""Named checks of a Run: whether it has a place to go on, and whether a newer one takes it. Pure."""

from itertools import groupby
from typing import Final

from roost.capabilities.run.model import Observed, SeenRun
from roost.model.kinds.delivery import Run
from roost.model.plan import Verdict

AT_ONCE: Final = 2  # Builds of one tenant at the same time.


def _age(seen: SeenRun) -> tuple[bool, str, int, str]:
    """In the order of a project's line: who has begun stays in front, and of one second the later move comes later."""
    return not seen.started, seen.created, seen.order, seen.name


def _lines(runs: tuple[SeenRun, ...]) -> list[list[SeenRun]]:
    """The line of each project."""
    ordered = sorted(runs, key=lambda seen: (seen.project, _age(seen)))
    return [list(line) for _, line in groupby(ordered, key=lambda seen: seen.project)]


def has_place(run: Run, observed: Observed) -> Verdict:
    """A place of its project, and one of its tenant's. Projects take turns: who has few runs waits for few."""
    turns = []
    for line in _lines(observed.open_runs):
        at = next((at for at, seen in enumerate(line) if seen.name == run.metadata.name), None)
        if at is not None and at >= line[at].places:
            words = f"Waiting for {at - line[at].places + 1} earlier runs of this project to end (concurrency)."
            return Verdict(False, "Queued", words)
        turns += [(not seen.started, at, _age(seen)) for at, seen in enumerate(line[: line[0].places])]
    before = [name for *_, (*_, name) in sorted(turns)]
    mine = before.index(run.metadata.name) if run.metadata.name in before else 0
    if mine >= AT_ONCE:
        words = f"Waiting for {mine - AT_ONCE + 1} runs of this tenant to end."
        return Verdict(False, "Queued", words)
    return Verdict(True)


def is_newest(run: Run, observed: Observed) -> Verdict:
    """Where the project wants older runs ended: no newer one of the same ref and trigger. What people started stays."""
    spec = run.spec
    if observed.policy != "cancelOlder" or not observed.newer or spec.cause == "manual" or spec.origin:
        return Verdict(True)
    return Verdict(False, "Superseded", f"{observed.newer} is newer, and the project ends older runs (concurrency).")
