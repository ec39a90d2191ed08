"""Git through the API: who may, what passes on, and what an early answer or a broken server becomes."""

import asyncio
import base64
import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from roost.gitserver.app import GitServer
from roost.gitserver.ledger import Ledger
from roost.gitserver.repositories import Repositories
from roost.kernel.clock import SystemClock
from roost.settings import Settings
from tests.integration.api.conftest import GIT_SECRET, Running, Team
from tests.integration.git.conftest import StandIn

pytestmark = pytest.mark.integration


@dataclass
class Upstream:
    """A stand-in of the git server that does what `how` says."""

    how: str = "echo"
    url: str = ""
    seen: list[dict[str, Any]] = field(default_factory=list)
    received: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {key.decode(): value.decode() for key, value in scope["headers"]}
        self.seen.append({"path": scope["path"], "query": scope["query_string"].decode(), "headers": headers})
        if self.how == "refuse":
            await receive()
            await self._answer(send, 413, b"The pack is larger than 512 MiB.\n")
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            self.received += len(message.get("body", b""))
            body += message.get("body", b"")[:100]
            if not message.get("more_body"):
                break
        if self.how == "talk":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"x-roost-shared", b"leak")]})
            for number in range(3):
                await send({"type": "http.response.body", "body": f"step {number}\n".encode(), "more_body": True})
                await asyncio.sleep(0.3)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await self._answer(send, 200, b"you said " + body)

    async def _answer(self, send: Any, status: int, body: bytes) -> None:
        headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _serving(app: Any) -> AsyncIterator[str]:
    config = uvicorn.Config(app, host="127.0.0.1", port=0, http="h11", ws="none", lifespan="off", log_config=None)
    config.timeout_graceful_shutdown = 2
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A running stand-in."""
    made = Upstream()
    async for url in _serving(made):
        made.url = url
        yield made


@pytest.fixture
def settings(upstream: Upstream) -> Settings:
    """The API passes git on to the stand-in."""
    return replace(Settings(), git_url=upstream.url)


async def _project(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    made = await http.post(team.of("projects"), json={"metadata": {"name": "site"}})
    assert made.status_code == 201, made.text


async def _git(api: Running, person: str, **headers: str) -> httpx2.AsyncClient:
    basic = base64.b64encode(f"{person}:{await api.token(person)}".encode()).decode()
    return api.client(Authorization=f"Basic {basic}", **headers)


async def test_who_may_fetch_and_push(api: Running, team: Team, other: Team, upstream: Upstream) -> None:
    await _project(api, team)
    refs = f"/{team.name}/site.git/info/refs"
    anonymous = await api.client().get(refs, params={"service": "git-upload-pack"})
    assert anonymous.status_code == 401
    assert anonymous.headers["www-authenticate"].startswith('Basic realm="Roost"')
    assert anonymous.headers["content-type"].startswith("text/plain")
    for person, service, status in (
        (team.person("owner"), "git-receive-pack", 200),
        (team.person("developer"), "git-receive-pack", 200),
        (team.person("viewer"), "git-upload-pack", 200),
        (team.person("viewer"), "git-receive-pack", 403),
        (team.person("approver"), "git-upload-pack", 200),
        (team.person("approver"), "git-receive-pack", 403),
        (other.person("owner"), "git-upload-pack", 404),
    ):
        http = await _git(api, person)
        answer = await http.get(refs, params={"service": service})
        assert answer.status_code == status, f"{person} {service}: {answer.status_code} {answer.text}"
        assert (await http.post(f"/{team.name}/site.git/{service}", content=b"0000")).status_code == status
    assert len(upstream.seen) == 8, "A refusal must not reach the git server."


async def test_a_project_that_is_not_there_is_told_with_what_to_do(api: Running, team: Team) -> None:
    http = await _git(api, team.person("developer"))
    answer = await http.get(f"/{team.name}/nosuch.git/info/refs", params={"service": "git-receive-pack"})
    assert answer.status_code == 404
    assert f"roost project create nosuch -t {team.name}" in answer.text


async def test_only_what_is_allowed_passes_on(api: Running, team: Team, other: Team, upstream: Upstream) -> None:
    await _project(api, team)
    forged = {
        "X-Roost-Person": other.person("owner"),
        "X-Roost-Tenant": other.name,
        "X-Roost-Shared": "guess",
        "Cookie": "a=b",
        "X-Forwarded-Host": "evil",
        "Git-Protocol": "version=2",
    }
    http = await _git(api, team.person("developer"), **forged)
    content = {"Content-Type": "application/x-git-receive-pack-request"}
    answer = await http.post(f"/{team.name}/site.git/git-receive-pack", content=b"hello", headers=content)
    assert answer.text == "you said hello"
    headers = upstream.seen[-1]["headers"]
    assert headers["x-roost-person"] == team.person("developer")
    assert headers["x-roost-tenant"] == team.name
    assert headers["x-roost-project"] == "site"
    assert headers["x-roost-shared"] == GIT_SECRET
    assert headers["x-roost-request-id"] == answer.headers["x-request-id"]
    assert headers["git-protocol"] == "version=2"
    assert headers["content-type"] == content["Content-Type"]
    assert not {"cookie", "authorization", "x-forwarded-host", "user-agent"} & set(headers)
    for path in ("HEAD", "objects/info/packs", "config", "hooks/post-receive", "..%2f..%2fv1/me"):
        assert (await http.get(f"/{team.name}/site.git/{path}")).status_code == 404
    assert (await http.get(f"/{team.name}/site.git/info/refs")).status_code == 403
    lfs = await http.post(f"/{team.name}/site.git/info/lfs/objects/batch", content=b"{}")
    assert lfs.status_code == 501 and "LFS" in lfs.json()["message"]


async def test_an_answer_streams_as_it_comes(api: Running, team: Team, upstream: Upstream) -> None:
    await _project(api, team)
    upstream.how = "talk"
    http = await _git(api, team.person("developer"))
    loop = asyncio.get_running_loop()
    times = []
    async with http.stream("POST", f"/{team.name}/site.git/git-receive-pack", content=b"x") as answer:
        assert "x-roost-shared" not in answer.headers
        async for _ in answer.aiter_raw():
            times.append(loop.time())
    assert times[-1] - times[0] > 0.4


async def _slow_body(sent: list[int]) -> AsyncIterator[bytes]:
    for _ in range(400):
        yield b"x" * 65536
        sent.append(65536)
        await asyncio.sleep(0.005)


async def test_a_large_push_passes_without_being_held(api: Running, team: Team, upstream: Upstream) -> None:
    await _project(api, team)
    http = await _git(api, team.person("developer"))
    sent: list[int] = []
    answer = await http.post(f"/{team.name}/site.git/git-receive-pack", content=_slow_body(sent))
    assert answer.status_code == 200
    assert upstream.received == sum(sent) == 400 * 65536


async def test_a_refusal_while_the_client_still_sends_arrives(api: Running, team: Team, upstream: Upstream) -> None:
    await _project(api, team)
    upstream.how = "refuse"
    token = await api.token(team.person("developer"))
    basic = base64.b64encode(f"{team.person('developer')}:{token}".encode()).decode()
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /{team.name}/site.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {basic}\r\n"
        "Content-Length: 100000000\r\n\r\n"
    )
    writer.write(head.encode() + b"x" * 1000)
    async with asyncio.timeout(10):
        # Nothing more is sent, and the answer comes all the same.
        answer = await reader.readuntil(b"MiB.\n")
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413")


async def test_a_git_server_that_is_away_is_told(api: Running, team: Team, upstream: Upstream) -> None:
    await _project(api, team)
    object.__setattr__(api.settings, "git_url", "http://127.0.0.1:9")
    http = await _git(api, team.person("developer"))
    answer = await http.get(f"/{team.name}/site.git/info/refs", params={"service": "git-receive-pack"})
    assert (answer.status_code, "try again" in answer.text) == (503, True)


async def test_real_git_pushes_through_the_api_to_the_real_git_server(api: Running, team: Team, tmp_path: Path) -> None:
    await _project(api, team)
    repositories = Repositories(tmp_path / "repositories", 100, 100)
    repositories.prepare()
    cluster: Any = StandIn()
    ledger = Ledger(repositories, cluster, SystemClock())
    server = GitServer(repositories, ledger, cluster, GIT_SECRET, SystemClock())
    async for url in _serving(server):
        object.__setattr__(api.settings, "git_url", url)
        work = tmp_path / "work"
        person = team.person("developer")
        remote = api.url.replace("http://", f"http://{person}:{await api.token(person)}@")

        def git(*arguments: str, work: Path = work) -> subprocess.CompletedProcess[str]:
            environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
            identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
            command = ["git", "-C", str(work), *identity, *arguments]
            return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)

        work.mkdir()
        git("init", "-b", "main")
        (work / "file").write_text("hello")
        git("add", ".")
        git("commit", "-m", "first")
        pushed = await asyncio.to_thread(git, "push", f"{remote}/{team.name}/site.git", "main")
        assert pushed.returncode == 0, pushed.stderr
        assert "Detected Python" in pushed.stderr
        cloned = await asyncio.to_thread(git, "clone", f"{remote}/{team.name}/site.git", "clone")
        assert cloned.returncode == 0, cloned.stderr
        assert (work / "clone" / "file").read_text() == "hello"
        nowhere = await asyncio.to_thread(git, "push", f"{remote}/{team.name}/nosuch.git", "main")
        assert nowhere.returncode != 0 and "roost project create nosuch" in nowhere.stderr
