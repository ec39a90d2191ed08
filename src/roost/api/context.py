"""Context: what every route needs, wired once by the factory; and the caller of a request.

Routes take `Caller` as a dependency: it is authenticated, and its `client` is the person's own identity at
kube-apiserver. Whatever a route does in a tenant it does with that client.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, cast

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from roost.adapters.oidc import Provider, Registration
from roost.api.auth import Authentication
from roost.api.cache import Cache
from roost.api.identity.cookies import credential
from roost.api.limits import Bucket, Slots, refuse_when_spent
from roost.api.rights import Rights
from roost.api.tenants import Tenants, memberships
from roost.kube.client import Client
from roost.settings import Settings
from roost.surface.people import People
from roost.surface.principal import Principal


@dataclass(frozen=True)
class Context:
    """Everything that is shared by all requests. `client` is the platform's own identity.

    `streaming` is the same with connections of its own, so that open streams never take those of requests.
    """

    settings: Settings
    client: Client
    streaming: Client
    people: People
    authentication: Authentication
    tenants: Tenants
    requests: Bucket
    tenant_requests: Bucket
    streams: Slots
    followers: Slots  # Streams that are served from the cache.
    cache: Cache
    rights: Rights
    clock: Callable[[], datetime]
    git_secret: Callable[[], str]
    registry_key: Callable[[], bytes]
    providers: dict[Registration, Provider] = field(default_factory=dict)


@dataclass(frozen=True)
class Caller:
    """Who asks, and with what rights. `streaming`: as `client`, for what stays open."""

    principal: Principal
    client: Client
    streaming: Client
    request_id: str
    cache: Cache
    clock: Callable[[], datetime]
    wrote: dict[str, str]  # Kind -> what the caller's next reads of it must show: a version, or NOT_CACHED.

    @property
    def person(self) -> str:
        """The person's immutable id."""
        return self.principal.person


def context(connection: HTTPConnection) -> Context:
    """The context that the factory put into the application."""
    return cast(Context, connection.app.state.roost)


async def _context(connection: HTTPConnection) -> Context:
    # FastAPI calls what is not `async` in a thread, which costs more than all the rest of a read.
    return context(connection)


async def caller(request: Request) -> Caller:
    """The authenticated caller; Problem unauthenticated, too-many."""
    return await authenticate(request)


async def authenticate(connection: HTTPConnection) -> Caller:
    """As `caller`, for WebSockets too."""
    ctx = context(connection)
    principal = await ctx.authentication.bearer(credential(connection))
    connection.scope["roost.person"] = principal.person
    refuse_when_spent(ctx.requests, principal.person, "You send more requests than one person may. Slow down.")
    ctx.requests.take(principal.person)
    await _take_of_tenant(ctx, principal, str(connection.path_params.get("tenant", "")))
    request_id = str(connection.scope.get("roost.request_id", ""))
    return acting_as(ctx, principal, request_id, connection.scope.setdefault("roost.wrote", {}))


def acting_as(ctx: Context, principal: Principal, request_id: str, wrote: dict[str, str] | None = None) -> Caller:
    """A caller with that person's rights."""
    identity = f"person:{principal.person}"
    client, streaming = ctx.client.act_as(identity), ctx.streaming.act_as(identity)
    return Caller(principal, client, streaming, request_id, ctx.cache, ctx.clock, {} if wrote is None else wrote)


async def _take_of_tenant(ctx: Context, principal: Principal, tenant: str) -> None:
    """All members of a tenant together have so many requests. Only they take of them: nobody empties another's."""
    if not tenant or not memberships(principal, await ctx.tenants.visible(principal, tenant)):
        return
    refuse_when_spent(ctx.tenant_requests, tenant, f"The people and machines of {tenant} send too many requests.")
    ctx.tenant_requests.take(tenant)


def address(connection: HTTPConnection) -> str:
    """Where the request comes from, as the gateway told."""
    return connection.client.host if connection.client else ""


CallerDep = Annotated[Caller, Depends(caller)]
ContextDep = Annotated[Context, Depends(_context)]
