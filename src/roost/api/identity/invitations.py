"""Invitations: a link that makes somebody a member of a tenant, once and within some days.

What it is worth is decided when it is taken up, by the rights of who made it: who may no longer say who is in the
tenant invites nobody. Only the hash of the link's secret is kept.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from roost.adapters.oidc import Identity
from roost.api.bodies import body_schema, json_response, read_model
from roost.api.context import CallerDep, Context, ContextDep, address
from roost.api.identity import provisioning
from roost.api.identity.records import TENANT, Owner, Record, Records
from roost.api.limits import refuse_when_spent
from roost.api.session import own_user, signed_in
from roost.kube.errors import AlreadyExists
from roost.model.conditions import timestamp
from roost.model.kinds.people import User, UserSpec
from roost.model.names import NameRefused
from roost.model.resource import Model
from roost.surface.credentials import PasswordRefused, hash_password, hash_token, token_fits
from roost.surface.people import person_name
from roost.surface.problems import Problem, invalid, not_found

router = APIRouter(tags=["Invitation"])
_TOKEN: Final = re.compile(r"^rsi_([0-9a-f]{16})_[A-Za-z0-9_-]{43}\Z")
MOST: Final = 100


class NewInvitation(Model):
    """Whom to invite, and as what."""

    mail: str = Field("", max_length=200, description="Who signs in through the provider must have this address.")
    title: str = Field("", max_length=100, description="The name that people see.")
    role: Literal["owner", "developer", "viewer", "approver"] = "developer"
    environments: tuple[str, ...] = Field((), max_length=20, description="Only in these; empty: in all.")
    expires_in_days: int = Field(7, ge=1, le=30)


class InvitationShown(Model):
    """An invitation as it is listed; `token` and `url` only in the answer that makes it."""

    id: str
    mail: str
    title: str
    role: str
    environments: tuple[str, ...]
    by: str
    expires_at: str
    token: str | None = None
    url: str | None = None


class Acceptance(Model):
    """How somebody takes an invitation up. Who is signed in gives the token alone; others a name and a password."""

    token: str = Field(max_length=100)
    name: str = Field("", max_length=40, description="The id to have here; it never changes.")
    title: str = Field("", max_length=100)
    password: str = Field("", max_length=200)


@dataclass(frozen=True)
class Valid:
    """An invitation that can be taken up now, and who made it."""

    record: Record
    inviter: User

    @property
    def tenant(self) -> str:
        """The tenant that it leads into."""
        return str(self.record.content["tenant"])

    def entry(self, person: str) -> dict[str, Any]:
        """The member that it makes of somebody."""
        environments = list(self.record.content["environments"])
        found: dict[str, Any] = {"person": person, "role": self.record.content["role"]}
        return found | ({"environments": environments} if environments else {})


def records(ctx: Context) -> Records:
    """Where invitations are kept."""
    return Records("invitation", ctx.client, ctx.clock)


def _shown(record: Record) -> dict[str, Any]:
    held = record.content
    return InvitationShown(
        id=record.id,
        mail=held["mail"],
        title=held["title"],
        role=held["role"],
        environments=tuple(held["environments"]),
        by=record.owner.person,
        expires_at=timestamp(record.expires) if record.expires else "",
    ).wire()


@router.post(
    "/v1/tenants/{tenant}/invitations",
    status_code=201,
    operation_id="createInvitation",
    summary="Invite somebody into a tenant",
    responses={201: {"model": InvitationShown}},
    openapi_extra=body_schema("NewInvitation"),
)
async def create_invitation(request: Request, ctx: ContextDep, caller: CallerDep, tenant: str) -> Response:
    """A link for somebody; it is shown this once."""
    given = await read_model(request, NewInvitation)
    found = await provisioning.may_change_members(ctx, caller, tenant)
    provisioning.known_environments(found, given.environments)
    if len(await records(ctx).list(f"{TENANT}={tenant}")) >= MOST:
        raise Problem("refused", f"{MOST} invitations are open. Take one back first.")
    user = await own_user(ctx, caller)
    id_ = secrets.token_hex(8)
    token = f"rsi_{id_}_{secrets.token_urlsafe(32)}"
    expires = ctx.clock() + timedelta(days=given.expires_in_days)
    content = {
        "tenant": tenant,
        "tenantUid": found.metadata.uid,
        "mail": given.mail.lower(),
        "title": given.title,
        "role": given.role,
        "environments": list(given.environments),
        "hash": hash_token(token),
    }
    owner = Owner(caller.person, user.metadata.uid)
    await records(ctx).add(id_, owner, content, expires, {TENANT: tenant})
    shown = _shown(Record(id_, owner, content, expires, ""))
    url = f"https://api.{ctx.settings.domain}/invitation?token={quote(token)}"
    return json_response({**shown, "token": token, "url": url}, 201)


@router.get("/v1/tenants/{tenant}/invitations", operation_id="listInvitations", summary="Open invitations")
async def list_invitations(ctx: ContextDep, caller: CallerDep, tenant: str) -> Response:
    """What is open, without the links."""
    await provisioning.may_change_members(ctx, caller, tenant)
    return json_response({"items": [_shown(record) for record in await records(ctx).list(f"{TENANT}={tenant}")]})


@router.delete(
    "/v1/tenants/{tenant}/invitations/{id}",
    status_code=204,
    operation_id="deleteInvitation",
    summary="Take an invitation back",
)
async def delete_invitation(ctx: ContextDep, caller: CallerDep, tenant: str, id: str) -> Response:
    """The link leads nowhere from now on."""
    await provisioning.may_change_members(ctx, caller, tenant)
    found = [record for record in await records(ctx).list(f"{TENANT}={tenant}") if record.id == id]
    if not found or not await records(ctx).take(found[0]):
        raise not_found(f"invitation {id[:40]!r} of {tenant}")
    return Response(status_code=204)


@router.post(
    "/v1/invitations/accept",
    status_code=201,
    operation_id="acceptInvitation",
    summary="Take an invitation up",
    openapi_extra=body_schema("Acceptance"),
)
async def accept_invitation(request: Request, ctx: ContextDep) -> Response:
    """Become somebody here with a name and a password, and a member; signs in like `POST /v1/session`."""
    given = await read_model(request, Acceptance)
    valid = await look(ctx, given.token, address(request))
    user = await become(ctx, valid, given, request_id_of(request))
    return json_response((await signed_in(ctx, user, initial=False)).wire(), 201)


@router.post(
    "/v1/me/invitations",
    status_code=204,
    operation_id="joinTenant",
    summary="Take an invitation up as who I am",
    openapi_extra=body_schema("Acceptance"),
)
async def join(request: Request, ctx: ContextDep, caller: CallerDep) -> Response:
    """Become a member of one more tenant."""
    given = await read_model(request, Acceptance)
    if caller.principal.machine:
        raise Problem("forbidden", "Machines are not invited.")
    valid = await look(ctx, given.token, address(request))
    await enter(ctx, valid, await own_user(ctx, caller), caller.request_id)
    return Response(status_code=204)


def request_id_of(request: Request) -> str:
    """The id of the request."""
    return str(request.scope.get("roost.request_id", ""))


async def look(ctx: Context, token: str, address_: str) -> Valid:
    """The invitation of that link; Problem not-found where it leads nowhere (any more)."""
    key = f"address:{address_}"
    refuse_when_spent(ctx.requests, key, "Too many requests from your address. Slow down.")
    ctx.requests.take(key)
    match = _TOKEN.match(token)
    record = await records(ctx).find(match.group(1)) if match else None
    nowhere = not_found("such invitation: it was used, taken back, or its time is over. Ask for a new one")
    if record is None or not token_fits(str(record.content["hash"]), token):
        raise nowhere
    inviter = await ctx.people.user(record.owner.person)
    if inviter is None or inviter.metadata.uid != record.owner.uid or inviter.spec.disabled:
        raise nowhere
    raw = await ctx.client.get("roost.dev/v1alpha1", "Tenant", str(record.content["tenant"]))
    if raw is None or raw["metadata"]["uid"] != record.content["tenantUid"]:
        raise nowhere
    return Valid(record, inviter)


async def become(ctx: Context, valid: Valid, given: Acceptance, request_id: str) -> User:
    """A new person with a password, a member of the tenant. Everything is checked before the link is used up."""
    try:
        name = person_name(given.name)
    except NameRefused as error:
        raise invalid("name", str(error)) from error
    try:
        hash_password(given.password)
    except PasswordRefused as error:
        raise invalid("password", str(error)) from error
    if await ctx.people.user(name) is not None:
        raise invalid("name", f"{name!r} is taken. If that is you, sign in first.")
    await _use_up(ctx, valid, name, request_id)
    spec = UserSpec(title=given.title or valid.record.content["title"], mail=valid.record.content["mail"])
    try:
        user = await provisioning.new_person(ctx, name, spec, request_id)
    except AlreadyExists as error:
        raise invalid("name", f"{name!r} was taken just now. Ask for a new invitation.") from error
    await ctx.people.set_password(name, user.metadata.uid, given.password, initial=False)
    await _enter(ctx, valid, name, request_id)
    return user


async def become_identity(ctx: Context, valid: Valid, identity: Identity, request_id: str) -> User:
    """The person of a provider's identity (a new one where it is nobody yet), a member of the tenant."""
    mail = str(valid.record.content["mail"])
    if mail and (not identity.mail_verified or identity.mail != mail):
        raise Problem("forbidden", f"This invitation is for {mail}; you signed in as {identity.mail or 'nobody'}.")
    user = await provisioning.known(ctx, identity)
    await _use_up(ctx, valid, user.metadata.name if user else "somebody", request_id)
    user = user or await provisioning.person_for(ctx, identity, request_id)
    await _enter(ctx, valid, user.metadata.name, request_id)
    return user


async def enter(ctx: Context, valid: Valid, user: User, request_id: str) -> None:
    """Make somebody who is known here a member."""
    await _use_up(ctx, valid, user.metadata.name, request_id)
    await _enter(ctx, valid, user.metadata.name, request_id)


async def _use_up(ctx: Context, valid: Valid, person: str, request_id: str) -> None:
    inviter = provisioning.as_person(ctx, valid.inviter, request_id)
    await provisioning.add_member(inviter, valid.tenant, valid.entry(person), dry_run=True)
    if not await records(ctx).take(valid.record):
        raise not_found("such invitation: it was used just now")


async def _enter(ctx: Context, valid: Valid, person: str, request_id: str) -> None:
    await provisioning.add_member(
        provisioning.as_person(ctx, valid.inviter, request_id), valid.tenant, valid.entry(person)
    )
