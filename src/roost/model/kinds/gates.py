"""What stands before an environment: approvals and freeze windows; and Approval, one person's word on a Promotion.

`frozen` is pure: the same windows and the same moment give the same answer (time zones come from the tz database).
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, ClassVar, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from roost.model.resource import Model, Resource, StatusModel

MOMENT_PATTERN: Final = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2}))?$"
TIME_PATTERN: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HORIZON_DAYS: Final = 400  # So far ahead an end is looked for; a window that goes on longer has none worth naming.

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Freeze(Model):
    """A time in which nothing new is brought into an environment.

    It is on while now lies between `since` and `until` and, in `zone`, on one of `days` between `start` and `end`. An
    `end` that is not after `start` is on the next day.
    """

    reason: str = Field(min_length=1, max_length=200, description="What people are told, e.g. `Christmas trade`.")
    since: str = Field("", max_length=40, pattern=MOMENT_PATTERN, description="From when on; RFC 3339; empty: always.")
    until: str = Field("", max_length=40, pattern=MOMENT_PATTERN, description="To when; RFC 3339; empty: for good.")
    days: tuple[Day, ...] = Field((), max_length=7, description="Days on which it begins; empty: every day.")
    start: str = Field("00:00", max_length=5, pattern=TIME_PATTERN, description="Time of day, in the zone.")
    end: str = Field("00:00", max_length=5, pattern=TIME_PATTERN, description="Time of day, in the zone.")
    zone: str = Field("UTC", max_length=60, pattern=r"^[A-Za-z0-9_+/-]+$", description="As in the tz database.")


class Gates(Model):
    """What a Promotion must pass before this environment takes it."""

    approvals: int = Field(0, ge=0, le=5, description="People who must approve.")
    four_eyes: bool = Field(
        True, description="Who made the change, or brings it here, is not one of those who approve."
    )
    freezes: tuple[Freeze, ...] = Field((), max_length=20, description="When nothing new comes in.")

    @property
    def closed(self) -> bool:
        """Whether versions reach the environment by promotion only."""
        return self.approvals > 0 or bool(self.freezes)


def zone_known(name: str) -> bool:
    """Whether the tz database has this zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def _clock(text: str) -> time:
    hour, minute = text.split(":")
    return time(int(hour), int(minute))


def _day(freeze: Freeze, day: date, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
    """The window that begins on that day, in UTC; None where the day has none."""
    if freeze.days and DAYS[day.weekday()] not in freeze.days:
        return None
    start, end = _clock(freeze.start), _clock(freeze.end)
    last = day if end > start else day + timedelta(days=1)
    # Where clocks change, a time of day comes twice or not at all: the window is then the longer of what it can mean.
    begins = [datetime.combine(day, start.replace(fold=fold), zone).astimezone(UTC) for fold in (0, 1)]
    ends = [datetime.combine(last, end.replace(fold=fold), zone).astimezone(UTC) for fold in (0, 1)]
    return min(begins), max(ends)


def _end(freeze: Freeze, now: datetime) -> datetime | None:
    """When the freeze that is on at `now` ends; `now` itself where none is on; None where no end is in sight."""
    since, until = _moment(freeze.since), _moment(freeze.until)
    if (since and now < since) or (until and now >= until):
        return now
    if not zone_known(freeze.zone):  # Fails closed: a promotion can wait, a change in the wrong hour cannot be undone.
        return until
    zone = ZoneInfo(freeze.zone)
    today, at = now.astimezone(zone).date(), now
    for offset in range(-1, HORIZON_DAYS):
        window = _day(freeze, today + timedelta(days=offset), zone)
        if window is None or window[1] <= at:
            continue
        if window[0] > at:
            break
        at = window[1]  # A window that begins where this one ends goes on.
    else:
        return until
    return min(at, until) if until else at


def frozen(freezes: Sequence[Freeze], now: datetime) -> tuple[Freeze, datetime | None] | None:
    """(the freeze that is on and lasts longest, when all is open again or None for no end in sight), or None: nothing
    is frozen. Where another freeze begins as one ends, it goes on.

    Args: `now` with a time zone.
    """
    found = _longest(freezes, now)
    if found is None:
        return None
    freeze, end = found
    for _ in range(HORIZON_DAYS):
        if end is None:
            break
        after = _longest(freezes, end)
        if after is None:
            return freeze, end
        end = after[1]
    return freeze, None


def _longest(freezes: Sequence[Freeze], now: datetime) -> tuple[Freeze, datetime | None] | None:
    found = [(freeze, _end(freeze, now)) for freeze in freezes]
    active = [item for item in found if item[1] is None or item[1] > now]
    return max(active, key=lambda item: item[1] or datetime.max.replace(tzinfo=UTC), default=None)


class ApprovalSpec(Model):
    """One person's word on one Promotion; who it is stands in the annotation `roost.dev/author`."""

    promotion: str = Field(min_length=1, max_length=63, description="Its name.")
    uid: str = Field(
        pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        max_length=36,
        description="Its uid: a later one of the same name is another.",
    )
    decision: Literal["approve", "reject"] = "approve"
    in_freeze: bool = Field(False, description="Also while the environment is frozen; an owner's to say.")
    comment: Annotated[str, Field(max_length=500)] = ""


class ApprovalStatus(StatusModel):
    """Nothing becomes of an Approval itself."""


class Approval(Resource):
    """One person's approval or rejection of a Promotion."""

    KIND: ClassVar[str] = "Approval"
    PLURAL: ClassVar[str] = "approvals"
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Promotion", ".spec.promotion", "string"),
        ("Decision", ".spec.decision", "string"),
        ("By", ".metadata.annotations.roost\\.dev/author", "string"),
        ("Age", ".metadata.creationTimestamp", "date"),
    )
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("self.spec == oldSelf.spec", "An approval never changes; make a new one."),
        (
            "!has(self.spec.inFreeze) || !self.spec.inFreeze || (has(self.spec.comment) && self.spec.comment != '')",
            "Whoever lets something in while the environment is frozen says why (comment).",
        ),
    )

    spec: ApprovalSpec
    status: ApprovalStatus = ApprovalStatus()
