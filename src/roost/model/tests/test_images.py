"""Who waits for an image looks again soon, and seldom once that has lasted."""

from datetime import UTC, datetime, timedelta

import pytest

from roost.model.conditions import timestamp
from roost.model.kinds.images import AT_ONCE, SELDOM, RefusedImage, look_again
from roost.model.resource import ConditionStatus

NOW = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)


def _said(reason: str, age_s: int) -> tuple[ConditionStatus, ...]:
    since = timestamp(NOW - timedelta(seconds=age_s))
    return (ConditionStatus(type="Ready", status="False", reason=reason, last_transition_time=since),)


@pytest.mark.parametrize(
    ("reason", "conditions", "wanted"),
    [
        ("Unverified", (), AT_ONCE),
        ("Unverified", _said("RollingOut", 3600), AT_ONCE),
        ("Unverified", _said("Unverified", 2), AT_ONCE),
        ("Unverified", _said("Unverified", 60), SELDOM),
        ("Unsigned", _said("Unsigned", 0), SELDOM),
        ("RegistryUnavailable", (), SELDOM),
    ],
)
def test_when_it_is_looked_at_again(reason: str, conditions: tuple[ConditionStatus, ...], wanted: timedelta) -> None:
    assert look_again(RefusedImage(image="x", reason=reason), conditions, NOW) == wanted
