"""What a commit says of its own run, read from a real repository."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from roost.gitserver import definition
from roost.gitserver.repositories import Name, Repositories
from roost.model import starts
from roost.model.kinds.delivery import Project, RunSpec

NAME = Name("acme", "shop")
MAIN, BRANCH = "refs/heads/main", "refs/heads/feature"
FILE = b"pipeline:\n  steps:\n    - name: test\n      commands: make test\n      secrets: [npm-token]\n"
GITLAB = b"test:\n  script: make\nlater:\n  script: make\n  when: manual\n"


@pytest.fixture
async def repositories(tmp_path: Path) -> Repositories:
    made = Repositories(tmp_path / "repositories", 100, 100)
    made.root.mkdir()
    made.prepare()
    await made.ensure(NAME, "uid", "main")
    return made


def commit(repositories: Repositories, **files: bytes | str) -> str:
    """A commit of those files; a text is a link's target. `__` in a name is a dot."""

    def git(*arguments: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", f"--git-dir={repositories.path(NAME)}", *arguments],
            input=stdin,
            capture_output=True,
            check=True,
            env={
                **os.environ,
                **{f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
            },
        )
        return done.stdout.decode().strip()

    lines = []
    for name, content in sorted(files.items()):
        blob = git("hash-object", "-w", "--stdin", stdin=content if isinstance(content, bytes) else content.encode())
        mode = "100644" if isinstance(content, bytes) else "120000"
        lines.append(f"{mode} blob {blob}\t{name.replace('__', '.')}\n")
    tree = git("mktree", stdin="".join(sorted(lines, key=lambda line: line.split("\t")[1])).encode())
    return git("commit-tree", tree, "-m", "x")


def project(**spec: Any) -> Project:
    return Project.parse({"metadata": {"name": "shop", "uid": "uid"}, "spec": {"stepSecrets": ["npm-token"], **spec}})


async def said(repositories: Repositories, ref: str, of: Project, **files: bytes | str) -> RunSpec:
    found = commit(repositories, **files)
    manifest = {"spec": {"project": "shop", "ref": ref, "commit": found}}
    made = await definition.into(repositories, NAME, of, manifest)
    return RunSpec.model_validate(made["spec"])


async def test_the_projects_branch_has_full_rights_and_any_other_has_not(repositories: Repositories) -> None:
    full = await said(repositories, MAIN, project(), roost__yaml=FILE)
    assert full.pipeline.names == ("test",)
    assert (full.rights, full.step_secrets, full.problem) == ("full", ("npm-token",), "")
    for ref in (BRANCH, "refs/tags/main", "refs/merge-requests/1/head", "refs/heads/main/x"):
        other = await said(repositories, ref, project(), roost__yaml=FILE)
        assert other.pipeline.names == ("test",)
        assert (other.rights, other.step_secrets) == ("reduced", ()), ref


async def test_a_commit_that_is_in_the_projects_branch_has_full_rights_by_whatever_ref(
    repositories: Repositories,
) -> None:
    found = commit(repositories, roost__yaml=FILE)
    where = f"--git-dir={repositories.path(NAME)}"

    async def rights(ref: str) -> str:
        manifest = {"spec": {"project": "shop", "ref": ref, "commit": found}}
        made = await definition.into(repositories, NAME, project(), manifest)
        return str(made["spec"]["rights"])

    await repositories.git(where, "update-ref", "refs/heads/main-2", found)
    assert await rights("refs/tags/v1") == "reduced"
    await repositories.git(where, "update-ref", MAIN, found)
    assert await rights("refs/tags/v1") == "full"
    later = commit(repositories, other=b"x")
    assert not await repositories.is_in(NAME, MAIN, later)


async def test_a_build_has_its_secrets_only_with_full_rights(repositories: Repositories) -> None:
    found = commit(repositories, roost__yaml=FILE)
    for ref, secrets, remarks in ((MAIN, ("pip",), 0), (BRANCH, (), 1)):
        manifest = {"spec": {"project": "shop", "ref": ref, "commit": found, "build": {"secrets": ["pip"]}}}
        made = RunSpec.model_validate((await definition.into(repositories, NAME, project(), manifest))["spec"])
        assert (made.build.secrets, len(made.remarks)) == (secrets, remarks)


async def test_the_projects_own_steps_come_before_those_of_any_commit(repositories: Repositories) -> None:
    own = {"steps": [{"name": "own", "commands": ["make"]}]}
    found = await said(repositories, MAIN, project(pipeline=own), roost__yaml=b"pipeline: nonsense")
    assert found.pipeline.names == ("own",) and not found.problem


async def test_a_file_that_is_wrong_is_the_runs_problem(repositories: Repositories) -> None:
    wrong = await said(repositories, MAIN, project(), roost__yaml=b"pipeline:\n  step: 1\n")
    assert wrong.problem == "roost.yaml:2: pipeline.step: there is no such key." and not wrong.pipeline.steps
    large = await said(repositories, MAIN, project(), roost__yaml=b"#" * 40_000)
    assert large.problem == "roost.yaml: it is longer than 32 KiB."


async def test_gitlabs_file_is_read_where_there_is_no_other(repositories: Repositories) -> None:
    only = await said(repositories, MAIN, project(), __gitlab_ci__yml=b"")
    assert not only.pipeline.steps
    files = {".gitlab-ci.yml": GITLAB}
    found = await said(repositories, MAIN, project(), **files)
    assert found.pipeline.names == ("test",)
    assert found.remarks == (
        ".gitlab-ci.yml:5: the job 'later' is left out: it does not run by itself after the jobs before it.",
    )
    both = await said(repositories, MAIN, project(), **files, roost__yaml=FILE)
    assert both.pipeline.steps[0].secrets == ("npm-token",)
    here = await said(repositories, MAIN, project(), **files, roost__yaml=b"tenant: acme\n")
    assert here.pipeline.names == ("test",)


@pytest.mark.parametrize("target", ["/etc/passwd", "other.yaml"])
async def test_a_link_is_no_definition(repositories: Repositories, target: str) -> None:
    found = await said(repositories, MAIN, project(), roost__yaml=target, other__yaml=FILE)
    assert not found.pipeline.steps and not found.problem


STEPS = b"pipeline:\n  steps:\n    - name: test\n      commands: make test\n"
COMMITS_OWN = {"pipeline", "rights", "step_secrets", "remarks", "problem"}
REACHING = {
    "roost.yaml names production": ("roost__yaml", b"tenant: acme\nenv: prod\napp: payments\n" + STEPS),
    "roost.yaml says what is the project's": (
        "roost__yaml",
        b"environment: prod\npromote: true\nrights: full\n" + STEPS,
    ),
    "roost.yaml brings triggers": ("roost__yaml", b"triggers:\n  branches:\n    - {pattern: '*', environment: prod}\n"),
    "a step names an environment": ("roost__yaml", STEPS + b"      environment: prod\n"),
    "a step brings a promotion": ("roost__yaml", STEPS + b"      promote: prod\n"),
    "a job of GitLab deploys": (
        "__gitlab-ci__yml",
        b"deploy:\n  script: make\n  environment:\n    name: prod\n  variables:\n    ROOST_ENVIRONMENT: prod\n",
    ),
    "GitLab's file includes another": ("__gitlab-ci__yml", b"include: {remote: 'https://evil.example/ci.yml'}\n"),
}


@pytest.mark.parametrize("ref", [MAIN, BRANCH, "refs/tags/v1", "refs/merge-requests/1/head"])
@pytest.mark.parametrize("what", REACHING)
async def test_no_file_of_a_commit_says_where_its_run_goes(repositories: Repositories, what: str, ref: str) -> None:
    """All that is not the steps is the Project's word: where it goes, as what, with which rights, scans and values."""
    file, text = REACHING[what]
    of = project(environment="dev", triggers={"tags": [{"pattern": "v*", "environment": "test"}]})
    plain = starts.spec_of(of, ref, commit(repositories, **{file: text}))
    said = await definition.into(repositories, NAME, of, {"spec": plain.wire()})
    made = RunSpec.model_validate(said["spec"])
    kept = {name: getattr(made, name) for name in RunSpec.model_fields if name not in COMMITS_OWN}
    assert kept == {name: getattr(plain, name) for name in kept}
    wanted = {MAIN: (True, ""), "refs/tags/v1": (True, "test")}
    assert (made.promote, made.environment) == wanted.get(ref, (False, ""))
    assert made.rights == ("full" if ref == MAIN else "reduced")
