"""Limits in memory."""

from datetime import UTC, datetime, timedelta

import pytest

from roost.api.limits import Bucket, Slots, refuse_when_spent
from roost.surface.problems import Problem


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 31, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_a_bucket_is_spent_and_fills_again() -> None:
    clock = Clock()
    bucket = Bucket(3, 30, clock)
    assert [bucket.take("a") for _ in range(3)] == [2, 1, 0]
    with pytest.raises(Problem) as refused:
        refuse_when_spent(bucket, "a", "Wait.")
    assert refused.value.headers == {"Retry-After": "11"}
    refuse_when_spent(bucket, "b", "Others are not concerned.")
    clock.now += timedelta(seconds=10)
    refuse_when_spent(bucket, "a", "One has come back.")
    bucket.take("a")
    assert bucket.wait_s("a") == pytest.approx(10)
    bucket.reset("a")
    assert bucket.wait_s("a") == 0


def test_a_bucket_forgets_the_least_used_and_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roost.api.limits.MAX_KEYS", 10)
    bucket = Bucket(1, 1e9, Clock())
    for number in range(100):
        bucket.take(str(number))
    assert bucket.wait_s("0") == 0 and bucket.wait_s("99") > 0


def test_slots_are_given_back_and_bounded_for_one_and_for_all() -> None:
    slots = Slots(2, 3)
    with slots.hold("a"), slots.hold("a"):
        with pytest.raises(Problem), slots.hold("a"):
            raise AssertionError("A third one.")
        with slots.hold("b"), pytest.raises(Problem):
            slots.check("c")
    with slots.hold("a"):
        slots.check("a")
