"""A real git server on the loopback interface for a real git client; Kubernetes is a stand-in of the same methods."""

import asyncio
import contextlib
import os
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from roost.gitserver.app import GitServer
from roost.gitserver.cluster import Cluster, KubeCluster
from roost.gitserver.ledger import Ledger
from roost.gitserver.repositories import Name, Repositories
from roost.kernel.clock import SystemClock
from roost.kube.client import Client
from roost.kube.errors import Unreachable
from roost.model.kinds.app import App, Release
from roost.model.kinds.delivery import Project, Promotion, Run
from roost.model.kinds.forge import Preview

SECRET = "a shared secret of the tests"
IMAGE = "registry.roost-system.svc:5000/acme/hello@sha256:" + "0" * 64


@dataclass
class StandIn:
    """A cluster in which every run ends as `ends` says: Live, Failed (the build), Refused, Held, AwaitingApproval,
    NotStarting."""

    ends: str = "Live"
    down: int = 0  # So many calls fail first.
    lines: tuple[str, ...] = ("-----> Detected Python 3.13", "\x1b[31mred")
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    creations: int = 0
    branch: str = "main"
    uid: str = "uid-1"
    slow_s: float = 0.0
    gone: tuple[str, ...] = ()
    source: str = ""  # Where the projects' code is followed.
    source_type: str = "git"
    looked: list[dict[str, Any]] = field(default_factory=list)
    opened: dict[str, dict[str, Any]] = field(default_factory=dict)  # Previews by name.
    more: dict[str, Any] = field(default_factory=dict)  # Of the projects' spec.

    def _call(self) -> None:
        if self.down:
            self.down -= 1
            raise Unreachable("connection refused")

    async def project(self, name: Name) -> Project | None:
        if name.project in ("missing", *self.gone):
            return None
        return Project.parse({"metadata": {"name": name.project, "uid": self.uid}, "spec": self._spec()})

    async def create_run(self, tenant: str, manifest: dict[str, Any]) -> None:
        self._call()
        self.creations += 1
        self.runs.setdefault(manifest["metadata"]["name"], manifest)

    async def run(self, tenant: str, name: str) -> Run | None:
        self._call()
        manifest = self.runs.get(name)
        if manifest is None:
            return None
        failed = self.ends == "Failed"
        words = "pip could not find flsk: line 3 of requirements.txt"
        status = {
            "phase": "Failed" if failed else "Succeeded",
            "finishedAt": "2026-11-28T12:00:00Z",
            "promotion": None if failed else f"acme-dev/{name}",
            "conditions": [{"type": "Ready", "status": "False", "message": words}] if failed else [],
        }
        return Run.parse({**manifest, "status": status})

    def _spec(self) -> dict[str, Any]:
        source: dict[str, Any] = {"source": {"type": self.source_type, "url": self.source}}
        source = source if self.source or self.source_type == "archive" else {}
        return {"branch": self.branch, **source, **self.more}

    async def looks(self, space: str) -> list[dict[str, Any]]:
        self._call()
        return self.looked

    async def create_look(self, manifest: dict[str, Any]) -> None:
        names = [item["metadata"]["name"] for item in self.looked]
        if manifest["metadata"]["name"] not in names:
            self.looked.append(manifest)

    async def previews(self, space: str, project: str) -> list[Preview]:
        self._call()
        return [Preview.parse(item) for item in self.opened.values() if item["spec"]["project"] == project]

    async def create_preview(self, manifest: dict[str, Any]) -> None:
        self._call()
        self.opened.setdefault(manifest["metadata"]["name"], manifest)

    async def delete_preview(self, preview: Preview) -> None:
        self._call()
        self.opened.pop(preview.metadata.name, None)

    async def promotion(self, space: str, name: str) -> Promotion | None:
        spec = {"app": "hello", "artefact": {"image": IMAGE}}
        held = {"type": "Ready", "status": "False", "reason": "Held", "message": "It pauses: `roost resume`."}
        status: dict[str, Any] = {"phase": "Applied", "release": "hello-v1"}
        if self.ends == "Refused":
            status = {"phase": "Refused"}
        if self.ends == "Held":
            status = {"phase": "Pending", "conditions": [held]}
        if self.ends == "AwaitingApproval":
            asked = held | {"reason": "AwaitingApproval", "message": "0 of 1 approvals: `roost approve`."}
            status = {"phase": "Pending", "conditions": [asked]}
        return Promotion.parse({"metadata": {"name": name}, "spec": spec, "status": status})

    async def release(self, space: str, name: str) -> Release | None:
        spec = {"app": "hello", "number": 1, "content": {}, "digest": "d"}
        status: dict[str, Any] = {"phase": "Live"}
        if self.ends == "NotStarting":
            words = "hello-v1: web ended with exit code 3. It said last: line 9, in <module>\nRuntimeError: broken"
            status = {"phase": "Failed", "conditions": [{"type": "Ready", "status": "False", "message": words}]}
        return Release.parse({"metadata": {"name": name}, "spec": spec, "status": status})

    async def app(self, space: str, name: str) -> App | None:
        ready = {"type": "Ready", "status": "True"}
        url = "http://hello-dev.acme.roost.localhost"
        return App.parse({"metadata": {"name": name}, "status": {"url": url, "conditions": [ready]}})

    async def bring(self, name: Name, run: str, report: str) -> bool:
        return run in self.runs

    async def pods(self, tenant: str, *runs: str) -> list[str]:
        return [f"{run}-pod" for run in runs[:1]]

    async def log(self, tenant: str, pod: str) -> AsyncIterator[str]:
        await asyncio.sleep(self.slow_s)
        for line in self.lines:
            yield line


