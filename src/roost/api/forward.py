"""A connection to a port of an instance: `WS .../apps/{app}/port-forward`, passed on to kube-apiserver as the caller.

One WebSocket is one TCP connection; each binary frame is a piece of it, in both directions. When the instance's side
ends, the WebSocket closes with 1000; when it failed, with 1011 and why. Only pods of the app can be reached.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from roost.api.instances import is_ready
from roost.api.joining import MAX_FRAME, Asked, Manner, Place, pod_of, serve
from roost.api.objects import Collection
from roost.api.places import ENVIRONMENT_PREFIX
from roost.kube import channel as channels
from roost.kube.channel import Channel
from roost.kube.errors import KubeError
from roost.model import names
from roost.surface.problems import not_found

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

    async def ask(there: Collection) -> Asked:
        pod = await pod_of(there, name, instance) if instance else await _ready(there, name)
        return Asked(pod["metadata"]["name"], "portforward", [("ports", str(port))], channels.FORWARD)

    await serve(socket, Place(tenant, environment, name, instance), ask, MANNER)


async def _ready(there: Collection, app: str) -> dict[str, Any]:
    for pod in await there.client.list("v1", "Pod", there.namespace, f"{names.APP}={app},!{names.TASK}"):
        if is_ready(pod):
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
                await _end(socket, data.decode("utf-8", "replace"))
                return
            if stream == DATA and data:
                await socket.send_bytes(data)
    except KubeError as error:
        await _end(socket, str(error))
    except (WebSocketDisconnect, RuntimeError):
        return


async def _end(socket: WebSocket, why: str) -> None:
    try:
        reason = why.encode()[:MAX_REASON].decode("utf-8", "ignore")
        await socket.close(FAILED if why else 1000, reason or None)
    except (WebSocketDisconnect, RuntimeError):
        return


MANNER: Final = Manner(
    _upwards, _downwards, _end, "Neither your role nor the rules of this environment allow a connection to an instance."
)
