"""The plans of previews: golden cases, and what must hold whatever the case."""

from pathlib import Path

import pytest

from roost.capabilities.preview import capability
from roost.kernel import golden

FOLDER = Path(__file__).parent.parent
CASES = golden.cases(FOLDER)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_golden(case: Path) -> None:
    golden.check(capability, case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_only_an_app_that_is_there_is_taken_away_and_only_when_it_is_over(case: Path) -> None:
    plan = golden.run(capability, case)
    assert not plan.apply
    assert bool(plan.actions) <= (plan.status["phase"] == "Expired")