Real = Callable[[], tuple[Client, type[KubeCluster]]]  # Called in the server's own event loop.


class Server:
    """The git server in a thread; `stop` and `start` again as a process would."""

    def __init__(
        self, root: Path, cluster: Cluster | Real, max_push_mib: int = 4, max_repository_mib: int = 64
    ) -> None:
        self.root = root
        self._cluster = cluster
        self._limits = (max_repository_mib, max_push_mib)
        self.port = 0

    def start(self) -> "Server":
        """Serve on a free port."""
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    async def _serve(self, ready: threading.Event) -> None:
        repositories = Repositories(self.root, *self._limits)
        repositories.prepare()
        async with contextlib.AsyncExitStack() as stack:
            await self._serve_with(await self._connect(stack), repositories, ready)

    async def _connect(self, stack: contextlib.AsyncExitStack) -> Cluster:
        if not callable(self._cluster):
            return self._cluster
        client, kind = self._cluster()
        stack.push_async_callback(client.close)
        return kind(client)

    async def _serve_with(self, cluster: Cluster, repositories: Repositories, ready: threading.Event) -> None:
        ledger = Ledger(repositories, cluster, SystemClock())
        application = self.application = GitServer(repositories, ledger, cluster, SECRET, SystemClock())
        config = uvicorn.Config(
            application, host="127.0.0.1", port=0, http="h11", ws="none", lifespan="off", log_level="warning"
        )
        self._server = uvicorn.Server(config)
        keeping = asyncio.create_task(ledger.keep())
        serving = asyncio.create_task(self._server.serve())
        while not self._server.started:
            await asyncio.sleep(0.01)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        ready.set()
        await serving
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping

    def stop(self) -> None:
        """Stop without grace for open requests."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)

    def url(self, project: str = "hello") -> str:
        """Where that project's repository is."""
        return f"http://127.0.0.1:{self.port}/acme/{project}.git"

    def repository(self, project: str = "hello") -> Path:
        """Where it lies."""
        return self.root / "acme" / f"{project}.git"


@pytest.fixture
def cluster() -> StandIn:
    return StandIn()


@pytest.fixture
def server(tmp_path: Path, cluster: StandIn) -> Iterator[Server]:
    root = tmp_path / "repositories"
    root.mkdir()
    running = Server(root, cluster).start()
    yield running
    running.stop()


@dataclass(frozen=True)
class Done:
    """What a git command did."""

    code: int
    text: str


@dataclass(frozen=True)
class Clone:
    """A working copy of a person who pushes as the API would pass it on."""

    path: Path

    def command(self, *arguments: str, project: str = "hello", person: str = "ada") -> list[str]:
        """The argv of a git command with the API's headers."""
        headers = {"Shared": SECRET, "Tenant": "acme", "Project": project, "Person": person}
        options = [
            part for key, value in headers.items() for part in ("-c", f"http.extraHeader=X-Roost-{key}: {value}")
        ]
        return ["git", *options, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", *arguments]

    def git(self, *arguments: str, project: str = "hello") -> Done:
        """Run it to its end."""
        done = subprocess.run(
            self.command(*arguments, project=project),
            cwd=self.path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
        )
        return Done(done.returncode, done.stdout + done.stderr)

    def commit(self, name: str, content: bytes = b"") -> str:
        """Commit one file; the commit's id."""
        (self.path / name).write_bytes(content or name.encode())
        assert self.git("add", "--all").code == 0
        assert self.git("commit", "--quiet", "--message", f"Add {name}.").code == 0
        return self.git("rev-parse", "HEAD").text.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return make_clone(tmp_path / "clone")


def make_clone(path: Path) -> Clone:
    """An empty working copy on main."""
    path.mkdir()
    made = Clone(path)
    assert made.git("init", "--quiet", "--initial-branch=main").code == 0
    return made


def wait_for(probe: Callable[[], Any], what: str, timeout_s: float = 20.0) -> None:
    """Until `probe` is true."""
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.05)):
        if probe():
            return
        pause.wait(0.05)
    pytest.fail(f"After {timeout_s} s still not: {what}")
