"""`roost app create` of a directory, a repository elsewhere, an image; `deploy` of what is committed."""

import os
import subprocess
from pathlib import Path

import pytest

from roost.cli.create import derived, kind_of
from roost.cli.tests.conftest import Roost
from roost.cli.tests.fake_api import APP, ENV, IMAGE, MOMENT, TOKEN, meta
from roost.surface.terminal.repository import Repository
from roost.surface.terminal.state import Login

PROJECTS = "/v1/tenants/acme/projects"


def git(folder: Path, *arguments: str) -> str:
    """What git says there."""
    known = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", "-C", str(folder), *arguments], env=known, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def here(roost: Roost, tmp_path_factory: pytest.TempPathFactory) -> Roost:
    """`roost` in a directory with a small application, and a place to push to."""
    (roost.directory / "roost.yaml").unlink()
    (roost.directory / "app.py").write_text("import http.server\n")
    (roost.directory / "requirements.txt").write_text("")
    (roost.directory / "Procfile").write_text("web: python app.py\n")
    bare = tmp_path_factory.mktemp("hosted")
    subprocess.run(["git", "init", "--quiet", "--bare", str(bare)], check=True)
    roost.api.repository = f"file://{bare}"
    roost.environment["PATH"] = os.environ["PATH"]
    return roost


@pytest.mark.parametrize(
    ("word", "what"),
    [
        (".", "directory"),
        ("./shop", "directory"),
        ("~/shop", "directory"),
        ("there", "directory"),
        ("shop", "name"),
        ("https://git.example.org/team/wiki", "git"),
        ("git@git.example.org:team/wiki.git", "git"),
        ("ssh://git@git.example.org/wiki", "git"),
        (IMAGE, "image"),
    ],
)
def test_a_word_means_what_it_looks_like(tmp_path: Path, word: str, what: str) -> None:
    (tmp_path / "there").mkdir()
    assert kind_of(word, tmp_path) == what


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My Shop", "my-shop"),
        ("https://git.example.org/team/Wiki.git", "wiki"),
        ("git@git.example.org:wiki.git", "wiki"),
        (IMAGE, "shop"),
        ("2048-game", "game"),
        ("商店", ""),
    ],
)
def test_a_name_comes_from_the_source(text: str, name: str) -> None:
    assert derived(text) == name


def test_a_directory_is_detected_connected_pushed_and_followed(here: Roost) -> None:
    here.api.objects[f"{ENV}/apps/shop"] = here.api.objects[APP]
    said = here("app", "create", ".", "--name", "shop", "-t", "acme", "-e", "dev", "--yes")
    assert said.code == 0, said.err
    assert "Procfile" in said.err
    assert here.api.asked("POST", PROJECTS)[0]["spec"] == {"branch": "main", "build": {}, "environment": "dev"}
    assert (here.directory / "roost.yaml").read_text() == "tenant: acme\nenv: dev\napp: shop\n"
    assert git(here.directory, "ls-remote", "roost", "refs/heads/main").split()[0] == git(
        here.directory, "rev-parse", "HEAD"
    )
    assert said.out == "http://shop-dev.acme.roost.localhost\n"


def test_no_secret_is_written_into_the_repository(here: Roost) -> None:
    assert here("app", "create", ".", "--name", "shop", "-t", "acme", "--yes").code == 0
    assert TOKEN not in (here.directory / ".git/config").read_text()


def test_git_trusts_the_authority_of_the_login_and_asks_roost_for_the_own_server(here: Roost) -> None:
    git(here.directory, "init", "--quiet")
    url, login = "https://api.example.com/acme/shop.git", Login("https://api.example.com", "/ca.crt", TOKEN, "mei")
    Repository(here.directory, here.environment).connect(url, "https://api.example.com/", login)
    assert git(here.directory, "config", "--get-urlmatch", "http.sslCAInfo", url) == "/ca.crt"
    assert git(here.directory, "config", "--get-urlmatch", "credential.helper", url).endswith(" credential")
    assert git(here.directory, "config", "--get-urlmatch", "credential.username", url) == "mei"


def test_a_directory_that_is_no_repository_stays_none_without_a_yes(here: Roost) -> None:
    said = here("app", "create", ".", "--name", "shop", "-t", "acme")
    assert said.code == 2
    assert not (here.directory / ".git").exists()


