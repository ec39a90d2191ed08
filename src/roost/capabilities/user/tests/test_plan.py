"""The plans of Users."""

from pathlib import Path

import pytest

from roost.capabilities.user import capability
from roost.kernel import golden

FOLDER = Path(__file__).parent.parent


@pytest.mark.parametrize("case", golden.cases(FOLDER), ids=lambda case: str(case.name))
def test_golden(case: Path) -> None:
    golden.check(capability, case)


@pytest.mark.parametrize("name", ["person", "disabled", "recreated"])
def test_nobody_gets_a_role_without_right(name: str) -> None:
    kinds = [item.manifest["kind"] for item in golden.run(capability, FOLDER / "tests" / "cases" / name).apply]
    assert "ClusterRoleBinding" not in kinds
