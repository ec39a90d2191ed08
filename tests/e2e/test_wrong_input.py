"""Wrong input on each surface is answered in words with what to do; nothing half-made is left, the old version serves.

Exit codes are those of the design: 2 wrong use, 3 not found, 4 not allowed.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import page
from tests.e2e.conftest import (
    Person,
    Result,
    commit,
    get,
    kubectl,
    kubectl_json,
    made_tenant,
    repository,
    small_app,
    until,
)

pytestmark = pytest.mark.e2e
PROJECT = "sturdy"
PROGRAM = page.PROGRAM.replace("VERSION", "steady")
CONTAINERFILE = page.CONTAINERFILE
GOOD = {"Containerfile": CONTAINERFILE, "app.py": PROGRAM}


@dataclass(frozen=True)
class Site:
    """An application that serves, and the repository that it came from."""

    person: Person
    path: Path

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{PROJECT}-dev.{self.person.tenant}.roost.localhost"

    def push(self, files: dict[str, str], message: str) -> Result:
        """Commit these files over the good ones and push them."""
        commit(self.person, self.path, GOOD | files, message)
        return self.person.git("push", self.person.remote(PROJECT), "main", cwd=self.path, ok=False)

    def releases(self) -> list[Any]:
        """All Releases."""
        return list(kubectl_json("-n", f"{self.person.tenant}-dev", "get", "releases.roost.dev")["items"])

    def set_build(self, **fields: object) -> None:
        """Change how the project is built; only administrators and the API may."""
        patch = json.dumps({"spec": {"build": fields}})
        space = f"{self.person.tenant}-build"
        kubectl("-n", space, "patch", "projects.roost.dev", PROJECT, "--type=merge", "-p", patch)


@pytest.fixture(scope="module")
def site(member: Person, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Pushed once, and it serves."""
    member.roost("project", "create", PROJECT)
    small_app(member.tenant, PROJECT)
    made = Site(member, repository(member, tmp_path_factory.mktemp("site") / "site", GOOD))
    first = member.git("push", member.remote(PROJECT), "main", cwd=made.path)
    assert made.url in first.err
    until(lambda: get(made.url).body == "steady", "the first version answers", 30)
    return made


@pytest.fixture
def steady(site: Site) -> Iterator[Site]:
    """Before and after the case the good version serves, and it is the one that is live."""
    assert get(site.url).body == "steady"
    yield site
    assert get(site.url).body == "steady"


def refused(result: Result, *words: str) -> None:
    """A push that ended with a status and told each of the words."""
    assert result.code != 0
    for word in words:
        assert word in result.err, result.err


NAMES = [
    ("tenant", "x", 2, "2 to 20 lower-case letters and digits"),
    ("tenant", "a" * 21, 2, "2 to 20 lower-case letters and digits"),
    ("tenant", "has-hyphen", 2, "2 to 20 lower-case letters and digits"),
    ("tenant", "Upper", 2, "2 to 20 lower-case letters and digits"),
    ("tenant", "kube", 2, "reserved"),
    ("tenant", "system", 2, "reserved"),
]


@pytest.mark.parametrize(("kind", "name", "code", "told"), NAMES)
def test_a_name_that_cannot_be_is_refused(administrator: Person, kind: str, name: str, code: int, told: str) -> None:
    said = administrator.roost(kind, "create", name, ok=False)
    assert said.code == code, said.err
    assert told in said.err
    assert kubectl("get", "tenants.roost.dev", "-o", "name").split().count(f"tenant.roost.dev/{name}") == 0


@pytest.mark.parametrize("name", ["a" * 31, "Upper", "under_score", "-first", "dot.ted"])
def test_a_project_name_that_cannot_be_is_refused(member: Person, name: str) -> None:
    said = member.roost("project", "create", "--", name, ok=False)
    assert said.code == 2, said.err
    assert "1 to 30 lower-case letters, digits and hyphens" in said.err
    assert name not in kubectl("-n", f"{member.tenant}-build", "get", "projects.roost.dev", "-o", "name")


