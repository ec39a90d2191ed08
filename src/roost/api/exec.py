"""A command in an instance: `WS .../apps/{app}/exec`, or what it runs itself: `.../attach`; as the caller.

Frames are those of `roost.kube.channel`, in both directions; an empty frame of stream 0 ends the input. The last frame
is the Status, which tells the exit code.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from pydantic import Field

from roost.api.context import Caller, Context, authenticate, context
from roost.api.errors import from_kube, problem_response
from roost.api.identity.cookies import credential
from roost.api.objects import Collection
from roost.api.places import ENVIRONMENT_PREFIX
from roost.kube import channel as channels
from roost.kube.channel import Channel
from roost.kube.errors import Forbidden, KubeError
from roost.model import names
from roost.model.kinds.app import App
from roost.surface.problems import Problem, forbidden, not_found

router = APIRouter()
RECHECK_S: Final = 45.0
MAX_FRAME: Final = 256 * 1024

Argument = Annotated[str, Field(max_length=8192)]
Recheck = Callable[[], Awaitable[None]]


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
    await _serve(socket, (tenant, environment, name, instance), "exec", command or ["sh"], tty)


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
    await _serve(socket, (tenant, environment, name, instance), "attach", [], tty)


async def _serve(
    socket: WebSocket, where: tuple[str, str, str, str], subresource: str, command: list[str], tty: bool
) -> None:
    """`where`: tenant, environment, app, instance."""
    tenant, environment, name, instance = where
    ctx = context(socket)
    request_id = str(socket.scope.get("roost.request_id", ""))
    accepted = False
    try:
        caller = await authenticate(socket)
        namespace = await ctx.tenants.environment(caller.principal, tenant, environment)
        there = Collection(App, namespace, caller.client, caller)
        await there.get(name)
        container = (await pod_of(there, name, instance))["spec"]["containers"][0]["name"]
        params = _params(container, command, tty)
        path = f"api/v1/namespaces/{namespace}/pods/{instance}/{subresource}"
        with ctx.streams.hold(caller.person):
            async with channels.connect(caller.streaming, path, params) as channel:
                await socket.accept()
                accepted = True
                works = (_upwards(socket, channel), _downwards(socket, channel))
                ended = await join(works, rechecking(ctx, socket, caller, tenant, environment))
                if ended:
                    await _status(socket, ended)
    except Forbidden:
        problem = forbidden("Neither your role nor the rules of this environment allow a command in an instance here.")
        await _refuse(socket, problem, request_id, accepted)
    except KubeError as error:
        await _refuse(socket, from_kube(error, f"instance {instance[:80]!r}"), request_id, accepted)
    except Problem as problem:
        await _refuse(socket, problem, request_id, accepted)


async def pod_of(there: Collection, app: str, instance: str) -> dict[str, Any]:
    """The pod that the instance is; Problem not-found where it is none of the app's."""
    if not instance or "/" in instance:
        raise not_found(f"instance {instance[:80]!r}")
    pod = await there.client.get("v1", "Pod", instance, there.namespace)
    if pod is None or (pod["metadata"].get("labels") or {}).get(names.APP) != app:
        raise not_found(f"instance {instance[:80]!r} of {app!r}")
    return pod


def _params(container: str, command: list[str], tty: bool) -> list[tuple[str, str]]:
    streams = [("stdin", "true"), ("stdout", "true"), ("stderr", "false" if tty else "true")]
    return [*(("command", part) for part in command), ("container", container), ("tty", str(tty).lower()), *streams]


def rechecking(ctx: Context, socket: WebSocket, caller: Caller, tenant: str, environment: str) -> Recheck:
    """What raises when the caller may no longer: for streams that stay open."""
    header = credential(socket)

    async def recheck() -> None:
        await ctx.authentication.bearer(header)
        await ctx.tenants.environment(caller.principal, tenant, environment)

    return recheck


async def join(both: tuple[Coroutine[Any, Any, None], Coroutine[Any, Any, None]], recheck: Recheck) -> str:
    """Both directions until one ends, or the caller may no longer: then why. Raises nothing: see `channels.connect`."""
    works = [asyncio.ensure_future(work) for work in both]
    try:
        while True:
            done, _ = await asyncio.wait(works, timeout=RECHECK_S, return_when=asyncio.FIRST_COMPLETED)
            if done:
                return ""
            try:
                await recheck()
            except (Problem, KubeError) as error:
                return str(error)
    finally:
        for work in works:
            work.cancel()
        await asyncio.wait(works)


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
        await socket.close()
    except KubeError as error:
        await _status(socket, str(error))
    except (WebSocketDisconnect, RuntimeError):
        return


async def _status(socket: WebSocket, message: str) -> None:
    status: dict[str, Any] = {"status": "Failure", "message": message}
    try:
        await socket.send_bytes(bytes([channels.STATUS]) + msgspec.json.encode(status))
        await socket.close()
    except (WebSocketDisconnect, RuntimeError):
        return


async def _refuse(socket: WebSocket, problem: Problem, request_id: str, accepted: bool) -> None:
    if accepted:
        await _status(socket, problem.detail)
    else:
        await socket.send_denial_response(problem_response(problem, request_id))
