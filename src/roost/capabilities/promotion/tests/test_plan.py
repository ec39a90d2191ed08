"""The plans of Promotions: golden cases, and what must hold whatever the case."""

from pathlib import Path

import pytest

from roost.capabilities.promotion import capability
from roost.kernel import golden

FOLDER = Path(__file__).parent.parent
CASES = golden.cases(FOLDER)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_golden(case: Path) -> None:
    golden.check(capability, case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_an_app_is_written_as_the_deployer_and_never_owned(case: Path) -> None:
    for item in golden.run(capability, case).apply:
        assert (item.identity, item.owned, item.manifest["kind"]) == ("deployer", False, "App")


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_only_what_a_build_decides_is_written(case: Path) -> None:
    for item in golden.run(capability, case).apply:
        assert set(item.manifest["spec"]) == {"artefact", "processes", "releaseCommand"}


@pytest.mark.parametrize("name", ["done", "refused-stays", "older", "held", "foreign-image", "no-environment"])
def test_nothing_is_written(name: str) -> None:
    assert golden.run(capability, FOLDER / "tests" / "cases" / name).apply == ()
