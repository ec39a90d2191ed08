"""A connection to a port of an instance: `WS .../apps/{app}/port-forward`, passed on to kube-apiserver as the caller.

One WebSocket is one TCP connection; each binary frame is a piece of it, in both directions. When the instance's side
ends, the WebSocket closes with 1000; when it failed, with 1011 and why. Only pods of the app can be reached.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from roost.api.context import authenticate, context
from roost.api.errors import from_kube, problem_response
from roost.api.exec import MAX_FRAME, join, pod_of, rechecking
from roost.api.objects import Collection
from roost.api.places import ENVIRONMENT_PREFIX
from roost.kube import channel as channels
from roost.kube.channel import Channel
from roost.kube.errors import Forbidden, KubeError
from roost.model import names
from roost.model.kinds.app import App
from roost.surface.problems import Problem, forbidden, not_found

router = APIRouter()
DATA, ERROR = 0, 1
FAILED: Final = 1011
PIECE: Final = 32 * 1024  # What Kubernetes itself sends at once.
MAX_REASON: Final = 120  # Bytes; a closing frame holds 123.


@router.websocket(ENVIRONMENT_PREFIX + "apps/{name}/port-forward")
async def forward(
    socket: WebSocket,
    tenant: str,
    environment: str,
    name: str,
    port: Annotated[int, Query(ge=1, le=65535)],
    instance: Annotated[str, Query(max_length=253)] = "",
) -> None:
    """Connect to a port of an instance of the app (of any that is ready, where none is named)."""
    ctx = context(socket)
    request_id = str(socket.scope.get("roost.request_id", ""))
    accepted = False
    try:
        caller = await authenticate(socket)
        namespace = await ctx.tenants.environment(caller.principal, tenant, environment)
        there = Collection(App, namespace, caller.client, caller)
        await there.get(name)
        pod = await pod_of(there, name, instance) if instance else await _ready(there, name)
        path = f"api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/portforward"
        params = [("ports", str(port))]
        with ctx.streams.hold(caller.person):
            async with channels.connect(caller.streaming, path, params, channels.FORWARD) as channel:
                await socket.accept()
                accepted = True
                works = (_upwards(socket, channel), _downwards(socket, channel))
                ended = await join(works, rechecking(ctx, socket, caller, tenant, environment))
                await _close(socket, ended)
    except Forbidden:
        problem = forbidden("Neither your role nor the rules of this environment allow a connection to an instance.")
        await _refuse(socket, problem, request_id, accepted)
    except KubeError as error:
        await _refuse(socket, from_kube(error, f"instance {instance[:80]!r}"), request_id, accepted)
    except Problem as problem:
        await _refuse(socket, problem, request_id, accepted)


async def _ready(there: Collection, app: str) -> dict[str, Any]:
    for pod in await there.client.list("v1", "Pod", there.namespace, f"{names.APP}={app},!{names.TASK}"):
        conditions = (pod.get("status") or {}).get("conditions") or ()
        if any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions):
            return pod
    raise not_found(f"instance of {app!r} that is ready")


async def _upwards(socket: WebSocket, channel: Channel) -> None:
    """From the person to the instance."""
    try:
        while True:
            frame = await socket.receive_bytes()
            if len(frame) > MAX_FRAME:
                return
            for start in range(0, len(frame), PIECE):
                await channel.send(DATA, frame[start : start + PIECE])
    except (WebSocketDisconnect, KubeError, KeyError, RuntimeError):
        return


async def _downwards(socket: WebSocket, channel: Channel) -> None:
    """From the instance to the person. The first frame of each stream only names the port."""
    begun: set[int] = set()
    try:
        while (frame := await channel.receive()) is not None:
            stream, data = frame
            if stream not in begun:
                begun.add(stream)
                data = data[2:]
            if stream == ERROR and data:
                await _close(socket, data.decode("utf-8", "replace"))
                return
            if stream == DATA and data:
                await socket.send_bytes(data)
    except KubeError as error:
        await _close(socket, str(error))
    except (WebSocketDisconnect, RuntimeError):
        return


async def _close(socket: WebSocket, why: str) -> None:
    try:
        reason = why.encode()[:MAX_REASON].decode("utf-8", "ignore")
        await socket.close(FAILED if why else 1000, reason or None)
    except (WebSocketDisconnect, RuntimeError):
        return


async def _refuse(socket: WebSocket, problem: Problem, request_id: str, accepted: bool) -> None:
    if accepted:
        await _close(socket, problem.detail)
    else:
        await socket.send_denial_response(problem_response(problem, request_id))
