"""The plan of a Waiver: it is in force until its end, and its owner hears a while before. Pure.

Runs look at the end themselves: nothing that is late here lets a finding stay longer.
"""

from datetime import datetime, timedelta
from typing import Final

from roost.capabilities.waiver.model import Observed
from roost.model import notices
from roost.model.conditions import not_ready, ready, timestamp
from roost.model.kinds.scan import Waiver
from roost.model.names import AUTHOR
from roost.model.plan import Plan

AHEAD: Final = timedelta(days=7)
LOOKS: Final = timedelta(hours=6)
NO_ROOM: Final = timedelta(minutes=1)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def plan(waiver: Waiver, observed: Observed, now: datetime) -> Plan:
    """What should be of this Waiver."""
    if not observed.tenant:
        return Plan(conditions=(not_ready("WrongNamespace", "A waiver belongs into the build namespace of a tenant."),))
    spec, warned = waiver.spec, waiver.status.warned
    end, made = _moment(spec.until), _moment(waiver.metadata.creation_timestamp or timestamp(now))
    ahead = min(AHEAD, (end - made) / 2)  # Whoever asked for a day is not told at once.
    again = f"`roost waive {spec.fingerprint} -p {spec.project} --reason ... --days 30`"
    if now >= end:
        words = f"It ended at {spec.until}: runs are stopped by the finding again. To let it stay longer: {again}."
        return Plan(conditions=(not_ready("Ended", words),), status={"warned": warned})
    if now < end - ahead:
        within = min(end - ahead - now, LOOKS)
        condition = ready("InForce", f"The finding may stay until {spec.until}.")
        return Plan(conditions=(condition,), status={"warned": warned}, next_check=within)
    words = f"It ends at {spec.until}; from then on runs are stopped by the finding. Mend it, or let it stay: {again}."
    owner = waiver.metadata.annotations.get(AUTHOR, "")
    facts = {"project": spec.project, "waiver": waiver.metadata.name, "owner": owner or "?", "until": spec.until}
    facts |= {"finding": spec.fingerprint, "reason": spec.reason, "message": words}
    told = (
        ()
        if warned
        else notices.of(observed.told, observed.tenant, "waiver.expiring", waiver.metadata.uid, facts, timestamp(now))
    )
    waits = not warned and not observed.told.room
    return Plan(
        apply=told,
        conditions=(ready("Expiring", words),),
        status={"warned": not waits},
        next_check=min(end - now, NO_ROOM if waits else LOOKS),
    )