def test_a_reserved_environment_is_refused(administrator: Person) -> None:
    said = administrator.roost("tenant", "create", "e2eenvs", "--env", "build", ok=False)
    assert said.code == 2, said.err
    assert "reserved" in said.err
    assert kubectl("get", "tenants.roost.dev", "e2eenvs", "--ignore-not-found") == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "-t", "nosuchtenant", "-e", "dev", "-a", "shop"),
        ("project", "list", "-t", "nosuchtenant"),
        ("project", "create", "thing", "-t", "nosuchtenant"),
        ("deploy", "-t", "nosuchtenant", "-e", "dev", "-a", "shop", "base/x@sha256:" + "0" * 64),
    ],
)
def test_an_unknown_tenant_is_not_found(administrator: Person, arguments: tuple[str, ...]) -> None:
    said = administrator.roost(*arguments, ok=False)
    assert said.code == 3, said.err
    assert "nosuchtenant" in said.err


def test_a_push_to_an_unknown_tenant_is_told(steady: Site) -> None:
    member = steady.person
    url = member.remote(PROJECT).replace(f"/{member.tenant}/", "/nosuchtenant/")
    said = member.git("push", url, "main", cwd=steady.path, ok=False)
    assert said.code != 0
    assert "nosuchtenant" in said.err


def test_an_unknown_environment_and_application_are_not_found(member: Person) -> None:
    for arguments in (("-e", "nosuch", "-a", PROJECT), ("-e", "dev", "-a", "nosuch")):
        said = member.roost("status", *arguments, ok=False)
        assert said.code == 3, said.err
        assert "nosuch" in said.err


IMAGES = [
    ("nonsense", 2, "digest"),
    ("base/python:3.13", 2, "digest"),
    ("registry.example.org/some/thing@sha256:" + "0" * 63, 2, "sha256"),
    ("UPPER/case@sha256:" + "0" * 64, 2, "image"),
    ("registry.roost-system.svc:5000/demo/other@sha256:" + "0" * 64, None, "image"),
    ("registry.roost-system.svc:5000/base/python@sha256:" + "0" * 64, None, "image"),
]


@pytest.mark.parametrize(("image", "code", "told"), IMAGES)
def test_a_wrong_image_is_refused_and_the_old_one_runs(steady: Site, image: str, code: int | None, told: str) -> None:
    before = steady.person.roost("app", "show", PROJECT, "-o", "json").json()["spec"]
    said = steady.person.roost("deploy", image, "-a", PROJECT, "--timeout", "90", ok=False)
    assert said.code == code if code is not None else said.code not in (0, 2), (said.code, said.err)
    assert told in said.err.lower() + said.out.lower()
    if code is not None:
        assert steady.person.roost("app", "show", PROJECT, "-o", "json").json()["spec"] == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("FORM base/python:3.13\n", "FROM base/debian"),
        ("FROM base/python:3.13\nCOPY nothing-here /srv/\n", "nothing-here"),
        ("FROM base/python:9.9\n", "base/python"),
        ("", "Containerfile"),
    ],
)
def test_a_broken_containerfile_is_told_with_its_words(steady: Site, text: str, told: str) -> None:
    before = len(steady.releases())
    refused(steady.push({"Containerfile": text}, "A broken Containerfile."), told)
    assert len(steady.releases()) == before


def test_a_build_does_not_reach_the_api_past_the_gateway(steady: Site) -> None:
    """The API believes what the gateway says of a caller's address, so nobody else may say it."""
    probe = (
        "import socket\n"
        "try:\n    socket.create_connection(('registry.roost-system.svc', 5000), 5)\n"
        "except OSError as error:\n    raise SystemExit(f'the registry is closed: {error}')\n"
        "try:\n    socket.create_connection(('roost-api.roost-system.svc', 80), 3)\n"
        "except OSError:\n    raise SystemExit('the API is closed')\n"
    )
    text = "FROM base/python:3.13\nCOPY probe.py /probe.py\nRUN python3 /probe.py\n"
    refused(steady.push({"Containerfile": text, "probe.py": probe}, "A build that looks around."), "the API is closed")


