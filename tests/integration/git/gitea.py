"""A real Gitea, compiled from its Go module, for the tests of forges.

The program stands in `~/.cache/roost-tests/gitea-<key>` beside the folders that it reads; making it takes minutes once.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from roost.node import engine_toolchain
from tests.integration.git.sources import free_port, running

VERSION: Final = "v1.25.2"
TAGS: Final = "sqlite sqlite_unlock_notify"
FOLDERS: Final = ("templates", "options", "public")
CACHE: Final = Path(os.environ.get("ROOST_TEST_CACHE", str(Path.home() / ".cache/roost-tests")))


def built() -> Path:
    """The folder with `gitea` and what it reads; compiled where it is not there."""
    go = engine_toolchain.find(Path("/"))
    key = hashlib.sha256(f"{VERSION} {TAGS} {go.version}".encode()).hexdigest()[:12]
    folder = CACHE / f"gitea-{key}"
    if (folder / "gitea").exists():
        return folder
    asked = subprocess.run(
        [go.program, "mod", "download", "-json", f"code.gitea.io/gitea@{VERSION}"],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    source = Path(json.loads(asked.stdout)["Dir"])
    making = CACHE / f".making-{key}-{secrets.token_hex(4)}"
    making.mkdir(parents=True)
    for name in FOLDERS:
        shutil.copytree(source / name, making / name, copy_function=shutil.copyfile)
    command = [go.program, "build", "-mod=readonly", "-tags", TAGS, "-o", str(making / "gitea"), "."]
    subprocess.run(command, cwd=source, check=True, env={**os.environ, "CGO_ENABLED": "1"})
    shutil.rmtree(folder, ignore_errors=True)
    making.rename(folder)
    return folder


_SETTINGS: Final = """\
RUN_MODE = prod
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
WORK_PATH = {folder}
[server]
HTTP_ADDR = {host}
HTTP_PORT = {port}
ROOT_URL = http://{host}:{port}/
STATIC_ROOT_PATH = {program}
DISABLE_SSH = true
OFFLINE_MODE = true
[database]
DB_TYPE = sqlite3
PATH = {folder}/gitea.db
[security]
INSTALL_LOCK = true
SECRET_KEY = {secret}
INTERNAL_TOKEN = {internal}
[webhook]
ALLOWED_HOST_LIST = *
[repository]
ROOT = {folder}/repositories
[log]
LEVEL = error
MODE = console
"""


@dataclass(frozen=True)
class Gitea:
    """One that runs, with the owner of everything and a stranger."""

    address: str
    tokens: dict[str, str]

    def call(self, method: str, path: str, body: Any = None, who: str = "mei") -> Any:
        """One exchange with its API as that person; the test fails where it is refused."""
        headers = {"Authorization": f"token {self.tokens[who]}"}
        url = f"{self.address}/api/v1{path}"
        answer = httpx2.request(method, url, json=body, headers=headers, trust_env=False, timeout=60)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json() if answer.content else None


@contextlib.contextmanager
def gitea(folder: Path) -> Iterator[Gitea]:
    """A fresh one on this machine with the people mei and mallory."""
    port = free_port()
    command, made = prepared(folder, "127.0.0.1", port)
    with running(command, port):
        yield made


def prepared(folder: Path, host: str, port: int) -> tuple[list[str], Gitea]:
    """(the command that starts it, what it is once it listens): its database and its people are made."""
    folder.mkdir()
    program = built()
    settings = folder / "app.ini"
    words = _SETTINGS.format(
        folder=folder,
        host=host,
        port=port,
        program=program,
        secret=secrets.token_hex(32),
        internal=_internal(program),
    )
    settings.write_text(words)
    base = [str(program / "gitea"), "--config", str(settings), "--work-path", str(folder)]

    def admin(*arguments: str) -> str:
        done = subprocess.run([*base, *arguments], capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout.strip()

    admin("migrate")
    tokens = {}
    for name in ("mei", "mallory"):
        user = ["admin", "user", "create", "--username", name, "--password", secrets.token_hex(8)]
        admin(*user, "--email", f"{name}@example.org", "--must-change-password=false")
        token = ["admin", "user", "generate-access-token", "--username", name, "--scopes", "all", "--raw"]
        tokens[name] = admin(*token).splitlines()[-1]
    return [*base, "web"], Gitea(f"http://{host}:{port}", tokens)


def _internal(program: Path) -> str:
    command = [str(program / "gitea"), "generate", "secret", "INTERNAL_TOKEN"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
