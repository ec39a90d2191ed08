"""The plans of Projects: golden cases."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

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
def test_a_project_makes_looks_and_runs_and_never_changes_one(case: Path) -> None:
    for item in golden.run(capability, case).apply:
        assert item.manifest["kind"] in ("Import", "Run", "CommitStatus") and (item.create, item.owned) == (True, False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_what_was_planned_is_not_due_again(case: Path) -> None:
    """A controller that died between the Run and the status plans the same Run; one that did not plans none."""
    first = golden.run(capability, case)
    runs = [item.manifest for item in first.apply if item.manifest["kind"] == "Run"]
    raw = yaml.safe_load((case / "input.yaml").read_text())
    observed = yaml.safe_load((case / "observed.yaml").read_text()) or {}
    now = datetime.fromisoformat(str(observed.pop("now", golden.NOW.isoformat())).replace("Z", "+00:00"))
    seen = Observed.model_validate(observed)
    again = plan_of(Project.parse(raw), seen, now + timedelta(seconds=20))
    assert [item.manifest for item in again.apply if item.manifest["kind"] == "Run"] == runs
    status = {key: value for key, value in first.status.items() if value is not None}
    after = plan_of(Project.parse({**raw, "status": status}), seen, now + timedelta(seconds=20))
    assert [item for item in after.apply if item.manifest["kind"] == "Run"] == []


def test_a_new_digest_is_run_once_however_often_it_is_seen() -> None:
    spec = {"triggers": {"images": ["base/python:3.13"]}}
    meta = {"name": "shop", "namespace": "acme-build", "uid": "p"}
    head = {"project": "shop", "ref": "refs/heads/main", "commit": "a" * 40}
    names: list[str] = []
    status: dict[str, Any] = {}
    for digest in ("1", "2", "2", "1", "2"):
        observed = Observed.model_validate({"head": head, "digests": {"base/python:3.13": digest}})
        plan = plan_of(Project.parse({"metadata": meta, "spec": spec, "status": status}), observed, golden.NOW)
        names += [item.manifest["metadata"]["name"] for item in plan.apply]
        status = {"images": plan.status["images"]}
    assert len(names) == 3 and len(set(names)) == 2, "The third run bears the name of the first, which stands."


def test_the_run_that_tells_where_the_branch_stands_is_kept() -> None:
    project = Project.parse({"metadata": {"name": "hello", "namespace": "acme-build"}, "spec": {}})
    runs = tuple(SeenRun(name=f"hello-{number}", uid=f"u{number}") for number in range(101, 0, -1))
    plan = plan_of(project, Observed(ended_runs=runs, head_run="hello-1"), golden.NOW)
    assert plan.actions == ()


def test_the_hundred_newest_runs_are_kept() -> None:
    project = Project.parse({"metadata": {"name": "hello", "namespace": "acme-build"}, "spec": {}})
    runs = tuple(SeenRun(name=f"hello-{number}", uid=f"u{number}") for number in range(130, 0, -1))
    plan = plan_of(project, Observed(environments=("dev",), ended_runs=runs), golden.NOW)
    assert [action.key for action in plan.actions] == [f"u{number}" for number in range(30, 10, -1)]
    assert plan_of(project, Observed(ended_runs=runs[:100]), golden.NOW).actions == ()
    many = Observed(projects=100, ended_runs=runs[:20])
    assert [action.key for action in plan_of(project, many, golden.NOW).actions] == ["u112", "u111"]
