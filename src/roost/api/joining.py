"""Joining: a person's WebSocket and a stream of an instance, passed on to kube-apiserver as that person.

For `exec` and `forward`, which know their frames. Whoever may not is answered before anything opens; an open stream
ends within RECHECK_S of the moment when its person's token or right is gone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import WebSocket

from roost.api.access import may
from roost.api.context import Caller, Context, authenticate, context
from roost.api.errors import from_kube, problem_response
from roost.api.identity.cookies import credential
from roost.api.objects import Collection
from roost.kube import channel as channels
from roost.kube.channel import Channel
from roost.kube.errors import Forbidden, KubeError
from roost.model import names
from roost.model.kinds.app import App
from roost.surface.problems import Problem, forbidden, not_found

RECHECK_S: Final = 45.0
MAX_FRAME: Final = 256 * 1024

Pump = Callable[[WebSocket, Channel], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Place:
    """An app, and perhaps one of its instances."""

    tenant: str
    environment: str
    app: str
    instance: str


@dataclass(frozen=True)
class Asked:
    """What kube-apiserver is asked for: a subresource of a pod, with its parameters."""

    pod: str
    subresource: str
    params: Sequence[tuple[str, str]]
    protocol: str = channels.PROTOCOL


@dataclass(frozen=True)
class Manner:
    """How frames pass in each direction, and what is said to whoever may not. Neither direction raises: see
    `channels.connect`. `end` closes an open WebSocket and tells why, where there is a reason.
    """

    upwards: Pump
    downwards: Pump
    end: Callable[[WebSocket, str], Awaitable[None]]
    refusal: str


async def serve(socket: WebSocket, place: Place, ask: Callable[[Collection], Awaitable[Asked]], manner: Manner) -> None:
    """Join the two until one ends. `ask` says what is wanted, of the apps of the place; Problem refuses."""
    ctx = context(socket)
    accepted = False
    problem: Problem
    try:
        caller = await authenticate(socket)
        namespace = await ctx.tenants.environment(caller.principal, place.tenant, place.environment)
        there = Collection(App, namespace, caller.client, caller)
        await there.get(place.app)
        asked = await ask(there)
        path = f"api/v1/namespaces/{namespace}/pods/{asked.pod}/{asked.subresource}"
        with ctx.streams.hold(caller.person):
            async with channels.connect(caller.streaming, path, asked.params, asked.protocol) as channel:
                await socket.accept()
                accepted = True
                works = (manner.upwards(socket, channel), manner.downwards(socket, channel))
                await manner.end(socket, await _join(works, _rechecking(ctx, socket, caller, place, asked)))
        return
    except Forbidden:
        problem = forbidden(manner.refusal)
    except KubeError as error:
        problem = from_kube(error, f"instance {place.instance[:80]!r}")
    except Problem as refused:
        problem = refused
    if accepted:
        await manner.end(socket, problem.detail)
    else:
        request_id = str(socket.scope.get("roost.request_id", ""))
        await socket.send_denial_response(problem_response(problem, request_id))


async def pod_of(there: Collection, app: str, instance: str) -> dict[str, Any]:
    """The pod that the instance is; Problem not-found where it is none of the app's."""
    if not instance or "/" in instance:
        raise not_found(f"instance {instance[:80]!r}")
    pod = await there.client.get("v1", "Pod", instance, there.namespace)
    if pod is None or (pod["metadata"].get("labels") or {}).get(names.APP) != app:
        raise not_found(f"instance {instance[:80]!r} of {app!r}")
    return pod


Recheck = Callable[[], Awaitable[None]]


def _rechecking(ctx: Context, socket: WebSocket, caller: Caller, place: Place, asked: Asked) -> Recheck:
    """What raises Problem when the caller may no longer: signed out, no member, or in a role that may not."""
    header = credential(socket)
    resource = f"pods/{asked.subresource}"

    async def recheck() -> None:
        principal = await ctx.authentication.bearer(header)
        namespace = await ctx.tenants.environment(principal, place.tenant, place.environment)
        if not await may(ctx.client, principal, "create", resource, namespace, group=""):
            raise forbidden("Your role here no longer allows this: it has been ended.")

    return recheck


async def _join(both: tuple[Coroutine[Any, Any, None], Coroutine[Any, Any, None]], recheck: Recheck) -> str:
    """Both directions until one ends, or the caller may no longer: then why."""
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
