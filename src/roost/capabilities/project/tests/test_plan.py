"""The plans of Projects: golden cases."""

from pathlib import Path

import pytest

from roost.capabilities.project import capability
from roost.kernel import golden

CASES = golden.cases(Path(__file__).parent.parent)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_golden(case: Path) -> None:
    golden.check(capability, case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_a_project_only_tells(case: Path) -> None:
    plan = golden.run(capability, case)
    assert plan.apply == () and plan.actions == ()
