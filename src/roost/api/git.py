"""Git over HTTP: who may fetch and push is decided here, the rest is the git server's.

Refusals are text/plain, which git shows to the person. What passes on to the git server is built fresh from an
allow-list of headers.
"""

import logging
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, cast

from starlette.requests import HTTPConnection
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from roost.api.access import may
from roost.api.context import Context, address, context
from roost.api.errors import from_kube
from roost.api.passthrough import Headers, Incoming, Outgoing, UpstreamGone, exchange
from roost.kube.errors import KubeError
from roost.model.names import API_VERSION, APP_PATTERN, BUILD, TENANT_PATTERN, namespace
from roost.surface.principal import Principal
from roost.surface.problems import Problem

_LOG = logging.getLogger("roost.api.git")
FETCH: Final = "git-upload-pack"
PUSH: Final = "git-receive-pack"
_PASS_UP: Final = frozenset([b"content-type", b"content-encoding", b"accept", b"accept-encoding", b"git-protocol"])
_PASS_DOWN: Final = frozenset(
    [b"content-type", b"content-length", b"content-encoding", b"cache-control", b"expires", b"pragma"]
)
_LFS: Final = b'{"message": "Roost keeps no LFS objects. Commit the files themselves, or fetch them in the build."}'


class ClientGone(Exception):
    """The client hung up while it was sending."""


class Refusal(Exception):
    """An answer to git instead of what it asked for."""

    def __init__(self, status: int, text: str, headers: Headers | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers or []


@dataclass(frozen=True)
class Wish:
    """What git asks for. `service` is FETCH or PUSH; `target` the path and query that the git server gets."""

    tenant: str
    project: str
    service: str
    target: str


def read_wish(tenant: str, project: str, method: str, rest: str, query: str) -> Wish:
    """What a request asks for; Refusal where it is none of git's smart protocol."""
    if not re.fullmatch(TENANT_PATTERN, tenant) or not re.fullmatch(APP_PATTERN, project):
        raise Refusal(404, "There is no such project, or you may not see it.")
    base = f"/{tenant}/{project}.git/"
    if rest == "info/refs" and method == "GET":
        service = query.removeprefix("service=")
        if service in (FETCH, PUSH):
            return Wish(tenant, project, service, f"{base}info/refs?service={service}")
        raise Refusal(403, "Only git's smart HTTP protocol is spoken here. Use git 1.6.6 or later.")
    if rest in (FETCH, PUSH) and method == "POST":
        return Wish(tenant, project, rest, base + rest)
    raise Refusal(404, "There is nothing of git's smart protocol at this path.")


class GitEndpoint:
    """The ASGI endpoint of `/{tenant}/{project}.git/{rest}`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request of git."""
        connection = HTTPConnection(scope)
        params = connection.path_params
        if str(params["rest"]).startswith("info/lfs"):
            await _answer(send, 501, _LFS, [(b"content-type", b"application/vnd.git-lfs+json")])
            return
        try:
            query = scope.get("query_string", b"").decode("latin-1")
            wish = read_wish(params["tenant"], params["project"], scope["method"], params["rest"], query)
            principal = await self._authorise(connection, wish)
            await self._pass(connection, wish, principal, receive, send)
        except Refusal as refusal:
            headers = [(b"content-type", b"text/plain; charset=utf-8"), *refusal.headers]
            await _answer(send, refusal.status, refusal.text.encode() + b"\n", headers)
        except ClientGone:
            _LOG.info("client hung up", extra={"path": scope["path"][:300]})

    async def _authorise(self, connection: HTTPConnection, wish: Wish) -> Principal:
        ctx = context(connection)
        try:
            principal = await ctx.authentication.basic(connection.headers.get("authorization", ""), address(connection))
            connection.scope["roost.person"] = principal.person
            await ctx.tenants.visible(principal, wish.tenant)
            verb = "update" if wish.service == PUSH else "get"
            place = namespace(wish.tenant, BUILD)
            if not await may(ctx.client, principal, verb, "projects", place, wish.project):
                what = "push to" if wish.service == PUSH else "fetch from"
                raise Refusal(403, f"You may not {what} {wish.tenant}/{wish.project}. Ask an owner of the tenant.")
            if (
                await ctx.client.act_as(f"person:{principal.person}").get(API_VERSION, "Project", wish.project, place)
                is None
            ):
                raise Refusal(
                    404,
                    f"There is no project {wish.project} in tenant {wish.tenant}. Make it first: "
                    f"roost project create {wish.project} -t {wish.tenant}",
                )
        except Problem as problem:
            raise _refusal(problem) from problem
        except KubeError as error:
            raise _refusal(from_kube(error, f"project {wish.project!r}")) from error
        return principal

    async def _pass(
        self, connection: HTTPConnection, wish: Wish, principal: Principal, receive: Receive, send: Send
    ) -> None:
        ctx = context(connection)
        length = connection.headers.get("content-length")
        bodiless = connection.scope["method"] == "GET"
        outgoing = Outgoing(
            connection.scope["method"],
            wish.target,
            _headers(ctx, connection, wish, principal),
            _body(receive, bodiless),
            0 if bodiless else int(length) if length and length.isdigit() else None,
            lambda: _until_gone(receive),
        )
        begun = False
        try:
            async with exchange(ctx.settings.git_url, outgoing) as incoming:
                begun = True
                await _hand_on(incoming, send)
        except UpstreamGone as error:
            _LOG.warning("git server", extra={"cause": str(error)})
            if begun:
                # The answer cannot be taken back: breaking off is the only way to tell git that it is not whole.
                raise ClientGone("The answer broke off.") from error
            raise Refusal(503, "The git server does not answer now. Nothing was changed: try again.") from error


def _headers(ctx: Context, connection: HTTPConnection, wish: Wish, principal: Principal) -> Headers:
    headers = [pair for pair in connection.scope["headers"] if pair[0].lower() in _PASS_UP]
    own = {
        "X-Roost-Tenant": wish.tenant,
        "X-Roost-Project": wish.project,
        "X-Roost-Person": principal.person,
        "X-Roost-Request-Id": str(connection.scope.get("roost.request_id", "")),
        "X-Roost-Shared": ctx.git_secret(),
    }
    return [*headers, *((key.encode(), value.encode()) for key, value in own.items())]


async def _body(receive: Receive, bodiless: bool) -> AsyncIterator[bytes]:
    while not bodiless:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("The client hung up.")
        yield cast(bytes, message.get("body", b""))
        if not message.get("more_body", False):
            return


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    raise ClientGone("The client hung up.")


async def _hand_on(incoming: Incoming, send: Send) -> None:
    headers = [(name, value) for name, value in incoming.headers if name.lower() in _PASS_DOWN]
    await send({"type": "http.response.start", "status": incoming.status, "headers": headers})
    async with aclosing(cast(Any, incoming.body)) as chunks:
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _answer(send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _refusal(problem: Problem) -> Refusal:
    headers = [(key.lower().encode(), value.encode()) for key, value in problem.headers.items()]
    if problem.status == 401:
        headers = [(b"www-authenticate", b'Basic realm="Roost", charset="UTF-8"')]
    return Refusal(problem.status, problem.detail, headers)


def route() -> Route:
    """The route to mount last: it takes every method."""
    return Route("/{tenant}/{project}.git/{rest:path}", endpoint=GitEndpoint())
