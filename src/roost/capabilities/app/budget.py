"""The error budget: what may still go wrong before an application breaks its promise (`slo`). Pure; part of `plan`.

    budget = (100 % - availability) of the requests in the window;  left = what of it no failed request has used

With nothing left no new version begins; with little left its steps take twice as long. The counts are the gateways',
kept in the App's status by parts of the window, because nothing else of the platform remembers for so long.
Source: B. Beyer and others, "The Site Reliability Workbook" (2018), chapters 2 and 5.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from roost.capabilities.app.manifests.network import WEB
from roost.capabilities.app.manifests.pod import CANDIDATE
from roost.capabilities.app.model import Observed
from roost.model.conditions import timestamp
from roost.model.kinds.app import App, Budget, Counters, Slo

LITTLE = 25  # Percent.
PARTS = 48  # Of a window.
LOOKS = timedelta(minutes=5)  # So that a gateway that starts anew takes little with it, and little is written.
SPENT = (
    "nothing is left of the error budget that `slo` gives, so no new version begins. Mend what fails, go back to a "
    "version that served (`roost rollback`), or let it in all the same: `roost rollout promote`."
)


def counted(observed: Observed) -> Counters | None:
    """What the gateways counted of the application; None where they do not tell."""
    web, candidate = observed.traffic.get(WEB), observed.traffic.get(CANDIDATE, Counters())
    if web is None:
        return None
    return Counters(requests=web.requests + candidate.requests, errors=web.errors + candidate.errors)


def _part(slo: Slo, now: datetime) -> int:
    return int(now.timestamp() // (slo.window_days * 86_400 / PARTS))


def _grown(now: int, before: int) -> int:
    """What came since; a gateway that counts anew began at zero."""
    return now - before if now >= before else now


def percent(parts: Sequence[Counters], availability: str) -> int:
    """What is left, in percent, 0 to 100. 100 without requests."""
    requests, errors = sum(part.requests for part in parts), sum(part.errors for part in parts)
    allowed = (100 - Decimal(availability)) / 100 * requests
    if errors == 0:
        return 100
    return max(0, int(100 - 100 * errors / allowed)) if allowed else 0


def brought(held: Budget, seen: Counters, slo: Slo, now: datetime) -> Budget:
    """The budget with what was counted since it was last looked at."""
    part = _part(slo, now)
    gone = part - held.part
    parts = list(held.parts) if 0 <= gone < PARTS else []
    parts = ([*parts, *(Counters() for _ in range(gone))] if parts else [Counters()])[-PARTS:]
    fresh = Counters(
        requests=parts[-1].requests + _grown(seen.requests, held.last.requests),
        errors=parts[-1].errors + _grown(seen.errors, held.last.errors),
    )
    parts[-1] = fresh
    left_now = percent(parts, slo.availability)
    return Budget(parts=tuple(parts), part=part, last=seen, left_percent=left_now, at=timestamp(now))


def left(app: App, observed: Observed) -> int | None:
    """Percent that is left, as it was last written down; None where nothing is promised or known."""
    if not app.spec.slo.availability or app.status.budget is None:
        return None
    return app.status.budget.left_percent


def status(app: App, observed: Observed, now: datetime) -> dict[str, Any]:
    """What of the App's status changes: the budget, where it can be told."""
    slo, held = app.spec.slo, app.status.budget
    if not slo.availability:
        return {"budget": None} if held is not None else {}
    seen = counted(observed)
    if seen is None:
        return {}
    if held is None:  # What was counted before anything was promised does not count.
        first = Budget(parts=(Counters(),), part=_part(slo, now), last=seen, left_percent=100, at=timestamp(now))
        return {"budget": first.wire()}
    looked = datetime.fromisoformat(held.at.replace("Z", "+00:00")) if held.at else None
    if (looked is not None and now - looked < LOOKS) or (seen == held.last and _part(slo, now) == held.part):
        return {}
    return {"budget": brought(held, seen, slo, now).wire()}
