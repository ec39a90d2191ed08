"""The plans of Waivers: golden cases, and when its owner hears that one ends."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from roost.capabilities.waiver import capability
from roost.capabilities.waiver.model import Observed
from roost.capabilities.waiver.plan import plan
from roost.kernel import golden
from roost.model.conditions import timestamp
from roost.model.kinds.channel import ChannelSpec
from roost.model.kinds.scan import Waiver, WaiverSpec
from roost.model.notices import SeenChannel, Telling
from roost.model.resource import Metadata

FOLDER = Path(__file__).parent.parent
MADE = datetime(2026, 11, 1, tzinfo=UTC)
CHANNEL = SeenChannel(
    name="chat", uid="c", spec=ChannelSpec(url="https://chat.example.org/hook", secret="chat-channel")
)


@pytest.mark.parametrize("case", golden.cases(FOLDER), ids=lambda case: str(case.name))
def test_golden(case: Path) -> None:
    golden.check(capability, case)


def told(days: int, after: timedelta) -> int:
    """How many notices a waiver of so many days makes so long after it was made."""
    until = timestamp(MADE + timedelta(days=days))
    spec = WaiverSpec(project="shop", fingerprint="0" * 16, reason="x", until=until)
    meta = Metadata(name="w", namespace="acme-build", uid="w", creation_timestamp=timestamp(MADE))
    observed = Observed(tenant="acme", told=Telling(channels=(CHANNEL,)))
    return len(plan(Waiver(metadata=meta, spec=spec), observed, MADE + after).apply)


@pytest.mark.parametrize(
    ("days", "hours", "notices"),
    [(30, 22 * 24, 0), (30, 23 * 24, 1), (30, 30 * 24, 0), (2, 0, 0), (2, 23, 0), (2, 24, 1), (1, 12, 1)],
)
def test_it_is_told_a_week_before_the_end_or_half_way(days: int, hours: int, notices: int) -> None:
    assert told(days, timedelta(hours=hours)) == notices
