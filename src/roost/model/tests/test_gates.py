"""Freeze windows: when nothing new comes in, and until when."""

from datetime import UTC, datetime

import pytest

from roost.model.kinds.gates import Freeze, frozen


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


WEEKEND = Freeze(reason="Weekend", days=("sat", "sun"))
NIGHT = Freeze(reason="Night", start="22:00", end="06:00", zone="Europe/Berlin")
FRIDAY = Freeze(reason="Friday", days=("fri",), start="16:00", end="00:00", zone="Europe/Berlin")
TRADE = Freeze(reason="Trade", since="2026-12-20T00:00:00Z", until="2027-01-02T00:00:00+01:00")


@pytest.mark.parametrize(
    ("freeze", "now", "end"),
    [
        (WEEKEND, "2026-11-27T23:59:59", None),  # Friday
        (WEEKEND, "2026-11-28T00:00:00", "2026-11-30T00:00:00"),
        (WEEKEND, "2026-11-29T12:00:00", "2026-11-30T00:00:00"),
        (WEEKEND, "2026-11-30T00:00:00", None),
        (NIGHT, "2026-11-28T21:30:00", "2026-11-29T05:00:00"),  # 22:30 in Berlin
        (NIGHT, "2026-11-28T04:59:59", "2026-11-28T05:00:00"),  # Began on the day before.
        (NIGHT, "2026-11-28T05:00:00", None),
        (NIGHT, "2026-07-01T20:30:00", "2026-07-02T04:00:00"),  # Summer time.
        (FRIDAY, "2026-11-27T15:30:00", "2026-11-27T23:00:00"),
        (FRIDAY, "2026-11-27T14:30:00", None),
        (TRADE, "2026-12-19T23:59:59", None),
        (TRADE, "2026-12-20T00:00:00", "2027-01-01T23:00:00"),
        (TRADE, "2027-01-01T23:00:00", None),
    ],
)
def test_a_window_is_on_until_it_ends(freeze: Freeze, now: str, end: str | None) -> None:
    found = frozen((freeze,), at(now))
    assert (found and found[1]) == (at(end) if end else None)


AUTUMN = Freeze(reason="Autumn", start="22:00", end="02:30", zone="Europe/Berlin")
SPRING = Freeze(reason="Spring", start="02:30", end="04:00", zone="Europe/Berlin")
DAWN = Freeze(reason="Dawn", start="00:00", end="02:30", zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("freeze", "now", "end"),
    [
        # 25 October 2026: 02:30 comes at 00:30 and at 01:30 UTC. Until the clock says it for the last time.
        (AUTUMN, "2026-10-25T00:45:00", "2026-10-25T01:30:00"),
        (AUTUMN, "2026-10-25T01:30:00", None),
        # 29 March 2026: from 02:00 it is 03:00 at once, at 01:00 UTC. 02:30 never comes.
        (SPRING, "2026-03-29T01:00:00", "2026-03-29T02:00:00"),
        (SPRING, "2026-03-29T00:29:59", None),
        (DAWN, "2026-03-29T01:00:00", "2026-03-29T01:30:00"),
        # A whole day has 25 hours then, and 23.
        (Freeze(reason="Day", days=("sun",), zone="Europe/Berlin"), "2026-10-25T22:59:59", "2026-10-25T23:00:00"),
        (Freeze(reason="Day", days=("sun",), zone="Europe/Berlin"), "2026-03-29T21:59:59", "2026-03-29T22:00:00"),
        # The other side of the date line: there it is Saturday already.
        (Freeze(reason="Day", days=("sat",), zone="Pacific/Auckland"), "2026-11-27T11:00:00", "2026-11-28T11:00:00"),
        (Freeze(reason="Half", end="12:00", zone="Asia/Kolkata"), "2026-11-28T06:29:59", "2026-11-28T06:30:00"),
    ],
)
def test_clocks_that_change_only_make_a_window_longer(freeze: Freeze, now: str, end: str | None) -> None:
    found = frozen((freeze,), at(now))
    assert (found and found[1]) == (at(end) if end else None)


def test_what_follows_without_a_break_is_told_as_one() -> None:
    night = Freeze(reason="Night", start="20:00", end="06:00")
    day = Freeze(reason="Day", days=("sat",), start="05:00", end="09:00")
    assert frozen((night, day), at("2026-11-27T21:00:00")) == (night, at("2026-11-28T09:00:00"))
    halves = (Freeze(reason="Early", end="12:00"), Freeze(reason="Late", start="12:00"))
    assert frozen(halves, at("2026-11-28T10:00:00")) == (halves[0], None), "Together they never end."


def test_the_longest_of_those_that_are_on_is_told() -> None:
    found = frozen((WEEKEND, TRADE, NIGHT), at("2026-12-26T12:00:00"))
    assert found is not None and found[0] == TRADE


def test_a_window_without_an_end_stays() -> None:
    assert frozen((Freeze(reason="Closed"),), at("2026-12-26T12:00:00")) == (Freeze(reason="Closed"), None)


def test_an_unknown_zone_fails_closed() -> None:
    odd = Freeze(reason="Odd", days=("mon",), zone="Mars/Olympus")
    assert frozen((odd,), at("2026-11-28T12:00:00")) == (odd, None)


def test_windows_on_either_side_leave_the_middle_open() -> None:
    lunch = (Freeze(reason="Morning", end="12:00"), Freeze(reason="Evening", start="13:00"))
    assert frozen(lunch, at("2026-11-28T12:30:00")) is None
