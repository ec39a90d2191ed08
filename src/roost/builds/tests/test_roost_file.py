"""`roost.yaml`: what is taken, and what is told of what is not."""

import pytest

from roost.builds.roost_file import FileWrong, read
from roost.model.pipeline import Pipeline, Step, StepLimits, Variable, repository, variable_of

WHOLE = b"""
tenant: acme
app: shop
pipeline:
  image: python:3.13
  env: {VERSION: 1.10, ON: on}
  steps:
    - name: test
      commands:
        - pip install --user -r requirements.txt
        - pytest --junitxml=report.xml
      limits: {cpu: 500m, memory: 2Gi}
      timeoutS: 300
      retry: 1
      junit: report.xml
      artefacts: [htmlcov/**]
      cache: [.cache/pip]
    - name: lint
      image: acme/tools:v1
      commands: ruff check .
      allowFailure: true
"""


def test_a_pipeline_is_read() -> None:
    pipeline = read(WHOLE).pipeline
    assert pipeline == Pipeline(
        image="python:3.13",
        env=(Variable(name="VERSION", value="1.10"), Variable(name="ON", value="on")),
        steps=(
            Step(
                name="test",
                commands=("pip install --user -r requirements.txt", "pytest --junitxml=report.xml"),
                limits=StepLimits(cpu="500m", memory="2Gi"),
                timeout_s=300,
                retry=1,
                junit=("report.xml",),
                artefacts=("htmlcov/**",),
                cache=(".cache/pip",),
            ),
            Step(name="lint", image="acme/tools:v1", commands=("ruff check .",), allow_failure=True),
        ),
    )


@pytest.mark.parametrize("text", [b"", b"# nothing\n", b"tenant: acme\nenv: dev\napp: shop\n"])
def test_a_file_without_a_pipeline_is_one(text: bytes) -> None:
    assert read(text).pipeline is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            b"pipeline:\n  steps:\n    - name: test\n      comands: [x]\n",
            "roost.yaml:4: pipeline.steps.0.comands: there is no",
        ),
        (
            b"pipeline:\n  steps:\n    - name: build\n      commands: x\n",
            "roost.yaml:1: pipeline: the name 'build' is Roost's own",
        ),
        (b"pipeline:\n  steps:\n  - {name: a, commands: x}\n  - {name: a, commands: x}\n", "two steps are named 'a'"),
        (
            b"pipeline:\n  steps:\n  - name: a\n    commands: x\n    artefacts: ../secret\n",
            "roost.yaml:5: pipeline.steps.0.artefacts.0",
        ),
        (
            b"pipeline:\n  steps:\n  - name: a\n    commands: x\n    limits: {memory: 900Gi}\n",
            "roost.yaml:5: pipeline.steps.0.limits.memory",
        ),
        (
            b"pipeline:\n  steps:\n  - name: a\n    commands: x\n    timeoutS: 99999\n",
            "roost.yaml:5: pipeline.steps.0.timeoutS",
        ),
        (b"pipelin: {}\n", "roost.yaml:1: pipelin: there is no such key"),
        (b"- a\n", "it is a mapping"),
        (b"a: &x [1]\nb: *x\n", "anchors and aliases"),
        (b"a: !!python/object/apply:os.system [x]\n", "tags"),
        (b"a: 1\na: 2\n", "roost.yaml:2: the key 'a' stands twice"),
        (b"a: [\n", "roost.yaml:2: "),
        (b"[" * 5000, "nested more than 20 deep"),
        (b"a: \xff\n", "no UTF-8"),
        (b"a: '" + b"x" * 40_000 + b"'", "longer than 32 KiB"),
        (b"? [a]\n: 1\n", "a key is a text"),
        (b"pipeline: 1\n", "roost.yaml:1: pipeline:"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: bytes, told: str) -> None:
    with pytest.raises(FileWrong) as raised:
        read(text)
    assert told in str(raised.value)


def test_an_image_is_offered_or_the_tenants_own() -> None:
    assert repository("python:3.13", "acme") == ("base/python", "3.13")
    assert repository("acme/tools", "acme") == ("acme/tools", "latest")
    assert repository(f"acme/tools:v1@sha256:{'a' * 64}", "acme") == ("acme/tools", f"sha256:{'a' * 64}")
    for foreign in ("globex/tools:v1", "acme/../globex/x", "docker.io/library/python", "UPPER", "-x"):
        assert repository(foreign, "acme") is None


def test_a_secret_is_a_variable() -> None:
    assert [variable_of(name) for name in ("npm-token", "a.b", "1st")] == ["NPM_TOKEN", "A_B", "_1ST"]
