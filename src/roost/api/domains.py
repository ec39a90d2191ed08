"""Host names outside the platform's domain that an environment was granted, and which App has them.

Domains are cluster-scoped and none of a tenant's business but its own: the platform reads them and tells these. Making
and removing them is the generic `/v1/domains`, which RBAC leaves to administrators.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import Field

from roost.api.bodies import json_response
from roost.api.context import CallerDep, Context, ContextDep
from roost.api.errors import from_kube
from roost.api.objects import Collection
from roost.api.places import ENVIRONMENT_PREFIX
from roost.kube.errors import KubeError
from roost.model.kinds.app import App
from roost.model.kinds.domain import Domain
from roost.model.names import API_VERSION
from roost.model.resource import Model

router = APIRouter(tags=["Domain"])


class GrantedDomain(Model):
    """A host name that the environment was granted."""

    name: str = Field(max_length=253)
    app: str | None = Field(None, max_length=30, description="The application that it leads to; absent: none.")


class GrantedDomains(Model):
    """All of them, sorted."""

    items: tuple[GrantedDomain, ...] = ()


async def granted(ctx: Context, tenant: str, environment: str) -> list[str]:
    """The names, sorted; read by the platform."""
    found = [Domain.parse(item) for item in await ctx.client.list(API_VERSION, Domain.KIND)]
    return sorted(
        item.metadata.name
        for item in found
        if (item.spec.tenant, item.spec.environment) == (tenant, environment) and not item.metadata.deletion_timestamp
    )


async def claimed(there: Collection) -> dict[str, str]:
    """host name -> the oldest App of the environment that asks for it, whoever may have it; read by the caller."""
    try:
        found = await there.client.list(API_VERSION, App.KIND, there.namespace)
    except KubeError as error:
        raise from_kube(error, there.what()) from error
    by_age = sorted(found, key=lambda item: (item["metadata"].get("creationTimestamp") or "", item["metadata"]["name"]))
    names: dict[str, str] = {}
    for item in by_age:
        for name in (item.get("spec") or {}).get("domains") or ():
            names.setdefault(name, item["metadata"]["name"])
    return names


async def _apps(ctx: ContextDep, caller: CallerDep, tenant: str, environment: str) -> Collection:
    namespace = await ctx.tenants.environment(caller.principal, tenant, environment)
    return Collection(App, namespace, caller.client, caller)


_ANSWER: Final[dict[int | str, dict[str, Any]]] = {200: {"model": GrantedDomains}}


@router.get(
    ENVIRONMENT_PREFIX + "domains",
    operation_id="listGrantedDomains",
    summary="Host names of its own",
    responses=_ANSWER,
)
async def list_granted(
    ctx: ContextDep, there: Annotated[Collection, Depends(_apps)], tenant: str, environment: str
) -> Response:
    """The host names outside the platform's domain that the environment's applications may have."""
    leads = await claimed(there)
    items = [GrantedDomain(name=name, app=leads.get(name)) for name in await granted(ctx, tenant, environment)]
    return json_response(GrantedDomains(items=tuple(items)).wire())