def test_a_directory_that_cannot_be_built_is_refused_before_anything_is_made(here: Roost) -> None:
    for name in ("app.py", "requirements.txt", "Procfile"):
        (here.directory / name).unlink()
    said = here("app", "create", ".", "--name", "shop", "-t", "acme", "--yes")
    assert said.code == 7
    assert here.api.calls == []


def test_a_dry_run_tells_what_is_detected_and_makes_nothing(here: Roost) -> None:
    said = here("app", "create", ".", "--name", "shop", "-t", "acme", "--dry-run")
    assert (said.code, f"{PROJECTS}/shop" in here.api.objects) == (0, False)
    assert "Procfile" in said.err
    assert not (here.directory / "roost.yaml").exists()


def test_a_remote_that_leads_elsewhere_is_left_alone(here: Roost) -> None:
    git(here.directory, "init", "--quiet")
    git(here.directory, "remote", "add", "roost", "https://elsewhere.example.org/x.git")
    said = here("app", "create", ".", "--name", "shop", "-t", "acme", "--yes")
    assert said.code == 5
    assert "git remote remove roost" in said.err


def test_deploy_pushes_what_is_committed_and_says_what_stays_behind(here: Roost) -> None:
    assert here("app", "create", ".", "--name", "shop", "-t", "acme", "--yes", "--no-push").code == 0
    (here.directory / "new.py").write_text("")
    said = here("deploy")
    assert said.code == 0, said.err
    assert "1 files are not committed" in said.err
    assert git(here.directory, "ls-remote", "roost", "refs/heads/main")


def test_a_push_that_is_refused_is_the_exit_code_7(here: Roost) -> None:
    assert here("app", "create", ".", "--name", "shop", "-t", "acme", "--yes", "--no-push").code == 0
    hook = Path(here.api.repository.removeprefix("file://")) / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert here("deploy").code == 7


def test_diff_tells_what_is_committed_and_does_not_serve(here: Roost) -> None:
    assert here("app", "create", ".", "--name", "shop", "-t", "acme", "--yes", "--no-push").code == 0
    content = here.api.objects[f"{ENV}/releases/shop-v2"]["spec"]["content"]
    content["artefact"]["commit"] = git(here.directory, "rev-parse", "HEAD")
    (here.directory / "new.py").write_text("")
    git(here.directory, "add", "new.py")
    git(here.directory, "-c", "user.name=m", "-c", "user.email=m@x", "commit", "--quiet", "-m", "Sell more.")
    assert "Sell more." in here("diff").out


def test_a_repository_elsewhere_is_followed_from_its_source_to_the_version(roost: Roost) -> None:
    run = {"spec": {"project": "shop", "commit": "c" * 40}, "metadata": meta("shop-9-abc")}
    run["metadata"]["creationTimestamp"] = MOMENT.replace("20:00", "21:00")
    roost.api.objects["/v1/tenants/acme/runs/shop-9-abc"] = run | {"status": {"phase": "Succeeded"}}
    said = roost("app", "create", "git@git.example.org:team/shop.git", "-t", "acme")
    assert said.code == 0, said.err
    source = {"type": "git", "url": "ssh://git@git.example.org/team/shop.git"}
    assert roost.api.asked("POST", PROJECTS)[0]["spec"]["source"] == source
    assert "✓ Build" in said.err


def test_a_build_that_fails_is_told_with_its_reason(roost: Roost) -> None:
    said = roost("app", "create", "https://git.example.org/team/shop.git", "-t", "acme")
    assert said.code == 7
    assert "The build ended with 1." in said.err


def test_an_image_becomes_an_application_of_its_name(roost: Roost) -> None:
    assert roost("app", "create", IMAGE.replace("shop@", "till@"), "--port", "8000", "--detach").code == 0
    made = roost.api.asked("POST", f"{ENV}/apps")[0]
    assert made["metadata"] == {"name": "till"}
    assert made["spec"]["processes"] == [{"name": "web", "port": 8000}]


def test_a_name_alone_is_an_application_to_deploy_to(roost: Roost) -> None:
    said = roost("app", "create", "till")
    assert said.code == 0
    assert "roost deploy IMAGE@sha256:... -a till" in said.err


@pytest.mark.parametrize(("host", "answered"), [("", True), ("elsewhere.example.org", False)])
def test_git_is_answered_for_the_own_server_alone(roost: Roost, host: str, answered: bool) -> None:
    question = f"protocol=http\nhost={host or roost.api.url.removeprefix('http://')}\n\n"
    said = roost("credential", "get", stdin=question)
    assert (TOKEN in said.out) is answered
    assert said.code == 0
