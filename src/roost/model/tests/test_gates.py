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
