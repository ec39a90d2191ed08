"""Cron expressions in a time zone: when one was due last, and when it is due next. Pure.

Five fields as in crontab(5); where the clock is changed, as Debian's cron does it (cronsim). Times go in and come out
with a time zone.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

MOST_IN_AN_HOUR: Final = 12
HORIZON: Final = timedelta(days=5 * 366)  # What is not due within it is taken for a mistake, `0 0 30 2 *` for example.
_WINDOWS: Final = tuple(timedelta(days=days) for days in (1 / 24, 1, 32, 366))
_CHECKED_FROM: Final = datetime(2027, 1, 1, tzinfo=UTC)


class CronRefused(ValueError):
    """An expression or a zone that cannot be used; the text says what is wrong."""


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CronRefused(f"{name[:60]!r} is no time zone of the tz database, as Asia/Shanghai is.") from error


def _from(expression: str, zone: str, start: datetime) -> Iterator[datetime]:
    """The times after `start`, in UTC."""
    if len(expression.split()) != 5:
        raise CronRefused("A schedule has five fields: minute, hour, day of the month, month, day of the week.")
    begin = start.astimezone(_zone(zone))
    try:
        times = CronSim(expression, begin)
    except (CronSimError, ValueError) as error:
        raise CronRefused(f"{expression[:60]!r} is no cron expression: {error}.") from error
    return (time.astimezone(UTC) for time in times)


def check(expression: str, zone: str) -> None:
    """CronRefused where it cannot be understood, is due too often, or never."""
    first = list(islice(_from(expression, zone, _CHECKED_FROM), 1))
    if not first or first[0] > _CHECKED_FROM + HORIZON:
        raise CronRefused(f"{expression[:60]!r} is never due.")
    minutes = len(CronSim(expression, _CHECKED_FROM).minutes)
    if minutes > MOST_IN_AN_HOUR:
        raise CronRefused(f"{expression[:60]!r} is due {minutes} times in an hour; {MOST_IN_AN_HOUR} are the most.")


def following(expression: str, zone: str, after: datetime) -> datetime | None:
    """When it is due first after that; None: never again. CronRefused."""
    return next(iter(_from(expression, zone, after)), None)


def latest(expression: str, zone: str, after: datetime, now: datetime) -> datetime | None:
    """When it was due last, after `after` and not later than `now`; None: it was not. CronRefused.

    However many times were missed, they are one.
    """
    first = following(expression, zone, after)
    if first is None or first > now:
        return None
    for window in _WINDOWS:
        found = first
        for time in _from(expression, zone, max(after, now - window)):
            if time > now:
                break
            found = max(found, time)
        if found > first or now - window <= after:
            return found
    return first
