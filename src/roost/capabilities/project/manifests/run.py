"""Runs that a time or a new image starts: of the commit at which the project's branch stands. Pure.

The name of each follows from the schedule and the time at which it was due, or from the image and its digest. Whoever
plans twice, as after a crash between the Run and the status, makes it once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from roost.capabilities.project.model import Observed
from roost.model import cron, starts
from roost.model.conditions import timestamp
from roost.model.kinds.delivery import Project
from roost.model.kinds.triggers import Schedule
from roost.model.names import started_name
from roost.model.plan import Apply

LOOK_AT_IMAGES: Final = timedelta(minutes=5)
SPARE: Final = timedelta(seconds=1)  # After a time is due, so that a clock that is a little early finds it due.


@dataclass(frozen=True)
class Due:
    """apply: the Runs that are due. status: what is known from now on. again: when there may be others."""

    apply: tuple[Apply, ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict)
    again: tuple[timedelta, ...] = ()


def _run(
    project: Project, tenant: str, observed: Observed, why: tuple[Literal["schedule", "image"], str, str], **more: Any
) -> Apply:
    """why: cause, which one, and what makes this one different from the others of it."""
    head = observed.head
    assert head is not None
    cause, trigger, which = why
    values = more.pop("parameters", {})
    # What the commit itself says of its steps was read when it was pushed.
    said = head.model_dump(include={"pipeline", "step_secrets", "rights", "remarks", "problem"})
    said |= {"attempt": head.attempt, "sequence": head.order, "cause": cause, "trigger": trigger}
    spec = starts.spec_of(project, head.ref, head.commit, values, **(said | more))
    name = started_name(project.metadata.name, cause, project.metadata.uid, trigger, which)
    return Apply(starts.manifest(project, tenant, name, spec), create=True, owned=False)


def of_schedules(project: Project, tenant: str, observed: Observed, now: datetime) -> Due:
    """Of each schedule the newest time that is due, however many were missed, unless its last run still goes on.

    While the project is paused or nothing was pushed yet, times pass without a run.
    """
    known = {item.name: item for item in project.status.schedules}
    apply, status, again = [], [], []
    for schedule in project.spec.triggers.schedules:
        rule = f"{schedule.cron} {schedule.zone}"
        seen = known.get(schedule.name)
        last = _moment(seen.last) if seen is not None and seen.rule == rule else now
        due = cron.latest(schedule.cron, schedule.zone, last, now)
        idle = bool(project.spec.triggers.paused) or observed.head is None
        if due is not None and (idle or schedule.name not in observed.open_schedules):
            last = due
            if not idle:
                apply.append(_scheduled(project, tenant, observed, schedule, due))
        following = cron.following(schedule.cron, schedule.zone, now)
        if following is not None:
            again.append(following - now + SPARE)
        told = {"name": schedule.name, "rule": rule, "last": timestamp(last)}
        status.append(told | ({"next": timestamp(following)} if following is not None else {}))
    return Due(tuple(apply), {"schedules": status or None}, tuple(again))


def _scheduled(project: Project, tenant: str, observed: Observed, schedule: Schedule, due: datetime) -> Apply:
    return _run(
        project,
        tenant,
        observed,
        ("schedule", schedule.name, timestamp(due)),
        parameters=schedule.parameters,
        promote=bool(schedule.environment),
        environment=schedule.environment,
    )


def of_images(project: Project, tenant: str, observed: Observed) -> Due:
    """One run for each new digest of an image; the digest that is met first only counts from then on."""
    images = project.spec.triggers.images
    if not images:
        return Due(status={"images": None})
    known = {item.name: item.digest for item in project.status.images}
    apply, status = [], []
    for image in images:
        before, digest = known.get(image, ""), observed.digests.get(image, "")
        news = bool(before and digest and digest != before)
        if news and (project.spec.triggers.paused or observed.head is None):
            digest = before  # It is news still when the project goes on.
        elif news:
            apply.append(_run(project, tenant, observed, ("image", image, digest)))
        if digest or before:
            status.append({"name": image, "digest": digest or before})
    return Due(tuple(apply), {"images": status or None}, (LOOK_AT_IMAGES,))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
