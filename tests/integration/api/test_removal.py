"""Whoever is taken out of a tenant: new requests are refused, open streams are cut. With the controller and real RBAC.

Watches and logs go through the real kube-apiserver; logs on to a kubelet of ours, exec to the stand-in of `test_exec`.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from roost.kube.client import Client
from roost.model.kinds.tenant import Environment, Member, Tenant, TenantSpec
from roost.node import pki
from tests.attack.table import POD, changed
from tests.integration.api.conftest import Running, Team, app_body, ensure, make_person
from tests.integration.api.test_exec import _connect, kubelet
from tests.integration.apiserver import ApiServer
from tests.integration.capabilities.conftest import Cluster, controlling
from tests.integration.conftest import Eventually

pytestmark = [pytest.mark.integration, pytest.mark.full]
PROMISED_S = 60.0
GOODBYE_S = 0.3  # Last of all: connections say good-bye in the loop's next rounds.
PLACES = ("roost.api.watching", "roost.api.logstream", "roost.api.joining")
__all__ = ["kubelet"]


async def _logs(scope: Any, receive: Any, send: Any) -> None:
    """A kubelet that has a line of log every now and then, for ever."""
    assert scope["path"].startswith("/containerLogs/"), scope["path"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    gone = asyncio.ensure_future(receive())
    await gone
    gone = asyncio.ensure_future(receive())
    with suppress(OSError):
        while not gone.done():
            line = f"{datetime.now(UTC).isoformat().replace('+00:00', '000Z')} a line\n"
            await send({"type": "http.response.body", "body": line.encode(), "more_body": True})
            await asyncio.wait([gone], timeout=0.2)


@pytest.fixture
async def node(client: Client, tmp_path: Path) -> AsyncIterator[str]:
    """The name of a node whose kubelet is `_logs`."""
    now = datetime.now(UTC)
    pair = pki.leaf(pki.authority("of a node", now), "kubelet", ["127.0.0.1"], now)
    (tmp_path / "kubelet.crt").write_text(pair.certificate)
    (tmp_path / "kubelet.key").write_text(pair.key)
    config = uvicorn.Config(
        _logs,
        host="127.0.0.1",
        port=0,
        lifespan="off",
        log_config=None,
        ssl_certfile=tmp_path / "kubelet.crt",
        ssl_keyfile=tmp_path / "kubelet.key",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), serving.exception()
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    name = f"n{secrets.token_hex(4)}"
    made = await client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    await client.patch(made, {"status": status}, "tests", "status")
    yield name
    await client.delete(made)
    server.should_exit = True
    await serving


@pytest.fixture
async def cluster(apiserver: ApiServer, api: Running) -> AsyncIterator[Cluster]:
    """The controller sees to tenants. `api` installs the rights that it has."""
    async with controlling(apiserver, ("tenant",)) as made:
        yield made


@pytest.fixture
async def acme(cluster: Cluster, api: Running, node: str, eventually: Eventually) -> Team:
    """A tenant with an owner and two developers, an app, and an instance of it; the controller made the rest."""
    team = Team(f"t{secrets.token_hex(4)}")
    for role in ("owner", "developer", "stays"):
        await make_person(api, team.person(role))
    await _members(cluster, team, developer="developer")

    async def ready() -> bool:
        return await cluster.ready("Tenant", team.name) == "True Ready"

    await eventually(ready, timeout_s=90)
    http = await api.as_(team.person("owner"))
    assert (await http.post(team.of("apps"), json=app_body())).status_code == 201
    space = f"{team.name}-dev"
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": space}}
    await ensure(cluster.client, account)
    metadata = {"name": "shop-1", "namespace": space, "labels": {"roost.dev/app": "shop"}}
    await cluster.client.create(changed(POD, metadata=metadata, spec__nodeName=node))
    return team


async def _members(cluster: Cluster, team: Team, developer: Any) -> None:
    """The tenant as it is to be; `developer`: that person's role, or None."""
    members = [Member(person=team.person("owner"), role="owner"), Member(person=team.person("stays"))]
    if developer:
        members.append(Member(person=team.person("developer"), role=developer))
    spec = TenantSpec(environments=(Environment(name="dev"),), members=tuple(members))
    await cluster.client.apply(Tenant.manifest(team.name, spec), "tests")


