"""Tenants: who may see which tenant, so that what is another tenant's answers 404 and not 403.

Kubernetes' RBAC decides what a person may do; this decides only between "no" and "there is no such thing". Tenants are
read with the platform's own identity and kept for some seconds.
"""

import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from roost.kube.client import Client
from roost.model.kinds.tenant import Member, Tenant
from roost.model.names import API_VERSION, BUILD, TENANT_PATTERN, namespace
from roost.surface.principal import Principal
from roost.surface.problems import Problem, not_found

_LOG = logging.getLogger("roost.api")
KEEP: Final = timedelta(seconds=3)


class Tenants:
    """Looks tenants up for a principal."""

    def __init__(self, client: Client, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock
        self._kept: dict[str, tuple[Tenant, datetime]] = {}

    async def all(self) -> list[Tenant]:
        """Every tenant."""
        parsed = [parse(raw) for raw in await self._client.list(API_VERSION, "Tenant")]
        return [tenant for tenant in parsed if tenant is not None]

    async def visible(self, principal: Principal, name: str) -> Tenant:
        """The tenant; Problem not-found where there is none, or the principal is no member of it."""
        kept = self._kept.get(name)
        if kept is not None and kept[1] > self._clock() and sees(principal, kept[0]):
            return kept[0]
        tenant = await self._read(name)
        if tenant is None or not sees(principal, tenant):
            raise not_found(f"tenant {name[:40]!r}")
        return tenant

    async def environment(self, principal: Principal, tenant: str, environment: str) -> str:
        """The namespace of an environment that the principal may know of."""
        found = await self.visible(principal, tenant)
        known = [item.name for item in found.spec.environments]
        if environment not in known:
            raise Problem(
                "not-found",
                f"Tenant {tenant} has no environment {environment[:40]!r}. It has: {', '.join(known)}.",
            )
        return namespace(tenant, environment)

    async def build(self, principal: Principal, tenant: str) -> str:
        """The namespace of the tenant's builds."""
        await self.visible(principal, tenant)
        return namespace(tenant, BUILD)

    async def _read(self, name: str) -> Tenant | None:
        if not re.fullmatch(TENANT_PATTERN, name):
            return None
        raw = await self._client.get(API_VERSION, "Tenant", name)
        if raw is None:
            self._kept.pop(name, None)
            return None
        tenant = parse(raw)
        if tenant is not None:
            self._kept[name] = (tenant, self._clock() + KEEP)
        return tenant


def parse(raw: Mapping[str, Any]) -> Tenant | None:
    """The tenant; None where it does not fit its model: one such object must not take the others with it."""
    try:
        return Tenant.parse(dict(raw))
    except ValidationError as error:
        _LOG.warning("a Tenant does not fit its model", extra={"tenant": raw["metadata"]["name"], "cause": str(error)})
        return None


def memberships(principal: Principal, tenant: Tenant) -> list[Member]:
    """The person's memberships (more than one where roles differ by environment); none of an earlier bearer's."""
    by_group: list[Member] = [
        item for item in tenant.status.by_group if (item.person, item.uid) == (principal.person, principal.uid)
    ]
    if any(item.person == principal.person and item.uid != principal.uid for item in tenant.status.people):
        return by_group
    return [member for member in tenant.spec.members if member.person == principal.person] + by_group


def sees(principal: Principal, tenant: Tenant) -> bool:
    """May the principal know that this tenant exists?"""
    return bool(principal.platform_role) or bool(memberships(principal, tenant))
