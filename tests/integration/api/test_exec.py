"""A command in an instance, over a WebSocket. kube-apiserver has no node here, so its side of exec is a stand-in."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import yaml
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from roost.kube import channel as channels
from roost.kube.client import Client
from tests.integration.api.conftest import IMAGE, Running, Team, app_body

pytestmark = pytest.mark.integration


async def _kubelet(scope: Any, receive: Any, send: Any) -> None:
    """Echoes what it is sent; ends with exit code 3 when its input ends."""
    query = scope["query_string"].decode()
    assert (await receive())["type"] == "websocket.connect"
    if scope["path"].endswith("/portforward"):
        await _port(scope, receive, send)
        return
    if "command=forbidden" in query:
        body = json.dumps({"kind": "Status", "message": "cannot create resource pods/exec", "reason": "Forbidden"})
        start = {"type": "websocket.http.response.start", "status": 403, "headers": []}
        await send(start)
        await send({"type": "websocket.http.response.body", "body": body.encode()})
        return
    await send({"type": "websocket.accept", "subprotocol": channels.PROTOCOL})
    user = dict(scope["headers"]).get(b"impersonate-user", b"").decode()
    await send({"type": "websocket.send", "bytes": b"\x01" + f"{user} {query}\n".encode()})
    while True:
        message = await receive()
        if message["type"] != "websocket.receive":
            return
        frame = message["bytes"]
        if frame[:1] == b"\xff":
            break
        await send({"type": "websocket.send", "bytes": bytes([1 if frame[0] == 0 else 2]) + frame[1:]})
    status = {"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}}
    await send({"type": "websocket.send", "bytes": b"\x03" + json.dumps(status).encode()})
    await send({"type": "websocket.close"})


async def _port(scope: Any, receive: Any, send: Any) -> None:
    """Echoes what comes; port 81 refuses, as a program does that does not listen."""
    port = int(scope["query_string"].decode().partition("=")[2])
    await send({"type": "websocket.accept", "subprotocol": channels.FORWARD})
    for stream in (b"\x00", b"\x01"):
        await send({"type": "websocket.send", "bytes": stream + port.to_bytes(2, "little")})
    if port == 81:
        await send({"type": "websocket.send", "bytes": b"\x01connection refused"})
    while (message := await receive())["type"] == "websocket.receive":
        if message["bytes"] == b"\x00bye":
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.send", "bytes": message["bytes"]})


@pytest.fixture
async def kubelet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Exec goes to the stand-in, all else to the real kube-apiserver."""
    config = uvicorn.Config(_kubelet, host="127.0.0.1", port=0, lifespan="off", ws="websockets-sansio", log_config=None)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    kubeconfig = tmp_path / "stand-in"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
                "clusters": [{"name": "x", "cluster": {"server": url}}],
                "users": [{"name": "x", "user": {"token": "x"}}],
            }
        )
    )
    stand_in = Client.connect(str(kubeconfig))
    real = channels.connect

    def elsewhere(client: Client, path: str, params: Sequence[tuple[str, str]], *protocol: str) -> Any:
        return real(stand_in.act_as("person:" + client.user.rpartition(":")[2]), path, params, *protocol)

    monkeypatch.setattr("roost.api.joining.channels.connect", elsewhere)
    yield
    await stand_in.close()
    server.should_exit = True
    await task


async def _pod(api: Running, team: Team, name: str, app: str) -> None:
    namespace = f"{team.name}-dev"
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}}
    if await api.admin.get("v1", "ServiceAccount", "default", namespace) is None:
        await api.admin.create(account)
    metadata = {"name": name, "namespace": namespace, "labels": {"roost.dev/app": app}}
    spec = {"containers": [{"name": "web", "image": IMAGE}]}
    await api.admin.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


async def _connect(
    api: Running, team: Team, role: str, query: str, app: str = "shop", what: str = "exec"
) -> ClientConnection:
    url = f"{api.url.replace('http', 'ws', 1)}{team.of('apps')}/{app}/{what}?{query}"
    headers = {"Authorization": f"Bearer {await api.token(team.person(role))}"} if role else {}
    return await connect(url, additional_headers=headers, proxy=None, open_timeout=60)


async def test_a_command_is_joined_in_both_directions_and_tells_its_exit_code(
    api: Running, team: Team, kubelet: None
) -> None:
    http = await api.as_(team.person("developer"))
    await http.post(team.of("apps"), json=app_body())
    await _pod(api, team, "shop-1", "shop")
    async with (
        asyncio.timeout(20),
        await _connect(
            api, team, "developer", "instance=shop-1&command=sh&command=-c&command=a%20b&tty=true"
        ) as socket,
    ):
        first = await socket.recv()
        assert isinstance(first, bytes)
        told = first.decode()
        assert told.startswith(f"\x01system:serviceaccount:roost-people:{team.person('developer')} ")
        assert "command=sh&command=-c&command=a" in told and "container=web" in told and "tty=true" in told
        await socket.send(b"\x00hello")
        assert await socket.recv() == b"\x01hello"
        await socket.send(b'\x04{"Width":80,"Height":24}')
        assert await socket.recv() == b'\x02{"Width":80,"Height":24}'
        for nonsense in (b"", b"\x01x", b"\xff\x00", b"\x09"):
            await socket.send(nonsense)
        await socket.send(b"\x00")
        last = await socket.recv()
        assert isinstance(last, bytes) and last[0] == 3 and b'"message": "3"' in last


