"""Places: where each kind's collections are, and the tenants' own list. Mounted by the factory.

Cluster-scoped kinds stand at `/v1/<plural>`, kinds of an environment at
`/v1/tenants/{tenant}/environments/{environment}/<plural>`, kinds of the build namespace at
`/v1/tenants/{tenant}/<plural>`.
"""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from roost.api.context import Caller, CallerDep, Context, ContextDep
from roost.api.generic import Selecting, SelectingDep, listed, paged, position_of, router_for, selection, streamed
from roost.api.identity.cookies import credential
from roost.api.objects import Collection, tagged
from roost.api.query import read
from roost.api.tenants import parse, sees
from roost.api.watching import Watched, stream
from roost.kernel.discovery import kinds
from roost.model.kinds.people import User
from roost.model.kinds.tenant import Tenant
from roost.model.names import API_VERSION
from roost.model.resource import Resource
from roost.surface.kinds import BUILD_KINDS

ENVIRONMENT_PREFIX: Final = "/v1/tenants/{tenant}/environments/{environment}/"
BUILD_PREFIX: Final = "/v1/tenants/{tenant}/"


async def in_cluster(ctx: Context, caller: Caller, params: Mapping[str, str]) -> str | None:
    """A cluster-scoped kind: no namespace."""
    return None


async def in_environment(ctx: Context, caller: Caller, params: Mapping[str, str]) -> str | None:
    """The namespace of the environment in the path."""
    return await ctx.tenants.environment(caller.principal, params["tenant"], params["environment"])


async def in_build(ctx: Context, caller: Caller, params: Mapping[str, str]) -> str | None:
    """The build namespace of the tenant in the path."""
    return await ctx.tenants.build(caller.principal, params["tenant"])


async def at_tenant(ctx: Context, caller: Caller, params: Mapping[str, str]) -> str | None:
    """The tenants themselves: one that the caller may not know of is not there."""
    if "name" in params:
        await ctx.tenants.visible(caller.principal, params["name"])
    return None


def routers() -> list[APIRouter]:
    """The generic routes of every kind."""
    # People are made, changed and removed in `users`.
    users = router_for(User, "/v1/users", in_cluster, frozenset(["create", "patch", "delete"]))
    return [_tenants(), users, *(_router(kind) for kind in kinds() if kind.KIND not in ("Tenant", "User"))]


def _router(kind: type[Resource]) -> APIRouter:
    if not kind.NAMESPACED:
        return router_for(kind, f"/v1/{kind.PLURAL}", in_cluster)
    if kind.KIND in BUILD_KINDS:
        return router_for(kind, BUILD_PREFIX + kind.PLURAL, in_build)
    return router_for(kind, ENVIRONMENT_PREFIX + kind.PLURAL, in_environment)


def _tenants() -> APIRouter:
    """Tenants: members read theirs, though RBAC gives them no right to list all."""
    router = router_for(Tenant, "/v1/tenants", at_tenant, frozenset(["list", "get"]))

    async def get_list(request: Request, ctx: ContextDep, caller: CallerDep, wanted: SelectingDep) -> Response:
        if caller.principal.platform_role:
            own = Collection(Tenant, None, caller.client, caller)
        else:
            own = Collection(Tenant, None, ctx.client, caller)
        if wanted.watch:
            return _watch(request, ctx, own, wanted)
        if caller.principal.platform_role:
            return await listed(ctx, request, own, wanted)
        mine = [
            raw for raw in await ctx.client.list(API_VERSION, "Tenant", labels=wanted.labels) if _shows(caller, raw)
        ]
        return Response(
            paged(mine, "", wanted, read(Tenant, wanted.fields, wanted.sort)), media_type="application/json"
        )

    async def get_one(ctx: ContextDep, caller: CallerDep, name: str) -> Response:
        await ctx.tenants.visible(caller.principal, name)
        client = caller.client if caller.principal.platform_role else ctx.client
        return tagged(await Collection(Tenant, None, client, caller).get(name))

    router.add_api_route("", get_list, methods=["GET"], operation_id="listTenant", summary="List or watch: Tenant")
    answers: dict[int | str, dict[str, Any]] = {200: {"model": Tenant}}
    router.add_api_route(
        "/{name}", get_one, methods=["GET"], operation_id="getTenant", summary="Get one: Tenant", responses=answers
    )
    return router


def _shows(caller: Caller, raw: Mapping[str, Any]) -> bool:
    tenant = parse(raw)
    return tenant is not None and sees(caller.principal, tenant)


def _watch(request: Request, ctx: Context, own: Collection, wanted: Selecting) -> Response:
    header = credential(request)

    async def recheck() -> None:
        await ctx.authentication.bearer(header)

    watched = Watched(
        ctx.streaming if own.client is ctx.client else own.caller.streaming,
        API_VERSION,
        "Tenant",
        selection(own, wanted),
        recheck,
        own.caller.request_id,
        lambda raw: _shows(own.caller, raw),
    )
    return streamed(ctx.streams, own.caller, stream(watched, position_of(request)))