def test_an_empty_repository_is_told(member: Person, tmp_path: Path) -> None:
    member.roost("project", "create", "hollow")
    path = tmp_path / "hollow"
    path.mkdir()
    member.git("init", "--quiet", "--initial-branch=main", cwd=path)
    nothing = member.git("push", member.remote("hollow"), "main", cwd=path, ok=False)
    assert nothing.code != 0
    member.git("commit", "--quiet", "--allow-empty", "--message", "Nothing.", cwd=path)
    refused(member.git("push", member.remote("hollow"), "main", cwd=path, ok=False), "no files here")
    assert get(f"http://hollow-dev.{member.tenant}.roost.localhost/").status == 404
    assert kubectl("-n", f"{member.tenant}-dev", "get", "apps.roost.dev", "hollow", "--ignore-not-found") == ""


def test_pushing_what_is_there_and_another_branch_change_nothing(steady: Site) -> None:
    before = len(steady.releases())
    again = steady.person.git("push", steady.person.remote(PROJECT), "main", cwd=steady.path)
    assert "up-to-date" in again.err
    other = steady.person.git("push", steady.person.remote(PROJECT), "HEAD:side", cwd=steady.path)
    assert "main" in other.err
    assert len(steady.releases()) == before


def test_a_build_that_hangs_ends_in_time(steady: Site) -> None:
    steady.set_build(timeoutS=15)
    try:
        text = "FROM base/python:3.13\nRUN sleep 600\n"
        refused(steady.push({"Containerfile": text}, "A build that hangs."), "15 s", "timeoutS")
    finally:
        steady.set_build(timeoutS=1800)


def test_a_program_that_crashes_is_told_with_its_last_words(steady: Site) -> None:
    refused(steady.push({"app.py": "raise SystemExit('no such luck')\n"}, "A crash."), "no such luck", "exit code 1")


def test_a_port_that_never_opens_is_told(steady: Site) -> None:
    space = f"{steady.person.tenant}-dev"
    processes = kubectl_json("-n", space, "get", "apps.roost.dev", PROJECT)["spec"]["processes"]
    processes[0]["health"] = {"startS": 5}
    patch = json.dumps({"spec": {"processes": processes}})
    kubectl("-n", space, "patch", "apps.roost.dev", PROJECT, "--type=merge", "-p", patch)
    program = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nsignal.pause()\n"
    refused(steady.push({"app.py": program}, "A port that never opens."), "port 8080", "$PORT")


def test_a_quota_that_is_too_small_is_told(administrator: Person, member: Person, tmp_path: Path) -> None:
    for memory in ("nonsense", "-1Gi"):
        said = administrator.roost("tenant", "create", "e2esmall", "--memory", memory, ok=False)
        assert said.code == 2, (memory, said.code, said.err)
        assert kubectl("get", "tenants.roost.dev", "e2esmall", "--ignore-not-found") == ""
    with made_tenant(administrator, "e2esmall", ("dev",)):
        patch = json.dumps([{"op": "add", "path": "/spec/environments/0/quota", "value": {"memory": "64Mi"}}])
        kubectl("patch", "tenants.roost.dev", "e2esmall", "--type=json", "-p", patch)
        administrator.roost("tenant", "member", "add", "e2esmall", member.name, "--role", "developer")
        guest = Person(member.name, member.password, member.home, member.ca, "e2esmall")
        until(
            lambda: guest.roost("project", "create", "wide", "-t", "e2esmall", ok=False).code == 0, "a project is made"
        )
        path = repository(guest, tmp_path / "wide", GOOD)
        refused(guest.git("push", guest.remote("wide"), "main", cwd=path, ok=False), "quota", "64Mi")


@pytest.mark.full
def test_a_build_that_fills_its_disk_ends_and_the_next_one_is_built(steady: Site) -> None:
    text = "FROM base/python:3.13\nRUN fallocate -l 24G /fill && sleep 120\n"
    refused(steady.push({"Containerfile": text}, "A build that fills its disk."), "disk")
    mended = steady.push({"mended.txt": "yes\n"}, "Mended.")
    assert mended.code == 0, mended.err


@pytest.mark.full
def test_a_push_that_is_too_large_is_refused(steady: Site) -> None:
    big = steady.path / "big.bin"
    with open("/dev/urandom", "rb") as source, big.open("wb") as file:
        for _ in range(520):
            file.write(source.read(1 << 20))
    refused(steady.push({}, "Too large."), "512 MiB")
    steady.person.git("reset", "--quiet", "--hard", "HEAD~1", cwd=steady.path)
