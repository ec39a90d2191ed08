"""A run's steps, as far as they need no container: words on a failure, and results beside the image."""

import threading
from pathlib import Path

import pytest

from roost.adapters.registry import MANIFEST
from roost.adapters.tests.memory_registry import MemoryRegistry
from roost.builds import conduct, junit, kept
from roost.builds.bench import Bench
from roost.builds.junit import Case, Tests
from roost.builds.work import Work
from roost.model.build_task import Task
from roost.model.pipeline import Step
from roost.model.step_task import StepResult

STEP = Step(name="test", commands=("make",), timeout_s=60)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    task = Task(
        tenant="acme",
        project="shop",
        commit="a" * 40,
        attempt=1,
        git_url="http://git",
        registry="registry:5000",
        builder="tcp://builder:1234",
        timeout_s=60,
    )
    said: list[str] = []
    made = Work(task, Bench(tmp_path, tmp_path, tmp_path, said.append, stop=threading.Event()))
    made.__dict__["store"] = MemoryRegistry().registry()
    return made


def test_without_steps_nothing_is_conducted(work: Work) -> None:
    conduct.steps(work)
    assert not work.steps


def test_results_of_tests_are_beside_the_image(work: Work) -> None:
    image = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []}
    work.digest = work.store.put_manifest("acme/shop", "v1", image)["digest"]
    conduct.results(work)
    assert work.store.artefact("acme/shop", junit.KIND, subject=work.digest) is None
    work.results = Tests(tests=2, failures=1, cases=(Case(name="a", outcome="failure"),))
    work.tests = work.results.summary()
    conduct.results(work)
    found = work.store.artefact("acme/shop", junit.KIND, subject=work.digest)
    assert found is not None and Tests.model_validate_json(found) == work.results


def test_results_that_cannot_be_stored_end_no_run(work: Work) -> None:
    work.results, work.digest = Tests(tests=1), "sha256:" + "0" * 64
    work.tests = work.results.summary()
    conduct.results(work)


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("Failed", "push again"),
        ("TimedOut", "raise its timeoutS (now 60)"),
        ("Killed", "Raise its limits.memory (now 1Gi)"),
        ("NoShell", "Take an image with a shell"),
    ],
)
def test_a_failure_says_what_to_do(reason: str, advice: str) -> None:
    tail = "\n".join([*(f"line {number}" for number in range(40)), "\x1b[31mthe last\x1b[0m", "x" * 500])
    result = StepResult(exit_code=1, reason=reason, message="It ended.", tries=1, seconds=1, tail=tail)
    told = conduct.failure(STEP, result).splitlines()
    assert told[0] == "The step test failed. It ended."
    assert advice in told[-1]
    assert conduct.brief("\n".join(told)) == f"{told[0]} {told[-1]}"
    assert len(told) == 14 and told[-3].strip() == "the last" and len(told[-2]) < 180


def test_caches_of_other_paths_and_rights_are_others() -> None:
    one = Step(name="a", commands=("x",), cache=("~/.cache",))
    two = one.model_copy(update={"cache": ("~/.m2",)})
    assert len({kept.cache_tag(rights, step) for rights in ("full", "reduced") for step in (one, two)}) == 4
    assert kept.cache_tag("full", one) == kept.cache_tag("full", one)
