"""Applications that we did not write, as their authors publish them, are pushed unchanged and answer.

They come from the registries that the site has: an npm package, a template of one, a module of Go. For Java a registry
has libraries and no sources of an application: it is the smallest one of Spring Boot.
"""

import json
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
from bench.spring import CODE, POM, SPRING
from tests.e2e.conftest import ROOT, Person, commit, get, kubectl_json, until

from roost.node import engine_toolchain, packages

pytestmark = pytest.mark.e2e

GO_MODULE = "github.com/mccutchen/go-httpbin/v2@v2.26.0"
HELLO = SPRING.replace('"VERSION"', '"one from " + Runtime.version().feature()')


def npm_package(name: str, to: Path) -> Path:
    """The files of an npm package, unpacked in `to`."""
    if shutil.which("npm") is None:
        packages.ensure(["npm"])
    to.mkdir(parents=True)
    done = subprocess.run(["npm", "pack", "--silent", name], cwd=to, capture_output=True, text=True, check=True)
    with tarfile.open(to / done.stdout.split()[-1]) as archive:
        archive.extractall(to, filter="data")
    return to / "package"


def sdist(name: str, to: Path) -> Path:
    """The files of a source distribution of Python, unpacked in `to`."""
    to.mkdir(parents=True)
    pip = [str(ROOT / ".venv/bin/pip"), "download", "--quiet", "--no-deps", "--no-build-isolation", "--no-binary=:all:"]
    subprocess.run([*pip, name], cwd=to, capture_output=True, text=True, check=True)
    with tarfile.open(next(to.glob("*.tar.gz"))) as archive:
        archive.extractall(to, filter="data")
    return next(path for path in to.iterdir() if path.is_dir())


def pushed(person: Person, name: str, path: Path, *options: str) -> tuple[str, str, float]:
    """Push the files in `path` as they are: (URL, what git showed, seconds that the push took)."""
    person.roost("project", "create", name, *options)
    person.git("init", "--quiet", "--initial-branch=main", cwd=path)
    person.git("add", "--all", "--force", cwd=path)
    person.git("commit", "--quiet", "--message", "As it was published.", cwd=path)
    begin = time.monotonic()
    shown = person.git("push", person.remote(name), "main", cwd=path)
    return f"http://{name}-dev.{person.tenant}.roost.localhost", shown.err, time.monotonic() - begin


def answers(url: str, words: str) -> None:
    """The URL answers 200 with these words in its body."""
    answer = get(url)
    assert answer.status == 200 and words in answer.body, answer


def runs_as_app(person: Person, name: str) -> None:
    """The program's image says that its process is not root."""
    releases = kubectl_json("-n", f"{person.tenant}-dev", "get", "releases.roost.dev")["items"]
    artefacts = [item["spec"]["content"]["artefact"] for item in releases if item["spec"]["app"] == name]
    assert artefacts and not any(item.get("runsAsRoot") for item in artefacts)


def again(person: Person, name: str, path: Path, files: dict[str, str]) -> float:
    """Seconds that the push of a small change took."""
    commit(person, path, files, "A line.")
    begin = time.monotonic()
    person.git("push", person.remote(name), "main", cwd=path)
    return time.monotonic() - begin


def test_a_server_of_npm_answers_and_a_changed_line_is_quick(member: Person, tmp_path: Path) -> None:
    path = npm_package("http-server@14.1.1", tmp_path / "npm")
    url, shown, first = pushed(member, "files", path)
    assert "Detected Node.js 24: engines.node is >=12" in shown
    answers(url, "Index of /")
    runs_as_app(member, "files")
    second = again(member, "files", path, {"public/index.html": "changed\n"})
    until(lambda: get(url).body == "changed\n", "the changed line is served", 20)
    print(f"first push {first:.1f} s, second {second:.1f} s")


