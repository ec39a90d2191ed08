"""`.gitlab-ci.yml`: what is taken over, and what is told of the rest."""

import time

import pytest

from roost.builds.gitlab_ci import Reading, read
from roost.model.bases import OFFERED
from roost.model.pipeline import repository

COMMIT = "a" * 40

PLAIN = b"""
image: python:3.11-slim
stages: [check, build]
variables: {PIP_CACHE_DIR: .cache/pip, LEVEL: 1.10}
default:
  retry: 1
before_script:
  - pip install -r requirements.txt
build:
  stage: build
  script: make
  timeout: 1h 30m
unit tests:
  stage: check
  image: {name: node:22}
  variables: {LEVEL: 2}
  before_script: []
  script:
    - npm ci
    - [npm test, npm run lint]
  artifacts:
    paths: [coverage/, ../secret]
    reports: {junit: [report.xml]}
  cache: {key: x, paths: [node_modules/]}
  allow_failure: true
  needs: []
.hidden:
  script: never
"""


def test_plain_jobs_are_steps_in_the_order_of_their_stages() -> None:
    reading = read(PLAIN, "acme", COMMIT, "refs/heads/main")
    tests, build = reading.pipeline.steps
    assert (tests.name, tests.image, tests.commands) == (
        "unit-tests",
        "base/node:22",
        ("npm ci", "npm test", "npm run lint"),
    )
    own = {"CI_JOB_NAME": "unit tests", "CI_JOB_STAGE": "check"}
    assert {item.name: item.value for item in tests.env} == {"PIP_CACHE_DIR": ".cache/pip", "LEVEL": "2"} | own
    assert (tests.artefacts, tests.junit, tests.cache) == (("coverage",), ("report.xml",), ("node_modules",))
    assert (tests.allow_failure, tests.retry, tests.timeout_s) == (True, 1, 3600)
    assert (build.name, build.image) == ("build-job", "base/python:3.11")
    assert build.commands == ("pip install -r requirements.txt", "make")
    assert (build.timeout_s, build.allow_failure) == (5400, False)
    given = {item.name: item.value for item in reading.pipeline.env}
    assert given["CI_COMMIT_SHA"] == COMMIT and given["CI_COMMIT_BRANCH"] == "main"
    assert reading.remarks == [
        ".gitlab-ci.yml:9: the job 'build' runs in base/python:3.11, which is nearest to 'python:3.11-slim'.",
        ".gitlab-ci.yml:13: the path '../secret' of the job 'unit tests' is not supported and left out.",
    ]


@pytest.mark.parametrize(
    ("job", "told"),
    [
        (b"  rules: [{changes: [src]}]", ":3: the job 'x' is left out: `changes` in `rules` is not supported."),
        (b"  rules: [{if: '$CI_COMMIT_SHA =~ /(a+)+$/'}]", "left out: the pattern /(a+)+$/ is not supported."),
        (b"  rules: [{if: $CI_COMMIT_MESSAGE}]", "left out: what $CI_COMMIT_MESSAGE holds is not known here."),
        (b"  rules: [{when: manual}]", ":3: the job 'x' is left out: it does not run by itself"),
        (b"  only: {kubernetes: active}", ":3: the job 'x' is left out: `only: kubernetes` is not supported."),
        (b"  extends: .base", ":3: the job 'x' is left out: it extends '.base', which is not in this file."),
        (b"  before_script: [!reference [.a, script]]", "left out: `!reference [.a, script]` leads nowhere."),
        (b"  variables: !reference [y, variables]", ":3: the job 'x' is left out: `!reference` in `variables`"),
        (b"  extends: x", ":3: the job 'x' is left out: it extends 'x' in a circle"),
        (b"  needs: [z]", ":3: the job 'x' is left out: it needs 'z', which is not part of this run."),
        (b"  needs: [{pipeline: $UP, job: z}]", ":3: the job 'x' is left out: it needs a job of another pipeline."),
        (b"  services: [postgres]", "`services` is not supported."),
        (b"  environment: production", "`environment` is not supported."),
        (b"  when: manual", ":3: the job 'x' is left out: it does not run by itself"),
        (b"  image: ghcr.io/some/thing:1", "is none that Roost offers"),
        (b"  image: $IMAGE", "the image '$IMAGE' is none that Roost offers"),
        (b"  when: always", ":3: the job 'x' is left out: it runs also when a job before it failed"),
        (b"  stage: nowhere", "there is no stage 'nowhere'"),
        (b"  parallel: 3", "`parallel` is not supported."),
        (b"  id_tokens: {A: {aud: x}}", "`id_tokens` is not supported."),
    ],
)
def test_a_job_that_would_mean_something_else_is_left_out(job: bytes, told: str) -> None:
    reading = read(b"x:\n  script: make\n" + job + b"\ny:\n  script: make\n", "acme", COMMIT, "refs/heads/main")
    assert [step.name for step in reading.pipeline.steps] == ["y"]
    assert any(told in remark for remark in reading.remarks), reading.remarks


