"""Named checks of a Run: whether it has a place to go on, whether a newer one takes it, which spare it takes. Pure."""

from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from roost.capabilities.run.manifests import spare
from roost.capabilities.run.model import Observed, SeenRun, SeenSpare
from roost.model.kinds.delivery import Run
from roost.model.plan import Verdict

AT_ONCE: Final = 2  # Builds of one tenant at the same time.
START: Final = timedelta(minutes=2)  # A spare that does not run by then will not.


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


def own_spare(run: Run, observed: Observed) -> SeenSpare | None:
    """The pod that had waited and was taken by this run."""
    return next((seen for seen in observed.spares if seen.run == run.metadata.uid), None)


def waiting(observed: Observed) -> tuple[SeenSpare, ...]:
    """Those that nobody took and nobody removes."""
    return tuple(seen for seen in observed.spares if not seen.run and not seen.deleting)


def of_use(run: Run, observed: Observed, now: datetime) -> tuple[SeenSpare, ...]:
    """Those of them that a run like this could take, at once or as soon as they run."""
    platform = observed.platform
    wanted = spare.shape(run.spec.scan, platform, observed.projects)
    lasts = timedelta(seconds=platform.spare_s)
    return tuple(
        seen
        for seen in waiting(observed)
        if (seen.project, seen.shape) == (observed.project_uid, wanted)
        and not seen.ended
        and now - seen.made < (lasts if seen.running else START)
    )


def spare_for(run: Run, observed: Observed, now: datetime) -> SeenSpare | None:
    """The one that this run takes: there is no pod of its own yet, and none of its needs differs."""
    if observed.job is not None or observed.pod is not None or not spare.serves(run.spec):
        return None
    return next((seen for seen in of_use(run, observed, now) if seen.running), None)
