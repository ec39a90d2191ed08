"""What a run is scanned for: a secret, an injection bug, a vulnerable dependency stop it; their clean twins pass."""

import json
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import ROOT, Person, commit, kubectl, kubectl_json, made_person, repository, small_app, until
from tests.e2e.page import CONTAINERFILE, PROGRAM

pytestmark = pytest.mark.e2e
NOT_ALLOWED = 4
# Made up, in the form of a token of GitHub; in two parts, so that this file is none of the findings of its own scan.
TOKEN = "ghp_" + "016C7e7yqw3FdR8fK2sLw0aQ1xZ5bN9mTcVu"
EXAMPLES = ROOT / "tests/integration/builds/rules"
ENTRIES = ROOT / "tests/integration/builds/advisories"
LANGUAGES = {
    "python": "py.txt",
    "javascript": "js.txt",
    "java": "java.txt",
    "go": "go.txt",
    "containerfile": "Containerfile.txt",
}
APP = {"Containerfile": CONTAINERFILE, "app.py": PROGRAM}


@pytest.fixture(scope="module")
def owner(administrator: Person, member: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    name = f"{member.tenant}-own"
    with made_person(administrator, name, member.tenant, "owner", tmp_path_factory.mktemp("home")) as person:
        yield person


def test_a_secret_stops_the_run_until_an_owner_waives_it(member: Person, owner: Person, tmp_path: Path) -> None:
    member.roost("project", "create", "leaky")
    small_app(member.tenant, "leaky")
    files = {"Containerfile": CONTAINERFILE, "app.py": PROGRAM, "settings.py": f'TOKEN = "{TOKEN}"\n'}
    path = repository(member, tmp_path / "leaky", files)
    stopped = member.git("push", member.remote("leaky"), "main", cwd=path, ok=False)
    assert stopped.code != 0 and "settings.py:1" in stopped.err and "roost waive" in stopped.err, stopped.err
    assert TOKEN not in stopped.err
    assert kubectl_json("-n", f"{member.tenant}-dev", "get", "releases.roost.dev")["items"] == []
    (found,) = member.roost("findings", "-p", "leaky", "-o", "json").json()
    assert (found["path"], found["severity"]) == ("settings.py", "high")
    waive = ("waive", found["fingerprint"], "-p", "leaky", "--reason", "Only a test's.")
    assert member.roost(*waive, ok=False).code == NOT_ALLOWED
    owner.roost(*waive)
    commit(member, path, {"notes": "Once more."}, "Once more.")
    pushed = member.git("push", member.remote("leaky"), "main", cwd=path)
    assert "waived" in pushed.err and f"leaky-dev.{member.tenant}" in pushed.err


def example(language: str, kind: str) -> dict[str, str]:
    """A file of the language, unsafe or safe, under the name that belongs to it."""
    (path,) = [path for path in EXAMPLES.iterdir() if path.name.lower() == f"{kind}.{LANGUAGES[language]}".lower()]
    return {f"src/{path.name.removesuffix('.txt')}": path.read_text()}


def found(person: Person, *arguments: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = person.roost("findings", *arguments, "-o", "json").json()
    return rows


def test_an_injection_bug_in_each_language_stops_the_run_and_clean_twins_pass(member: Person, tmp_path: Path) -> None:
    member.roost("project", "create", "inject")
    small_app(member.tenant, "inject")
    path = repository(member, tmp_path / "inject", APP)
    for language in LANGUAGES:
        bad = example(language, "unsafe")
        hiding = {".semgrepignore": "*\n", "src/.semgrepignore": "*\n"}
        commit(member, path, {**bad, **hiding}, f"{language}, badly.")
        stopped = member.git("push", member.remote("inject"), "main", cwd=path, ok=False)
        (name,) = bad
        assert stopped.code != 0 and name in stopped.err and f"{language}-" in stopped.err, stopped.err
        assert "does not count" in stopped.err, "What the repository says about scanning is told."
        grave = found(member, "-p", "inject", "--kind", "source", "--severity", "high", "--new")
        assert {item["path"] for item in grave} == {name} and all(item["fix"] for item in grave)
        (path / name).unlink()
        commit(member, path, example(language, "safe"), f"{language}, well.")
    pushed = member.git("push", member.remote("inject"), "main", cwd=path)
    assert f"inject-dev.{member.tenant}" in pushed.err, pushed.err


def archives(folder: Path, *entries: Path) -> Path:
    """A folder as a mirror of OSV has it."""
    sorted_out = defaultdict[str, list[Path]](list)
    for path in entries:
        sorted_out[path.name.partition("-")[0]].append(path)
    for ecosystem, paths in sorted_out.items():
        (folder / ecosystem).mkdir(parents=True)
        with zipfile.ZipFile(folder / ecosystem / "all.zip", "w") as archive:
            for path in paths:
                archive.write(path, path.name.partition("-")[2])
    return folder


def take(folder: Path) -> str:
    """Make it the platform's database, as an administrator on the node does; the image."""
    command = [sys.executable, "-m", "roost.node.commands", "advisories", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    """A vulnerability database of a few entries, and none afterwards."""
    yield take(archives(tmp_path / "osv", *ENTRIES.glob("*.json")))
    kubectl("-n", "roost-system", "delete", "configmap", "roost-advisories", "--ignore-not-found")
    jobs = kubectl("-n", "roost-system", "get", "jobs", "-o", "name").split()
    for job in (name for name in jobs if name.startswith("job.batch/advisories-")):
        kubectl("-n", "roost-system", "delete", job, "--wait=false")


PACKAGE = "node_modules/left-pad/package.json"
LOCK = '{"name": "shop", "lockfileVersion": 3, "packages": {"node_modules/lodash": {"version": "%s"}}}\n'


def test_a_vulnerable_dependency_stops_the_run_and_what_runs_is_judged_again(
    member: Person, database: str, tmp_path: Path
) -> None:
    member.roost("project", "create", "depend")
    small_app(member.tenant, "depend")
    containerfile = CONTAINERFILE.replace("USER", f"COPY {PACKAGE} /srv/{PACKAGE}\nUSER")
    files = {**APP, "Containerfile": containerfile, PACKAGE: '{"name": "left-pad", "version": "1.0.0"}'}
    ignoring = {"osv-scanner.toml": '[[IgnoredVulns]]\nid = "GHSA-35jh-r3h4-6jhm"\n'}
    path = repository(member, tmp_path / "depend", {**files, **ignoring, "package-lock.json": LOCK % "4.17.20"})
    stopped = member.git("push", member.remote("depend"), "main", cwd=path, ok=False)
    assert stopped.code != 0 and "package-lock.json" in stopped.err and "4.17.21 or later" in stopped.err, stopped.err
    (item,) = found(member, "-p", "depend", "--kind", "dependency")
    assert (item["severity"], item["path"], item["new"]) == ("high", "package-lock.json", True)
    commit(member, path, {"package-lock.json": LOCK % "4.17.21"}, "Take the mended one.")
    pushed = member.git("push", member.remote("depend"), "main", cwd=path)
    assert f"depend-dev.{member.tenant}" in pushed.err, pushed.err
    release = kubectl_json("-n", f"{member.tenant}-dev", "get", "releases.roost.dev")["items"][0]["metadata"]["name"]
    assert [row["path"] for row in found(member, "--release", release) if row["path"] == "left-pad"] == []
    entry = json.loads((ENTRIES / "npm-GHSA-35jh-r3h4-6jhm.json").read_text())
    entry |= {"id": "GHSA-0000-0000-0001", "aliases": []}
    entry["affected"][0]["package"]["name"] = "left-pad"
    newer = tmp_path / "npm-GHSA-0000-0000-0001.json"
    newer.write_text(json.dumps(entry))
    image = take(archives(tmp_path / "newer", *ENTRIES.glob("*.json"), newer))
    assert image != database

    def judged() -> list[dict[str, Any]]:
        return [row for row in found(member, "--release", release) if row["path"] == "left-pad"]

    (known,) = until(judged, "what runs is judged by the newer database")
    assert (known["rule"], known["severity"]) == ("GHSA-0000-0000-0001", "high")
    space = f"{member.tenant}-dev"

    def vulnerable() -> list[dict[str, Any]]:
        app = kubectl_json("-n", space, "get", "app.roost.dev", "depend")
        return [item for item in app["status"]["conditions"] if item["type"] == "Vulnerable"]

    (said,) = until(vulnerable, "the application says what became known of it")
    assert "GHSA-0000-0000-0001 in left-pad (high)" in said["message"]
    assert "zlib" not in said["message"], "What its build knew is no news."
    assert "GHSA-0000-0000-0001" in member.roost("status", "-a", "depend").out
    of_this = "--field-selector=reason=NewVulnerabilities,involvedObject.name=depend"
    assert len(kubectl_json("-n", space, "get", "events", of_this)["items"]) == 1
