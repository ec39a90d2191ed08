"""Files of the shapes that projects publish, written after GitLab's documentation: what each becomes here, and what
is told of the rest, by line. `docs.gitlab.com/ci/yaml/` and the pages of examples beside it.
"""

from dataclasses import dataclass

import pytest

from roost.builds.gitlab_ci import Reading, read
from roost.builds.gitlab_rules import RuleUnknown, holds, settled

COMMIT = "c" * 40
MAIN, TAG, REQUEST = "refs/heads/main", "refs/tags/v1.2.0", "refs/merge-requests/7/head"


@dataclass(frozen=True)
class Shape:
    """A file. steps: those of a push to main; tagged, requested: those of a tag and of a merge request."""

    text: str
    steps: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    tagged: tuple[str, ...] | None = None
    requested: tuple[str, ...] | None = None


PYTHON = Shape(
    """\
image: python:3.13
variables:
  PIP_CACHE_DIR: "$CI_PROJECT_DIR/.cache/pip"
cache:
  paths: [.cache/pip, venv/]
before_script:
  - python -m venv venv
  - source venv/bin/activate
test:
  script: pytest --junitxml=report.xml
  coverage: '/TOTAL.* ([0-9]+%)/'
  artifacts:
    when: always
    reports: {junit: report.xml, coverage_report: {coverage_format: cobertura, path: coverage.xml}}
publish:
  stage: deploy
  script: twine upload dist/*
  rules:
    - if: $CI_COMMIT_TAG =~ /^v[0-9.]+$/
""",
    ("test",),
    (
        ".gitlab-ci.yml:11: `coverage` of the job 'test' is not supported and has no effect.",
        ".gitlab-ci.yml:12: `artifacts: reports: coverage_report` of the job 'test' is not supported",
    ),
    tagged=("test", "publish"),
)
NODE = Shape(
    """\
stages: [install, check, build]
.node:
  image: node:$NODE
  variables: {NODE: "22"}
  cache: {key: {files: [package-lock.json]}, paths: [node_modules/]}
install:
  extends: .node
  stage: install
  script: npm ci
lint:
  extends: [.node]
  stage: check
  needs: [unit]
  script: npm run lint
unit:
  extends: .node
  stage: check
  needs: [install]
  variables: {CI: "1"}
  script: npm test
build:
  extends: .node
  stage: build
  needs: [lint, {job: docs, optional: true}]
  script: npm run build
  artifacts: {paths: [dist/], expire_in: 1 week}
""",
    ("install", "unit", "lint", "build-job"),
)
GO = Shape(
    """\
default:
  image: golang:1.25
  interruptible: true
  after_script: [echo done]
format:
  script: test -z "$(gofmt -l .)"
race:
  script: go test -race ./...
  retry: {max: 2, when: runner_system_failure}
  timeout: 20 minutes
fuzz:
  script: go test -fuzz=. -fuzztime=30s ./parser
  allow_failure: {exit_codes: [1]}
  only:
    variables: [$FUZZ == "yes"]
""",
    ("format", "race"),
    (
        ".gitlab-ci.yml:4: `default: after_script` is not supported and has no effect.",
        ".gitlab-ci.yml:5: the job 'format' runs in base/go:1.26, which is nearest to 'golang:1.25'.",
        ".gitlab-ci.yml:7: the job 'race' runs in base/go:1.26",
        ".gitlab-ci.yml:14: the job 'fuzz' is left out: `only: variables` is not supported.",
    ),
)
MAVEN = Shape(
    """\
variables:
  MAVEN_OPTS: "-Dmaven.repo.local=${CI_PROJECT_DIR}/.m2/repository"
image: maven:3-eclipse-temurin-21
cache: {key: "$CI_COMMIT_REF_SLUG", paths: [.m2/repository]}
verify:
  stage: test
  script: mvn --batch-mode verify
  artifacts: {reports: {junit: ["target/surefire-reports/TEST-*.xml"]}}
integration:
  stage: test
  services: [postgres:17]
  variables: {POSTGRES_PASSWORD: test}
  script: mvn --batch-mode verify -Pintegration
site:
  stage: deploy
  needs: [integration]
  script: mvn site
""",
    ("verify",),
    (
        ".gitlab-ci.yml:5: the job 'verify' runs in base/java:21, which is nearest to 'maven:3-eclipse-temurin-21'.",
        ".gitlab-ci.yml:11: the job 'integration' is left out: `services` is not supported.",
        ".gitlab-ci.yml:14: the job 'site' runs in base/java:21",
        ".gitlab-ci.yml:16: the job 'site' is left out: it needs 'integration', which is not part of this run.",
    ),
)
PAGES = Shape(
    """\
image: node:22
build:
  script: npx eleventy --output=public
  except: [tags]
pages:
  stage: deploy
  script: npx eleventy --output=public
  artifacts: {paths: [public]}
  only: [main]
""",
    ("build-job",),
    (".gitlab-ci.yml:5: `pages` is not supported and left out.",),
    tagged=(),
)
NATIVE = Shape(
    """\
compile:
  image: debian:trixie
  tags: [linux]
  before_script: ["set -o pipefail"]
  script:
    - if [[ -n "$CC" ]]; then $CC --version; fi
    - make -j2
matrix:
  parallel: {matrix: [{CC: [gcc, clang]}]}
  script: make
windows:
  image: mcr.microsoft.com/windows/servercore:ltsc2022
  script: nmake
""",
    ("compile",),
    (
        ".gitlab-ci.yml:3: `tags` of the job 'compile' is not supported and has no effect.",
        ".gitlab-ci.yml:5: the job 'compile' is written for bash; steps run in sh.",
        ".gitlab-ci.yml:9: the job 'matrix' is left out: `parallel` is not supported.",
        ".gitlab-ci.yml:12: the job 'windows' is left out: the image",
    ),
)
DOCKER = Shape(
    """\
build image:
  image: docker:28
  services: [docker:28-dind]
  script: [docker build -t $CI_REGISTRY_IMAGE ., docker push $CI_REGISTRY_IMAGE]
smoke:
  image: busybox:1.37
  needs: ["build image"]
  script: wget -qO- http://localhost
lint:
  image: busybox:1.37
  script: [sh -n run.sh]
""",
    ("lint",),
    (
        ".gitlab-ci.yml:3: the job 'build image' is left out: `services` is not supported.",
        ".gitlab-ci.yml:7: the job 'smoke' is left out: it needs 'build image', which is not part of this run.",
    ),
)
DEPLOY = Shape(
    """\
stages: [test, staging, production]
check:
  stage: test
  image: python:3.13
  script: [python -m compileall .]
staging:
  stage: staging
  environment: {name: staging, url: https://staging.example.org}
  script: ./deploy staging
production:
  stage: production
  when: manual
  script: ./deploy production
notify:
  stage: .post
  when: on_failure
  script: ./notify
""",
    ("check",),
    (
        ".gitlab-ci.yml:8: the job 'staging' is left out: `environment` is not supported.",
        ".gitlab-ci.yml:12: the job 'production' is left out: it does not run by itself after the jobs before it.",
        ".gitlab-ci.yml:16: the job 'notify' is left out: it does not run by itself after the jobs before it.",
    ),
)
TEMPLATES = Shape(
    """\
include:
  - template: Jobs/SAST.gitlab-ci.yml
  - local: /ci/more.yml
workflow:
  rules: [{if: $CI_COMMIT_BRANCH}]
services: [redis:8]
unit:
  image: python:3.13
  script: pytest
static:
  image: python:3.13
  services: []
  extends: .shared
  script: ruff check
style:
  image: python:3.13
  services: []
  inherit: {default: false}
  script: ruff format --check
""",
    ("style",),
    (
        ".gitlab-ci.yml:1: `include` is not supported and left out.",
        ".gitlab-ci.yml:4: `workflow` is not supported and left out.",
        ".gitlab-ci.yml:6: `services` is not supported and left out.",
        ".gitlab-ci.yml:7: the job 'unit' is left out: `services` is not supported.",
        ".gitlab-ci.yml:13: the job 'static' is left out: it extends '.shared', which is not in this file.",
        ".gitlab-ci.yml:18: `inherit` of the job 'style' is not supported and has no effect.",
    ),
)
RULES = Shape(
    """\
image: busybox:1.37
.quiet:
  rules:
    - if: $SKIP == "yes"
      when: never
    - if: $CI_PIPELINE_SOURCE == "merge_request_event" || $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
check:
  extends: .quiet
  script: ./check
preview:
  script: ./preview
  rules:
    - if: $CI_MERGE_REQUEST_IID && $CI_COMMIT_BRANCH == null
      allow_failure: true
      variables: {LEVEL: preview-$CI_MERGE_REQUEST_IID}
release:
  script: ./release $LEVEL
  variables: {LEVEL: none}
  rules:
    - if: ($CI_COMMIT_TAG =~ /^v\\d+\\.\\d+/) && ($CI_COMMIT_TAG !~ /-(rc|beta)$/)
      variables: {LEVEL: $CI_COMMIT_TAG}
nightly:
  script: ./nightly
  rules: [{if: $CI_COMMIT_MESSAGE =~ /nightly/}]
changed:
  script: ./changed
  rules:
    - changes: [docs/**/*]
""",
    ("check",),
    (
        ".gitlab-ci.yml:24: the job 'nightly' is left out: what $CI_COMMIT_MESSAGE holds is not known here.",
        ".gitlab-ci.yml:27: the job 'changed' is left out: `changes` in `rules` is not supported.",
    ),
    requested=("check", "preview"),
)
ANCHORS = Shape(
    """\
.setup: &setup
  image: python:3.13
  variables: &places {CACHE: "$CI_PROJECT_DIR/.cache", LEVEL: low}
  before_script:
    - python -m venv venv
.main: &main
  - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
unit:
  <<: *setup
  variables: {<<: *places, LEVEL: high}
  script:
    - !reference [.more, script]
    - pytest
  rules: *main
docs:
  <<: [*setup, {stage: build}]
  rules: [!reference [.never, rules], {if: $CI_COMMIT_BRANCH}]
  script: make docs
.more:
  script: [pip install -r more.txt, pip check]
.never:
  rules: [{if: $CI_COMMIT_TAG, when: never}]
nowhere:
  <<: *setup
  script: [!reference [.gone, script]]
""",
    ("docs", "unit"),
    (".gitlab-ci.yml:25: the job 'nowhere' is left out: `!reference [.gone, script]` leads nowhere.",),
    tagged=(),
)
SHAPES = {
    "anchors": ANCHORS,
    "python": PYTHON,
    "node": NODE,
    "go": GO,
    "maven": MAVEN,
    "pages": PAGES,
    "native": NATIVE,
    "docker": DOCKER,
    "deploy": DEPLOY,
    "templates": TEMPLATES,
    "rules": RULES,
}