def test_a_module_of_go_answers(member: Person, tmp_path: Path) -> None:
    go = engine_toolchain.find(ROOT / "engine").program
    done = subprocess.run(
        [go, "mod", "download", "-json", GO_MODULE], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    path = tmp_path / "go"
    shutil.copytree(json.loads(done.stdout)["Dir"], path, copy_function=shutil.copyfile)
    for folder in (path, *(item for item in path.rglob("*") if item.is_dir())):
        folder.chmod(0o755)
    for name in ("Dockerfile", "Containerfile"):
        (path / name).unlink(missing_ok=True)
    url, shown, first = pushed(member, "httpbin", path)
    assert "Detected Go 1.26" in shown and "go-httpbin" in shown
    assert json.loads(get(f"{url}/get?roost=1").body)["args"] == {"roost": ["1"]}
    runs_as_app(member, "httpbin")
    second = again(member, "httpbin", path, {"cmd/go-httpbin/more.go": "package main\n\nvar _ = 1\n"})
    print(f"first push {first:.1f} s, second {second:.1f} s")


def test_a_source_distribution_of_python_answers(member: Person, tmp_path: Path) -> None:
    path = sdist("pypiserver==2.4.2", tmp_path / "python")
    url, shown, _ = pushed(member, "index", path, "--start", "pypi-server run -p $PORT -P . -a . .")
    assert "Dependencies by pip: there is a pyproject.toml" in shown
    answers(url, "Welcome to pypiserver!")
    runs_as_app(member, "index")


def test_a_static_site_answers(member: Person, tmp_path: Path) -> None:
    path = tmp_path / "site"
    path.mkdir()
    (path / "index.html").write_text("<h1>front\n")
    (path / "about.html").write_text("<h1>about\n")
    (path / "404.html").write_text("<h1>nothing here\n")
    (path / ".env").write_text("TOKEN=x\n")
    url, shown, _ = pushed(member, "site", path)
    assert "Detected a static site" in shown
    answers(url, "front")
    answers(f"{url}/about", "about")
    for missing in ("/nowhere", "/.env"):
        assert get(url + missing).status == 404
    assert "nothing here" in get(f"{url}/nowhere").body


@pytest.mark.full
def test_spring_boot_by_maven_answers(member: Person, tmp_path: Path) -> None:
    path = tmp_path / "java"
    (path / CODE).parent.mkdir(parents=True)
    (path / "pom.xml").write_text(POM)
    (path / CODE).write_text(HELLO)
    url, shown, first = pushed(member, "spring", path)
    assert "Detected Java 21: pom.xml asks for 21" in shown
    answers(url, "one from 21")
    runs_as_app(member, "spring")
    second = again(member, "spring", path, {CODE: HELLO.replace("one from", "two from")})
    until(lambda: get(url).body == "two from 21", "the changed line is served", 20)
    print(f"first push {first:.1f} s, second {second:.1f} s")


@pytest.mark.full
def test_a_site_that_a_node_build_writes_is_served(member: Person, tmp_path: Path) -> None:
    path = npm_package("create-vite@9.3.0", tmp_path / "vite") / "template-vanilla"
    url, shown, _ = pushed(member, "vite", path)
    assert "served as a static site" in shown
    answers(url, "/assets/index-")
    answers(f"{url}/some/page/of/the/application", "/assets/index-")


@pytest.mark.full
@pytest.mark.parametrize("manager", ["pnpm@9.15.0", "yarn@1.22.22", "yarn@4.9.2"])
def test_pnpm_and_yarn_install_as_npm_does(member: Person, tmp_path: Path, manager: str) -> None:
    path = npm_package("http-server@14.1.1", tmp_path / "npm")
    about = json.loads((path / "package.json").read_text())
    (path / "package.json").write_text(json.dumps({**about, "packageManager": manager}))
    name = "with" + manager.replace("@", "").replace(".", "")
    url, shown, _ = pushed(member, name, path)
    assert f"Dependencies by {manager.partition('@')[0]}" in shown
    answers(url, "Index of /")


def test_versions_that_are_not_offered_are_told_with_those_that_are(member: Person, tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.mkdir()
    (path / "package.json").write_text(json.dumps({"scripts": {"start": "node ."}, "engines": {"node": "12.x"}}))
    member.roost("project", "create", "old")
    member.git("init", "--quiet", "--initial-branch=main", cwd=path)
    member.git("add", "--all", cwd=path)
    member.git("commit", "--quiet", "--message", "Old.", cwd=path)
    told = member.git("push", member.remote("old"), "main", cwd=path, ok=False).err
    assert "asks for Node 12.x; offered are 20.18.0, 22.20.0 and 24.19.0" in told
