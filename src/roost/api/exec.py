"""A command in an instance: `WS .../apps/{app}/exec`, or what it runs itself: `.../attach`; as the caller.

Frames are those of `roost.kube.channel`, in both directions; an empty frame of stream 0 ends the input. The last frame
is the Status, which tells the exit code.
"""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from pydantic import Field

from roost.api.joining import MAX_FRAME, Asked, Manner, Place, pod_of, serve
from roost.api.objects import Collection
from roost.api.places import ENVIRONMENT_PREFIX
from roost.kube import channel as channels
from roost.kube.channel import Channel
from roost.kube.errors import KubeError

router = APIRouter()

Argument = Annotated[str, Field(max_length=8192)]


@router.websocket(ENVIRONMENT_PREFIX + "apps/{name}/exec")
async def exec_(
    socket: WebSocket,
    tenant: str,
    environment: str,
    name: str,
    instance: Annotated[str, Query(max_length=253)] = "",
    command: Annotated[list[Argument] | None, Query(max_length=100)] = None,
    tty: Annotated[bool, Query()] = False,
) -> None:
    """Run a command in an instance of the app."""
    await _serve(socket, Place(tenant, environment, name, instance), "exec", command or ["sh"], tty)


@router.websocket(ENVIRONMENT_PREFIX + "apps/{name}/attach")
async def attach(
    socket: WebSocket,
    tenant: str,
    environment: str,
    name: str,
    instance: Annotated[str, Query(max_length=253)] = "",
    tty: Annotated[bool, Query()] = False,
) -> None:
    """Join what an instance of the app itself runs (a task's with `stdin` or `tty`)."""
    await _serve(socket, Place(tenant, environment, name, instance), "attach", [], tty)


async def _serve(socket: WebSocket, place: Place, subresource: str, command: list[str], tty: bool) -> None:
    async def ask(there: Collection) -> Asked:
        pod = await pod_of(there, place.app, place.instance)
        container = pod["spec"]["containers"][0]["name"]
        return Asked(place.instance, subresource, _params(container, command, tty))

    await serve(socket, place, ask, MANNER)


def _params(container: str, command: list[str], tty: bool) -> list[tuple[str, str]]:
    streams = [("stdin", "true"), ("stdout", "true"), ("stderr", "false" if tty else "true")]
    return [*(("command", part) for part in command), ("container", container), ("tty", str(tty).lower()), *streams]


async def _upwards(socket: WebSocket, channel: Channel) -> None:
    """From the person to the command."""
    try:
        while True:
            frame = await socket.receive_bytes()
            if not frame or len(frame) > MAX_FRAME or frame[0] not in (channels.IN, channels.RESIZE):
                continue
            if frame == bytes([channels.IN]):
                await channel.close(channels.IN)
            else:
                await channel.send(frame[0], frame[1:])
    except (WebSocketDisconnect, KubeError, KeyError, RuntimeError):
        return


async def _downwards(socket: WebSocket, channel: Channel) -> None:
    """From the command to the person; the final Status closes."""
    try:
        while (frame := await channel.receive()) is not None:
            stream, data = frame
            await socket.send_bytes(bytes([stream]) + data)
            if stream == channels.STATUS:
                break
    except KubeError as error:
        await _end(socket, str(error))
    except (WebSocketDisconnect, RuntimeError):
        return


async def _end(socket: WebSocket, why: str) -> None:
    try:
        if why:
            status: dict[str, Any] = {"status": "Failure", "message": why}
            await socket.send_bytes(bytes([channels.STATUS]) + msgspec.json.encode(status))
        await socket.close()
    except (WebSocketDisconnect, RuntimeError):
        return


MANNER: Final = Manner(
    _upwards,
    _downwards,
    _end,
    "Neither your role nor the rules of this environment allow a command in an instance here.",
)
