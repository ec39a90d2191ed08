"""The plan of a Preview: it tells where it is, and takes its App away when its time is over. Pure.

    Open -> Expired -> Open (a new commit) ...

The App comes by a Promotion like any other. It goes with the Preview (finalize), whose ref the git server looks after,
or when nothing came to its ref for the project's `lifetimeH`.
"""

from datetime import datetime, timedelta

from roost.capabilities.preview.model import Observed
from roost.model.conditions import Condition, not_ready, ready, timestamp
from roost.model.kinds.forge import Preview
from roost.model.plan import Action, Plan

FOLLOWING = timedelta(seconds=10)  # The App stands in another namespace and is not watched.
RARELY = timedelta(minutes=10)


def plan(item: Preview, observed: Observed, now: datetime) -> Plan:
    """What should be of this Preview."""
    created = item.metadata.creation_timestamp
    since = observed.last_run or (datetime.fromisoformat(created.replace("Z", "+00:00")) if created else now)
    ends = since + timedelta(hours=observed.lifetime_h)
    status = {"run": observed.run or None, "url": observed.url or None, "expiresAt": timestamp(ends)}
    over = _over(observed, ends, now)
    if over is not None:
        gone = not observed.app_uid or observed.app_deleting
        return Plan(
            actions=() if gone else (Action("close", observed.app_uid),),
            conditions=(over,),
            status=status | {"phase": "Expired", "url": None},
            next_check=FOLLOWING if observed.app_uid else RARELY,
        )
    condition = _condition(observed)
    settled = condition.status == "True" or observed.run_phase in ("Failed", "Cancelled")
    return Plan(
        conditions=(condition,),
        status=status | {"phase": "Open"},
        next_check=min(RARELY if settled else FOLLOWING, ends - now),
    )


def _over(observed: Observed, ends: datetime, now: datetime) -> Condition | None:
    """Why its application goes; None: it stays."""
    if not observed.wanted:
        return not_ready("NotWanted", "The project tries this ref out no more (spec.previews).")
    if now < ends:
        return None
    words = f"Nothing came to it for {observed.lifetime_h} hours (previews.lifetimeH): a new commit opens it again."
    return not_ready("Expired", words)


def _condition(observed: Observed) -> Condition:
    if observed.run_phase in ("Failed", "Cancelled"):
        return not_ready(f"Run{observed.run_phase}", observed.run_message or f"Its run ended: {observed.run_phase}.")
    if observed.live and observed.run_phase == "Succeeded":
        return ready("Open", f"It serves at {observed.url}.")
    return not_ready("Coming", observed.run_message or "Its run is about to begin.")
