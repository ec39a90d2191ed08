"""Machines: tokens for pipelines and scripts of a tenant, which may less than who makes them.

Each is a User without a password and so a ServiceAccount of its own, a member of one tenant with one role in the
environments that are named: RBAC holds it to that by every way, kubectl included. Its one token is shown once and
ends; whoever takes the machine away ends the token, the membership and what kubectl holds. Owners make them.
"""

from datetime import timedelta
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from roost.api.bodies import body_schema, json_response, read_model
from roost.api.context import CallerDep, Context, ContextDep
from roost.api.identity import provisioning
from roost.model.conditions import timestamp
from roost.model.kinds.people import User
from roost.model.kinds.tenant import Tenant
from roost.model.names import API_VERSION
from roost.model.resource import Model
from roost.surface.problems import Problem, not_found

router = APIRouter(prefix="/v1/tenants/{tenant}/machines", tags=["Machine"])
MOST = 50


class NewMachine(Model):
    """What a machine is to be."""

    name: str = Field(min_length=1, max_length=60, pattern=r"^[\w .:@+-]+$")
    role: Literal["developer", "viewer", "approver"] = "developer"
    environments: tuple[str, ...] = Field((), max_length=20, description="Only in these; empty: in all.")
    expires_in_days: int = Field(90, ge=1, le=366)


class MachineShown(Model):
    """A machine as it is listed; `token` itself only in the answer that makes it."""

    id: str
    name: str
    role: str = ""
    environments: tuple[str, ...] = ()
    created_at: str = ""
    expires_at: str = Field("", description="Empty: its token has ended.")
    token: str | None = None


@router.get("", operation_id="listMachines", summary="The machines of a tenant")
async def list_machines(ctx: ContextDep, caller: CallerDep, tenant: str) -> Response:
    """Every machine of the tenant, for its owners."""
    found = await provisioning.may_change_members(ctx, caller, tenant)
    return json_response({"items": [await _shown(ctx, found, machine) for machine in await _machines(ctx, tenant)]})


@router.post(
    "",
    status_code=201,
    operation_id="createMachine",
    summary="Make a machine and its token",
    responses={201: {"model": MachineShown}},
    openapi_extra=body_schema("NewMachine"),
)
async def create_machine(request: Request, ctx: ContextDep, caller: CallerDep, tenant: str) -> Response:
    """A machine, a member of the tenant; its token is shown this once."""
    given = await read_model(request, NewMachine)
    found = await provisioning.may_change_members(ctx, caller, tenant)
    provisioning.known_environments(found, given.environments)
    if len(await _machines(ctx, tenant)) >= MOST:
        raise Problem("refused", f"The tenant has {MOST} machines. Remove one first.")
    machine = await provisioning.new_machine(ctx, found, given.name, caller.request_id)
    name = machine.metadata.name
    entry: dict[str, Any] = {"person": name, "role": given.role}
    if given.environments:
        entry["environments"] = list(given.environments)
    try:
        await provisioning.add_member(caller, tenant, entry)
    except Problem:
        await provisioning.remove_machine(ctx, name)
        raise
    lifetime = timedelta(days=given.expires_in_days)
    record, token = await ctx.people.new_token(name, machine.metadata.uid, given.name, "named", lifetime)
    shown = MachineShown(
        id=name,
        name=given.name,
        role=given.role,
        environments=given.environments,
        created_at=timestamp(record.created),
        expires_at=timestamp(record.expires),
        token=token,
    )
    return json_response(shown.wire(), 201)


@router.delete("/{id}", status_code=204, operation_id="deleteMachine", summary="Remove a machine")
async def delete_machine(ctx: ContextDep, caller: CallerDep, tenant: str, id: str) -> Response:
    """End a machine: its token, its membership, what it holds for kubectl."""
    await provisioning.may_change_members(ctx, caller, tenant)
    if id not in {machine.metadata.name for machine in await _machines(ctx, tenant)}:
        raise not_found(f"machine {id[:40]!r} of {tenant}")
    await provisioning.remove_member(caller, tenant, id)
    await provisioning.remove_machine(ctx, id)
    return Response(status_code=204)


async def _machines(ctx: Context, tenant: str) -> list[User]:
    users = [User.parse(raw) for raw in await ctx.client.list(API_VERSION, User.KIND) if _of(raw) == tenant]
    return sorted(users, key=lambda user: (user.spec.title, user.metadata.name))


def _of(raw: Any) -> str:
    return str((raw.get("spec") or {}).get("machineOf", ""))


async def _shown(ctx: Context, tenant: Tenant, machine: User) -> dict[str, Any]:
    tokens = await ctx.people.tokens(machine.metadata.name)
    member = next((item for item in tenant.spec.members if item.person == machine.metadata.name), None)
    return MachineShown(
        id=machine.metadata.name,
        name=machine.spec.title,
        role=member.role if member else "",
        environments=member.environments if member else (),
        created_at=timestamp(tokens[-1].created) if tokens else "",
        expires_at=timestamp(tokens[-1].expires) if tokens else "",
    ).wire()
