"""Registry tokens: `/registry/token`, the token server that the registry points its clients to."""

from typing import Annotated, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from roost.api.access import may
from roost.api.auth import parse_basic
from roost.api.bodies import json_response
from roost.api.context import Context, ContextDep, address
from roost.model.conditions import timestamp
from roost.model.names import BUILD, namespace
from roost.surface import registry as tokens
from roost.surface.principal import Principal
from roost.surface.problems import Problem, malformed, unauthenticated

router = APIRouter(prefix="/registry", tags=["Registry"])
MAX_SCOPE: Final = 8_000


@router.get("/token", operation_id="registryToken", summary="A token for the registry")
async def token(
    request: Request,
    ctx: ContextDep,
    service: Annotated[str, Query(max_length=100)] = tokens.SERVICE,
    scope: Annotated[list[str] | None, Query(max_length=40)] = None,
) -> Response:
    """A short access token with those of the wanted scopes that the caller may have."""
    return await _answer(ctx, request, service, scope or [])


@router.post("/token", operation_id="registryTokenPost", summary="A token for the registry (form)")
async def token_form(request: Request, ctx: ContextDep) -> Response:
    """As GET, the parameters as a form (what containerd and BuildKit try first); a password may stand in it."""
    try:
        form = parse_qs((await request.body()).decode(), max_num_fields=60, strict_parsing=False)
    except (UnicodeDecodeError, ValueError) as error:
        raise malformed("Send application/x-www-form-urlencoded.") from error
    if form.get("grant_type", ["password"])[0] != "password":
        raise Problem("not-found", "Only grant_type=password is known here.")
    name, password = form.get("username", [""])[0], form.get("password", [""])[0]
    credentials = (name, password) if name else None
    return await _answer(ctx, request, form.get("service", [tokens.SERVICE])[0], form.get("scope", []), credentials)


async def _answer(
    ctx: Context, request: Request, service: str, scopes: list[str], credentials: tuple[str, str] | None = None
) -> Response:
    if service != tokens.SERVICE:
        raise malformed(f"The only service here is {tokens.SERVICE!r}.")
    if sum(len(text) for text in scopes) > MAX_SCOPE:
        raise malformed("Too many scopes.")
    try:
        wanted = tokens.parse_scopes(scopes)
    except tokens.TokenRefused as error:
        raise malformed(str(error)) from error
    subject, grants = await _grants(ctx, request, wanted, credentials)
    now = ctx.clock()
    access = tokens.allowed(wanted, grants)
    minted = tokens.mint(ctx.registry_key(), subject, access, now)
    return json_response(
        {
            "token": minted,
            "access_token": minted,
            "expires_in": int(tokens.ACCESS_TTL.total_seconds()),
            "issued_at": timestamp(now),
        }
    )


async def _grants(
    ctx: Context, request: Request, wanted: tuple[tokens.Access, ...], credentials: tuple[str, str] | None
) -> tuple[str, tuple[tokens.Grant, ...]]:
    header = request.headers.get("authorization", "")
    if credentials is None and not header:
        return "", (tokens.PULL_BASES,)
    name, secret = credentials or parse_basic(header)
    if name == tokens.MACHINE_USER:
        try:
            return tokens.read_login(ctx.registry_key(), secret, ctx.clock())
        except tokens.TokenRefused as error:
            raise unauthenticated(str(error)) from error
    principal = await ctx.authentication.named(name, secret, address(request))
    return principal.person, (tokens.PULL_BASES, *await _own(ctx, principal, wanted))


async def _own(ctx: Context, principal: Principal, wanted: tuple[tokens.Access, ...]) -> list[tokens.Grant]:
    """Pulls from those of the wanted tenants whose projects the person may read."""
    grants = []
    for tenant in sorted({access.name.partition("/")[0] for access in wanted if "/" in access.name}):
        if f"{tenant}/" == tokens.BASES:
            continue
        if await may(ctx.client, principal, "get", "projects", namespace(tenant, BUILD)):
            grants.append(tokens.Grant(f"{tenant}/", ("pull",)))
    return grants