class Streams:
    """The three streams of one person; `ended` tells when each was cut, and with what words."""

    def __init__(self) -> None:
        self.pieces = dict.fromkeys(("watch", "logs", "exec"), 0)
        self.last = dict.fromkeys(self.pieces, "")
        self.ended: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, api: Running, team: Team, role: str, stack: AsyncExitStack) -> "Streams":
        http = await api.as_(team.person(role))
        watch = await stack.enter_async_context(http.stream("GET", team.of("apps"), params={"watch": "true"}))
        path = f"{team.of('apps')}/shop/logs"
        logs = await stack.enter_async_context(http.stream("GET", path, params={"follow": "true"}))
        assert (watch.status_code, logs.status_code) == (200, 200)
        shell = await stack.enter_async_context(await _connect(api, team, role, "instance=shop-1&command=sh"))
        works = (("watch", self._read(watch)), ("logs", self._read(logs)), ("exec", self._talk(shell)))
        for name, work in works:
            self._tasks.append(asyncio.ensure_future(self._follow(name, work)))
        stack.push_async_callback(self._stop)
        return self

    async def _follow(self, name: str, work: AsyncIterator[str]) -> None:
        async for text in work:
            self.pieces[name] += 1
            self.last[name] = text
        self.ended.add(name)

    @staticmethod
    async def _read(answer: httpx2.Response) -> AsyncIterator[str]:
        async for line in answer.aiter_lines():
            if line.strip():
                yield line

    @staticmethod
    async def _talk(shell: ClientConnection) -> AsyncIterator[str]:
        try:
            while True:
                await shell.send(b"\x00still here?")
                yield str(await shell.recv())
                await asyncio.sleep(0.2)
        except ConnectionClosed:
            with suppress(ConnectionClosed):
                while True:  # What was said before the end.
                    yield str(await shell.recv())

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    def flow(self) -> Callable[[], bool]:
        """Whether every stream brings more than it has brought up to now."""
        before = dict(self.pieces)
        return lambda: all(self.pieces[name] > before[name] for name in before)


async def _take_away(api: Running, team: Team) -> None:
    """As an owner does it."""
    http = await api.as_(team.person("owner"))
    found = (await http.get(f"/v1/tenants/{team.name}")).json()
    members = [item for item in found["spec"]["members"] if item["person"] != team.person("developer")]
    assert len(members) == len(found["spec"]["members"]) - 1
    answer = await http.patch(f"/v1/tenants/{team.name}", json={"spec": {"members": members}})
    assert answer.status_code == 200, answer.text


async def _removed(api: Running, team: Team, eventually: Eventually, within_s: float) -> None:
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.sleep, GOODBYE_S)
        gone = await Streams().open(api, team, "developer", stack)
        stays = await Streams().open(api, team, "stays", stack)
        for streams in (gone, stays):
            await eventually(lambda streams=streams: min(streams.pieces.values()) > 0, timeout_s=60)
        http = await api.as_(team.person("developer"))
        assert (await http.get(team.of("apps"))).status_code == 200

        await _take_away(api, team)

        async def refused() -> bool:
            return (await http.get(team.of("apps"))).status_code == 404

        await eventually(refused, timeout_s=within_s)
        await eventually(lambda: gone.ended == {"watch", "logs", "exec"}, timeout_s=within_s)
        # The controller may have taken the role away before the API looked at who is a member, or after.
        for name in gone.ended:
            told = ("not-found", "forbidden", "There is no tenant", "Your role")
            assert any(words in gone.last[name] for words in told), (name, gone.last[name])
        for path in ("", "/shop", "/shop/logs", "/shop/logs?follow=true"):
            assert (await http.get(f"{team.of('apps')}{path}")).status_code == 404
        assert (await http.get(f"/v1/tenants/{team.name}")).status_code == 404
        with pytest.raises(InvalidStatus) as refusal:
            await _connect(api, team, "developer", "instance=shop-1&command=sh")
        assert refusal.value.response.status_code == 404
        # The twin: nothing of somebody else's was cut.
        assert not stays.ended
        await eventually(stays.flow(), timeout_s=30)


async def test_whoever_is_taken_out_is_refused_and_cut_off(
    api: Running, acme: Team, kubelet: None, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in PLACES:
        monkeypatch.setattr(f"{place}.RECHECK_S", 1.0)
    await _removed(api, acme, eventually, PROMISED_S)


async def test_it_happens_within_the_minute_that_is_promised(
    api: Running, acme: Team, kubelet: None, eventually: Eventually
) -> None:
    await _removed(api, acme, eventually, PROMISED_S)


async def test_whoever_may_only_look_from_now_on_loses_the_shell_and_keeps_the_rest(
    api: Running,
    acme: Team,
    cluster: Cluster,
    kubelet: None,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for place in PLACES:
        monkeypatch.setattr(f"{place}.RECHECK_S", 1.0)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.sleep, GOODBYE_S)
        streams = await Streams().open(api, acme, "developer", stack)
        await eventually(lambda: min(streams.pieces.values()) > 0, timeout_s=60)
        await _members(cluster, acme, developer="viewer")
        await eventually(lambda: "exec" in streams.ended, timeout_s=PROMISED_S)
        assert "Your role here no longer allows this" in streams.last["exec"]
        before = streams.pieces["logs"]
        await eventually(lambda: streams.pieces["logs"] > before + 10, timeout_s=60)
        assert streams.ended == {"exec"}
