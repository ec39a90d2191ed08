"""Signing in and out, the caller's own page, passwords and tokens. Secrets are shown once and stored as hashes."""

from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from roost.api.bodies import body_schema, json_response, read_model
from roost.api.context import Caller, CallerDep, Context, ContextDep, address
from roost.api.tenants import memberships, sees
from roost.model.conditions import timestamp
from roost.model.kinds.people import User
from roost.model.kinds.tenant import Tenant
from roost.model.resource import Model
from roost.surface.credentials import PasswordRefused
from roost.surface.people import MAX_TOKENS, Token
from roost.surface.principal import Principal
from roost.surface.problems import Problem, forbidden, invalid, not_found, unauthenticated

router = APIRouter(prefix="/v1", tags=["Session"])
SESSION: Final = timedelta(days=14)


class SignIn(Model):
    """A name and its password."""

    name: str = Field(min_length=1, max_length=40)
    password: str = Field(min_length=1, max_length=200)


class Session(Model):
    """A signed-in session."""

    token: str
    expires_at: str
    person: str
    initial_password: bool = Field(description="The password was made by somebody else: change it.")


class NewPassword(Model):
    """A change of one's own password."""

    old: str = Field(max_length=200)
    new: str = Field(max_length=200)


class NewToken(Model):
    """What a token is to be."""

    name: str = Field(min_length=1, max_length=60, pattern=r"^[\w .:@+-]+$")
    expires_in_days: int = Field(90, ge=1, le=366)


class TokenShown(Model):
    """A token as it is listed; `token` itself only in the answer that makes it."""

    id: str
    name: str
    created_at: str
    expires_at: str
    session: bool = Field(description="Made by signing in.")
    token: str | None = None


async def own_user(ctx: Context, caller: Caller) -> User:
    """The caller's User; Problem unauthenticated when it has just gone."""
    user = await ctx.people.user(caller.person)
    if user is None:
        raise unauthenticated("You are no longer known here.")
    return user


def _shown(record: Token, token: str | None = None) -> dict[str, Any]:
    return TokenShown(
        id=record.id,
        name=record.title,
        created_at=timestamp(record.created),
        expires_at=timestamp(record.expires),
        session=record.sort == "session",
        token=token,
    ).wire()


async def _room_for_token(ctx: Context, person: str) -> None:
    held = await ctx.people.tokens(person)
    sessions = [record for record in held if record.sort == "session"]
    # Old sessions make room by themselves; named tokens are somebody's to remove.
    for record in sessions[: max(0, len(sessions) - MAX_TOKENS // 2 + 1)]:
        await ctx.people.revoke(record.id)
    if len(held) - len(sessions) >= MAX_TOKENS // 2:
        raise Problem("refused", f"You have {MAX_TOKENS // 2} tokens. Revoke one first.")


async def signed_in(ctx: Context, user: User, initial: bool) -> Session:
    """A new session of somebody who has just shown who they are."""
    person = user.metadata.name
    await _room_for_token(ctx, person)
    record, token = await ctx.people.new_token(person, user.metadata.uid, "session", "session", SESSION)
    return Session(token=token, expires_at=timestamp(record.expires), person=person, initial_password=initial)


@router.post(
    "/session",
    status_code=201,
    operation_id="signIn",
    summary="Sign in",
    responses={201: {"model": Session}},
    openapi_extra=body_schema("SignIn"),
)
async def sign_in(request: Request, ctx: ContextDep) -> Response:
    """A token for a name and a password."""
    given = await read_model(request, SignIn)
    user, initial = await ctx.authentication.password(given.name, given.password, address(request))
    return json_response((await signed_in(ctx, user, initial)).wire(), 201)


@router.delete("/session", status_code=204, operation_id="signOut", summary="Sign out")
async def sign_out(ctx: ContextDep, caller: CallerDep) -> Response:
    """End the token that the request carries."""
    if caller.principal.token_id is not None:
        await ctx.people.revoke(caller.principal.token_id)
    ctx.authentication.forget()
    return Response(status_code=204)


@router.get("/me", operation_id="me", summary="Who am I")
async def me(ctx: ContextDep, caller: CallerDep) -> Response:
    """The caller, and the tenants that they see."""
    user = await own_user(ctx, caller)
    seen = [tenant for tenant in await ctx.tenants.all() if sees(caller.principal, tenant)]
    return json_response(
        {
            "person": caller.person,
            "title": user.spec.title,
            "mail": user.spec.mail,
            "platformRole": user.spec.platform_role,
            "tenants": [_tenant_line(caller.principal, tenant) for tenant in seen],
        }
    )


def _tenant_line(principal: Principal, tenant: Tenant) -> dict[str, Any]:
    mine = memberships(principal, tenant)
    everywhere = [item.name for item in tenant.spec.environments]
    return {
        "name": tenant.metadata.name,
        "title": tenant.spec.title,
        "role": mine[0].role if mine else "",
        "environments": everywhere,
        "roles": [{"role": item.role, "environments": list(item.environments) or everywhere} for item in mine],
    }


@router.put(
    "/me/password",
    status_code=204,
    operation_id="changePassword",
    summary="Change my password",
    openapi_extra=body_schema("NewPassword"),
)
async def change_password(request: Request, ctx: ContextDep, caller: CallerDep) -> Response:
    """Change the caller's own password; tokens stay."""
    given = await read_model(request, NewPassword)
    user, _ = await ctx.authentication.password(caller.person, given.old, address(request))
    try:
        await ctx.people.set_password(caller.person, user.metadata.uid, given.new, initial=False)
    except PasswordRefused as error:
        raise invalid("new", str(error)) from error
    ctx.authentication.forget()
    return Response(status_code=204)


@router.get("/tokens", operation_id="listTokens", summary="My tokens")
async def list_tokens(ctx: ContextDep, caller: CallerDep) -> Response:
    """The caller's tokens, without the tokens themselves."""
    return json_response({"items": [_shown(record) for record in await ctx.people.tokens(caller.person)]})


@router.post(
    "/tokens",
    status_code=201,
    operation_id="createToken",
    summary="Make a token",
    responses={201: {"model": TokenShown}},
    openapi_extra=body_schema("NewToken"),
)
async def create_token(request: Request, ctx: ContextDep, caller: CallerDep) -> Response:
    """A token of one's own; it is shown this once."""
    given = await read_model(request, NewToken)
    if caller.principal.machine:
        raise forbidden("A machine makes no tokens: an owner of its tenant does.")
    user = await own_user(ctx, caller)
    await _room_for_token(ctx, caller.person)
    lifetime = timedelta(days=given.expires_in_days)
    record, token = await ctx.people.new_token(caller.person, user.metadata.uid, given.name, "named", lifetime)
    return json_response(_shown(record, token), 201)


@router.delete("/tokens/{id}", status_code=204, operation_id="revokeToken", summary="Revoke a token")
async def revoke_token(ctx: ContextDep, caller: CallerDep, id: str) -> Response:
    """End one of the caller's tokens."""
    if id not in {record.id for record in await ctx.people.tokens(caller.person)}:
        raise not_found(f"token {id[:40]!r} of yours")
    await ctx.people.revoke(id)
    ctx.authentication.forget()
    return Response(status_code=204)