def test_a_job_without_a_script_is_left_out() -> None:
    reading = read(b"x:\n  stage: test\n", "acme", COMMIT, "refs/tags/v1")
    assert not reading.pipeline.steps and "the job 'x' is left out: commands" in reading.remarks[0]


def test_what_has_no_effect_is_told() -> None:
    text = b"include: other.yml\nworkflow: {}\nx:\n  script: make\n  after_script: [clean]\n  tags: [docker]\n"
    reading = read(text, "acme", COMMIT, "refs/heads/main")
    assert [step.commands for step in reading.pipeline.steps] == [("make",)]
    assert [remark.partition(": ")[0] for remark in reading.remarks] == [
        ".gitlab-ci.yml:1",
        ".gitlab-ci.yml:2",
        ".gitlab-ci.yml:5",
        ".gitlab-ci.yml:6",
    ]


@pytest.mark.parametrize("text", [b"", b"- a", b"x: [", b"a: &b 1\nc: *d", b"x: !include a", b"\xff", b"a: 1"])
def test_a_file_that_cannot_be_read_makes_no_run_fail(text: bytes) -> None:
    reading = read(text, "acme", COMMIT, "refs/heads/main")
    assert isinstance(reading, Reading) and not reading.pipeline.steps and reading.remarks


def test_many_jobs_and_like_names() -> None:
    text = b"".join(b"'Job %d!':\n  script: x\n" % number for number in range(20))
    reading = read(text + b"'job 1':\n  script: x\n", "acme", COMMIT, "refs/heads/main")
    assert len(reading.pipeline.steps) == 16 and len(set(reading.pipeline.names)) == 16
    assert len(reading.remarks) == 5


def test_own_images_are_taken_and_every_base_is_one() -> None:
    reading = read(b"x:\n  image: acme/tools:1\n  script: x\n", "acme", COMMIT, "refs/heads/main")
    assert reading.pipeline.steps[0].image == "acme/tools:1" and not reading.remarks
    assert all(repository(base, "acme") for base in OFFERED)


ODD = {
    "a number as paths": b"a:\n  script: a\n  artifacts: {paths: 5}\n",
    "a truth value as paths": b"a:\n  script: a\n  cache: {paths: true}\n",
    "a number as a report": b"a:\n  script: a\n  artifacts: {reports: {junit: 7}}\n",
    "names that differ in special characters alone": b"".join(
        b'"x%s":\n  script: a\n' % (b"!" * count) for count in range(120)
    ),
}


BOMBS = {
    "references to references": b"".join(
        b".%c: {script: [%s]}\n" % (97 + at, b", ".join([b"!reference [.%c, script]" % (98 + at)] * 40))
        for at in range(8)
    )
    + b".i: {script: []}\na:\n  script: !reference [.a, script]\n",
    "aliases of aliases": b"x: &a [y]\n"
    + b"".join(b"x%d: &%c [%s]\n" % (at, 98 + at, b", ".join([b"*%c" % (97 + at)] * 20)) for at in range(8)),
    "merges of merges": b".x: &a {k: y}\n"
    + b"".join(b".x%d: &%c {<<: [%s]}\n" % (at, 98 + at, b", ".join([b"*%c" % (97 + at)] * 20)) for at in range(8)),
    "values that double": b"variables: {"
    + b", ".join(b"V%d: $V%d$V%d" % (at, at + 1, at + 1) for at in range(40))
    + b"}\na:\n  script: a\n",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_what_would_grow_without_end_is_bounded(text: bytes) -> None:
    begun = time.process_time()
    reading = read(text, "acme", COMMIT, "refs/heads/main")
    assert reading.remarks or reading.pipeline.steps
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_whatever_stands_there_is_an_answer(text: bytes) -> None:
    """The git server reads it for everybody: what it stumbles over, others would wait for."""
    assert read(text, "acme", COMMIT, "refs/heads/main").pipeline.steps
