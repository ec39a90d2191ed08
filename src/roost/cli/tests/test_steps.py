"""A run's steps at a terminal: what is shown of them, the log of one, another run from one of them on."""

from pathlib import Path

from roost.cli.tests.conftest import Roost

RUN = "/v1/tenants/acme/runs/shop-1-abc"


def test_a_run_shows_its_steps_and_the_tests_that_failed(roost: Roost) -> None:
    roost.api.objects[RUN]["status"] |= {
        "steps": [
            {"name": "fetch", "phase": "Succeeded", "seconds": 0.42},
            {"name": "test", "phase": "Failed", "seconds": 12.5, "exitCode": 1, "reason": "Failed"},
            {"name": "lint", "phase": "Pending"},
        ],
        "tests": {"tests": 9, "failures": 1, "errors": 1, "skipped": 2, "failed": ["test_a.test_b"]},
    }
    said = roost("build", "show").out
    lines = [line.split() for line in said.splitlines()]
    assert ["fetch", "Succeeded", "0.4", "s"] in lines and ["test", "Failed", "12.5", "s", "Failed", "1"] in lines
    assert ["lint", "Pending", "-"] in lines
    assert "9 tests, 2 failed, 2 skipped" in said and "test_a.test_b" in said


def test_the_log_of_one_step_is_asked_for(roost: Roost) -> None:
    assert roost("build", "logs", "shop-1-abc", "--step", "test").code == 0
    queries = [query for method, path, query, _ in roost.api.calls if path == f"{RUN}/logs"]
    assert queries == [{"step": ["test"]}]


def test_a_run_is_run_again_from_a_step(roost: Roost) -> None:
    again = {**roost.api.objects[RUN], "spec": {"rerun": {"number": 2, "step": "lint"}}}
    roost.api.objects[f"{RUN}/rerun"] = again
    said = roost("build", "rerun", "shop-1-abc", "--from", "lint")
    assert (said.code, roost.api.asked("POST", f"{RUN}/rerun")) == (0, [{"from": "lint"}])
    assert "for the time 2" in said.out + said.err


def test_artefacts_are_written_to_a_file_and_none_is_made_where_there_are_none(roost: Roost, tmp_path: Path) -> None:
    file = tmp_path / "kept.tar.gz"
    said = roost("build", "artefacts", "shop-1-abc", "none", "--output-file", str(file))
    assert said.code == 3 and not file.exists()
    roost.api.objects[f"{RUN}/artefacts/test"] = {"stands for": "an archive"}
    said = roost("build", "artefacts", "shop-1-abc", "test", "--output-file", str(file))
    assert said.code == 0, said.err
    assert "an archive" in file.read_text()