def reading(shape: Shape, ref: str = MAIN) -> Reading:
    return read(shape.text.encode(), "acme", COMMIT, ref, "main", "shop")


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_each_key_is_read_or_told_by_its_line(shape: Shape) -> None:
    found = reading(shape)
    assert found.pipeline.names == shape.steps
    assert len(found.remarks) == len(shape.remarks), found.remarks
    for remark, wanted in zip(found.remarks, shape.remarks, strict=True):
        assert remark.startswith(wanted), remark


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_tag_and_a_merge_request_have_the_jobs_that_are_meant_for_them(shape: Shape) -> None:
    if shape.tagged is not None:
        assert reading(shape, TAG).pipeline.names == shape.tagged
    if shape.requested is not None:
        assert reading(shape, REQUEST).pipeline.names == shape.requested


def test_values_name_each_other() -> None:
    test = reading(PYTHON).pipeline.steps[0]
    values = {item.name: item.value for item in test.env}
    assert values["PIP_CACHE_DIR"] == "/workspace/.cache/pip"
    assert test.cache == (".cache/pip", "venv")
    assert test.commands[1] == ". venv/bin/activate"
    assert {step.image for step in reading(NODE).pipeline.steps} == {"base/node:22"}
    (_, unit) = reading(ANCHORS).pipeline.steps
    assert {item.name: item.value for item in unit.env}["CACHE"] == "/workspace/.cache"
    assert {item.name: item.value for item in unit.env}["LEVEL"] == "high"
    assert unit.commands == ("python -m venv venv", "pip install -r more.txt", "pip check", "pytest")
    (_, preview) = reading(RULES, REQUEST).pipeline.steps
    assert {item.name: item.value for item in preview.env}["LEVEL"] == "preview-7" and preview.allow_failure
    assert settled({"A": "$$A $B", "B": "${C}", "D": "$D:x"}, {"C": "c"}) == {"A": "$A c", "B": "c", "D": "$D:x"}


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ('$A == "x"', True),
        ("$A == 'y' || $B", False),
        ("$A && !~", None),
        ("$A =~ /^x$/ && $A !~ /y/", True),
        ("$A =~ /X/", False),
        ("$A =~ /X/i", True),
        ("$LONG =~ /a*a*a*a*a*a*a*a*a*a*b/", False),
        ("$NAME =~ /^(main|release\\/next)$/", True),
        ("$NAME =~ /^rel.*t$/", True),
        ("$NAME =~ /^rel?[a-f]+/", True),
        ("$NAME =~ /^$/", False),
        ("$NAME =~ /(a|b)+/", None),
        ("$NAME =~ $A", None),
        ("$B == null", True),
        ("($A", None),
        ("(" * 40 + "$A" + ")" * 40, None),
        ("", None),
    ],
)
def test_conditions_hold_fail_or_are_not_understood(condition: str, wanted: bool | None) -> None:
    known = {"A": "x", "NAME": "release/next", "LONG": "a" * 200}
    if wanted is None:
        with pytest.raises(RuleUnknown):
            holds(condition, known)
    else:
        assert holds(condition, known) is wanted
