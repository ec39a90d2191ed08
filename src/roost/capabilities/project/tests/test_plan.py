"""The plans of Projects: golden cases."""

from pathlib import Path

import pytest

from roost.capabilities.project import capability
from roost.capabilities.project.model import Observed, SeenRun
from roost.capabilities.project.plan import plan as plan_of
from roost.kernel import golden
from roost.model.kinds.delivery import Project

CASES = golden.cases(Path(__file__).parent.parent)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_golden(case: Path) -> None:
    golden.check(capability, case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_a_project_only_tells_and_has_its_source_looked_at(case: Path) -> None:
    for item in golden.run(capability, case).apply:
        assert (item.manifest["kind"], item.create, item.owned) == ("Import", True, False)


def test_the_hundred_newest_runs_are_kept() -> None:
    project = Project.parse({"metadata": {"name": "hello", "namespace": "acme-build"}, "spec": {}})
    runs = tuple(SeenRun(name=f"hello-{number}", uid=f"u{number}") for number in range(130, 0, -1))
    plan = plan_of(project, Observed(environments=("dev",), ended_runs=runs), golden.NOW)
    assert [action.key for action in plan.actions] == [f"u{number}" for number in range(30, 10, -1)]
    assert plan_of(project, Observed(ended_runs=runs[:100]), golden.NOW).actions == ()
    many = Observed(projects=100, ended_runs=runs[:20])
    assert [action.key for action in plan_of(project, many, golden.NOW).actions] == ["u112", "u111"]