async def test_who_may_not_is_told_before_anything_opens(api: Running, team: Team, other: Team, kubelet: None) -> None:
    http = await api.as_(team.person("developer"))
    for name in ("shop", "site"):
        await http.post(team.of("apps"), json=app_body(name))
    await _pod(api, team, "shop-1", "shop")
    for role, query, app, status in (
        ("", "instance=shop-1&command=sh", "shop", 401),
        ("developer", "instance=nosuch&command=sh", "shop", 404),
        ("developer", "instance=shop-1&command=sh", "site", 404),
        ("developer", "instance=..%2f..%2fsecrets&command=sh", "shop", 404),
        ("developer", "command=sh", "shop", 404),
        ("developer", "instance=shop-1&command=forbidden", "shop", 403),
    ):
        with pytest.raises(InvalidStatus) as refused:
            await _connect(api, team, role, query, app)
        answer = refused.value.response
        assert answer.status_code == status, query
        assert json.loads(answer.body or b"")["type"].startswith("https://roost.dev/problems/")
    foreign = f"{api.url.replace('http', 'ws', 1)}{team.of('apps')}/shop/exec?instance=shop-1&command=sh"
    headers = {"Authorization": f"Bearer {await api.token(other.person('owner'))}"}
    with pytest.raises(InvalidStatus) as refused:
        await connect(foreign, additional_headers=headers, proxy=None)
    assert refused.value.response.status_code == 404


async def test_a_viewer_may_not_open_a_shell(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    await http.post(team.of("apps"), json=app_body())
    await _pod(api, team, "shop-1", "shop")
    # By the real kube-apiserver: RBAC refuses before it looks for a node.
    with pytest.raises(InvalidStatus) as refused:
        await _connect(api, team, "viewer", "instance=shop-1&command=sh")
    assert refused.value.response.status_code == 403


async def test_a_port_is_joined_in_both_directions(api: Running, team: Team, kubelet: None) -> None:
    http = await api.as_(team.person("developer"))
    await http.post(team.of("apps"), json=app_body())
    await _pod(api, team, "shop-1", "shop")
    async with asyncio.timeout(20):
        async with await _connect(api, team, "developer", "instance=shop-1&port=8080", what="port-forward") as socket:
            for piece in (b"GET / HTTP/1.1", b"\x00\x01\xff", b"x" * 70_000):
                await socket.send(piece)
                back = b""
                while len(back) < len(piece):
                    more = await socket.recv()
                    assert isinstance(more, bytes)
                    back += more
                assert back == piece
            await socket.send(b"bye")
            await socket.wait_closed()
            assert socket.close_code == 1000
        async with await _connect(api, team, "developer", "instance=shop-1&port=81", what="port-forward") as socket:
            await socket.wait_closed()
            assert (socket.close_code, socket.close_reason) == (1011, "connection refused")


async def test_only_pods_of_the_app_are_reached_and_only_by_who_may(
    api: Running, team: Team, other: Team, kubelet: None
) -> None:
    http = await api.as_(team.person("developer"))
    for name in ("shop", "site"):
        await http.post(team.of("apps"), json=app_body(name))
    await _pod(api, team, "shop-1", "shop")
    for role, query, app, status in (
        ("", "instance=shop-1&port=80", "shop", 401),
        ("developer", "instance=shop-1&port=80", "site", 404),
        ("developer", "instance=nosuch&port=80", "shop", 404),
        ("developer", "instance=..%2fx&port=80", "shop", 404),
        ("developer", "port=80", "shop", 404),  # None is ready.
        ("developer", "instance=shop-1&port=80", "nosuch", 404),
    ):
        with pytest.raises(InvalidStatus) as refused:
            await _connect(api, team, role, query, app, "port-forward")
        assert refused.value.response.status_code == status, query
    for nonsense in ("instance=shop-1", "instance=shop-1&port=0", "instance=shop-1&port=x", "port=80&port=70000"):
        with pytest.raises(InvalidStatus) as refused:
            await _connect(api, team, "developer", nonsense, what="port-forward")
        assert 400 <= refused.value.response.status_code < 500
    foreign = f"{api.url.replace('http', 'ws', 1)}{team.of('apps')}/shop/port-forward?instance=shop-1&port=80"
    headers = {"Authorization": f"Bearer {await api.token(other.person('owner'))}"}
    with pytest.raises(InvalidStatus) as refused:
        await connect(foreign, additional_headers=headers, proxy=None)
    assert refused.value.response.status_code == 404


async def test_a_viewer_may_not_open_a_port(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    await http.post(team.of("apps"), json=app_body())
    await _pod(api, team, "shop-1", "shop")
    with pytest.raises(InvalidStatus) as refused:
        await _connect(api, team, "viewer", "instance=shop-1&port=80", what="port-forward")
    assert refused.value.response.status_code == 403
