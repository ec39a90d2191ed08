"""What the tests on the embedded cluster share: the command line as a person has it, kubectl, HTTP at the gateway.

The cluster is brought up by `make up` (the runner's part `cluster`). Every test module works in tenants of its own,
made here and removed at the end; what a killed run left is removed at the start.
"""

import contextlib
import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
KUBECONFIG = "/etc/kubernetes/admin.conf"
DOMAIN = "roost.localhost"
SERVER = f"https://api.{DOMAIN}"
PREFIX = os.environ.get("ROOST_TEST_PREFIX", "e2e")
PASSWORD = Path("/run/roost/test-password")  # Readable by root, gone with the cluster.


def kubectl(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
    """What kubectl printed, as the cluster's administrator; the test fails with its error where it fails."""
    done = subprocess.run(
        ["kubectl", "--kubeconfig", KUBECONFIG, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if check and done.returncode:
        pytest.fail(f"kubectl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def kubectl_json(*arguments: str) -> dict[str, Any]:
    """The object or list that `kubectl ... -o json` gave."""
    loaded: dict[str, Any] = json.loads(kubectl(*arguments, "-o", "json"))
    return loaded


def until(probe: Callable[[], Any], what: str, timeout_s: float = 120, pause_s: float = 0.5) -> Any:
    """The first true value of `probe`; the test fails where none came in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"After {timeout_s:.0f} s still not: {what} (last: {value!r})")
        time.sleep(pause_s)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status, headers in lower case, body as text."""

    status: int
    headers: dict[str, str]
    body: str


def get(url: str, ca: str | None = None, timeout_s: float = 10) -> Answer:
    """GET `url` at the gateway of this machine, by curl; status 0 where no answer came."""
    command = ["curl", "--silent", "--show-error", "--include", "--max-time", str(timeout_s)]
    done = subprocess.run([*command, *(["--cacert", ca] if ca else []), url], capture_output=True, check=False)
    head, _, body = done.stdout.decode().partition("\r\n\r\n")
    first, *rest = head.split("\r\n")
    if not first.startswith("HTTP/"):
        return Answer(0, {}, done.stderr.decode())
    pairs = (line.partition(": ") for line in rest)
    return Answer(int(first.split()[1]), {name.lower(): value for name, _, value in pairs}, body)


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The data on stdout."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Person:
    """Somebody at a terminal: a home of their own, signed in."""

    name: str
    password: str
    home: Path
    ca: str
    tenant: str = ""
    environment: str = "dev"
    extra: dict[str, str] = field(default_factory=dict)

    def environ(self) -> dict[str, str]:
        """The variables of their shell."""
        kept = {key: os.environ[key] for key in ("PATH", "TERM", "LANG") if key in os.environ}
        return kept | {"HOME": str(self.home), "ROOST_LANG": "en", "GIT_SSL_CAINFO": self.ca} | self.extra

    def roost(self, *arguments: str, stdin: str = "", ok: bool = True, timeout_s: float = 600) -> Result:
        """`roost ARGUMENTS` in their shell. With `ok` the test fails where the command does."""
        done = subprocess.run(
            [str(ROOT / ".venv/bin/roost"), *arguments],
            input=stdin,
            env=self.environ(),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        if ok and done.returncode:
            pytest.fail(f"roost {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return Result(done.returncode, done.stdout, done.stderr)

    def git(self, *arguments: str, cwd: Path, ok: bool = True, timeout_s: float = 900) -> Result:
        """`git ARGUMENTS` in `cwd`, never asking at a terminal."""
        done = subprocess.run(
            ["git", "-c", "user.name=Tester", "-c", "user.email=tester@example.org", *arguments],
            env=self.environ() | {"GIT_TERMINAL_PROMPT": "0"},
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        if ok and done.returncode:
            pytest.fail(f"git {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return Result(done.returncode, done.stdout, done.stderr)

    def remote(self, project: str) -> str:
        """The URL that they push a project to, with their credentials."""
        return f"https://{self.name}:{self.password}@api.{DOMAIN}/{self.tenant}/{project}.git"


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of the platform's own CA certificate."""
    path = tmp_path_factory.mktemp("ca") / "ca.crt"
    trust = kubectl_json("-n", "roost-system", "get", "configmap", "roost-trust")
    path.write_text(trust["data"]["ca.crt"])
    ssl.create_default_context(cafile=str(path))
    return str(path)


@pytest.fixture(scope="session")
def administrator(tmp_path_factory: pytest.TempPathFactory, ca: str) -> Person:
    """The local administrator, with a password that root on the machine may set.

    It is kept for the next run, so that two runs on one machine do not sign each other out.
    """

    def signed_in(password: str) -> Person | None:
        person = Person("admin", password, tmp_path_factory.mktemp("admin"), ca)
        words = ("login", SERVER, "--ca", ca, "--name", "admin", "--password-stdin")
        return None if person.roost(*words, stdin=password + "\n", ok=False).code else person

    known = PASSWORD.read_text() if PASSWORD.exists() else ""
    if known and (person := signed_in(known)):
        return person
    command = [str(ROOT / ".venv/bin/python"), "-m", "roost.node.commands", "password"]
    fresh = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.strip()
    PASSWORD.touch(mode=0o600)
    PASSWORD.write_text(fresh)
    person = signed_in(fresh)
    assert person is not None, "the administrator cannot sign in with a new password"
    return person


@contextlib.contextmanager
def made_tenant(admin: Person, name: str, environments: tuple[str, ...] = ("dev", "prod")) -> Iterator[str]:
    """A tenant that is ready, and gone afterwards; one that a killed run left goes first."""

    def remove() -> None:
        kubectl("delete", "tenants.roost.dev", name, "--ignore-not-found", "--wait=true", "--timeout=180s")

    remove()
    admin.roost("tenant", "create", name, *(word for item in environments for word in ("--env", item)))
    try:
        yield name
    finally:
        remove()


@contextlib.contextmanager
def made_person(admin: Person, name: str, tenant: str, role: str, home: Path) -> Iterator[Person]:
    """A member of the tenant, signed in, and gone afterwards."""
    admin.roost("user", "delete", name, "--confirm", name, ok=False)
    password = admin.roost("user", "create", name).out.strip()
    admin.roost("tenant", "member", "add", tenant, name, "--role", role)
    person = Person(name, password, home, admin.ca, tenant, extra={"ROOST_TENANT": tenant, "ROOST_ENV": "dev"})
    person.roost("login", SERVER, "--ca", person.ca, "--name", name, "--password-stdin", stdin=password + "\n")
    try:
        yield person
    finally:
        admin.roost("user", "delete", name, "--confirm", name, ok=False)


@pytest.fixture(scope="module")
def member(
    request: pytest.FixtureRequest, administrator: Person, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Person]:
    """A developer of a tenant of the module's own, signed in."""
    tenant = f"{PREFIX}{request.module.__name__.rpartition('test_')[2].replace('_', '')}"[:20]
    with (
        made_tenant(administrator, tenant),
        made_person(administrator, f"{tenant}-dev", tenant, "developer", tmp_path_factory.mktemp("home")) as person,
    ):
        yield person


def repository(person: Person, path: Path, files: dict[str, str]) -> Path:
    """A git repository at `path` with one commit of `files` on main."""
    path.mkdir(parents=True)
    person.git("init", "--quiet", "--initial-branch=main", cwd=path)
    commit(person, path, files, "First version.")
    return path


def commit(person: Person, path: Path, files: dict[str, str], message: str) -> None:
    """Write `files` and commit them."""
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    person.git("add", "--all", cwd=path)
    person.git("commit", "--quiet", "--message", message, cwd=path)


def small_app(tenant: str, name: str) -> None:
    """An App that asks for little, made before the first push: a machine with two cores has room for many of them."""
    web = {"name": "web", "port": 8080, "resources": {"cpu": "10m", "memory": "64Mi"}, "health": {"path": "/"}}
    body = {
        "apiVersion": "roost.dev/v1alpha1",
        "kind": "App",
        "metadata": {"name": name, "namespace": f"{tenant}-dev"},
        "spec": {"processes": [web]},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(body))


def can_connect(host: str, port: int) -> bool:
    """Whether a TCP connection from this machine opens within two seconds."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=2):
        return True
    return False
