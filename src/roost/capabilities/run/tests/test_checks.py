"""Who has a place: in a project, and among the projects of a tenant."""

from typing import Any

import pytest

from roost.capabilities.run import checks
from roost.capabilities.run.model import Observed, SeenRun
from roost.model.kinds.delivery import Run

COMMIT = "a" * 40


def run(name: str, **spec: Any) -> Run:
    meta = {"name": name, "namespace": "acme-build"}
    return Run.parse({"metadata": meta, "spec": {"project": "p", "ref": "refs/heads/main", "commit": COMMIT, **spec}})


def line(project: str, number: int, second: int = 0, places: int = 2, **more: Any) -> list[SeenRun]:
    """So many runs of a project, a second apart."""
    return [
        SeenRun(
            name=f"{project}{n}",
            project=project,
            order=n,
            created=f"2026-11-28T12:00:{second + n:02}Z",
            places=places,
            **more,
        )
        for n in range(number)
    ]


def with_place(*seen: SeenRun) -> set[str]:
    observed = Observed(open_runs=tuple(seen))
    return {item.name for item in seen if checks.has_place(run(item.name), observed).ok}


def test_a_tenant_has_two_places() -> None:
    assert with_place(*line("a", 1), *line("b", 1, 1), *line("c", 1, 2)) == {"a0", "b0"}


def test_a_project_with_many_runs_does_not_hold_up_the_others() -> None:
    assert with_place(*line("a", 20), *line("b", 1, 30)) == {"a0", "b0"}
    assert with_place(*line("a", 5), *line("b", 5, 30), *line("c", 5, 40)) == {"a0", "b0"}


def test_who_has_begun_keeps_its_place() -> None:
    begun = [seen.model_copy(update={"started": True}) for seen in line("a", 2)]
    assert with_place(*begun, *line("b", 1, 30)) == {"a0", "a1"}


def test_a_queue_is_one_after_the_other_and_in_order() -> None:
    assert with_place(*line("a", 3, places=1)) == {"a0"}
    first, *rest = line("a", 3, places=1)
    assert with_place(first.model_copy(update={"started": True}), *rest) == {"a0"}
    assert with_place(*rest) == {"a1"}
    told = checks.has_place(run("a2"), Observed(open_runs=tuple(line("a", 3, places=1))))
    assert told.message == "Waiting for 2 earlier runs of this project to end (concurrency)."


def test_of_one_second_the_later_move_comes_later() -> None:
    same = "2026-11-28T12:00:00Z"
    early, late = (
        SeenRun(name=name, project="a", order=order, created=same, places=1) for name, order in (("z", 1), ("b", 2))
    )
    assert with_place(early, late) == {"z"}


def test_a_project_that_waits_for_itself_takes_no_place_of_others() -> None:
    assert with_place(*line("a", 3, places=1), *line("b", 1, 30), *line("c", 1, 40)) == {"a0", "b0"}
    assert with_place(*line("a", 3, places=1), *line("b", 1, 30)) == {"a0", "b0"}


@pytest.mark.parametrize(
    ("policy", "newer", "spec", "ends"),
    [
        ("cancelOlder", "p-2", {}, True),
        ("cancelOlder", "", {}, False),
        ("queue", "p-2", {}, False),
        ("parallel", "p-2", {}, False),
        ("cancelOlder", "p-2", {"cause": "manual"}, False),
        ("cancelOlder", "p-2", {"cause": "schedule", "trigger": "nightly"}, True),
    ],
)
def test_a_newer_run_ends_an_older_one_where_the_project_wants_it(
    policy: str, newer: str, spec: dict[str, Any], ends: bool
) -> None:
    observed = Observed.model_validate({"policy": policy, "newer": newer})
    assert checks.is_newest(run("p-1", **spec), observed).ok is not ends
