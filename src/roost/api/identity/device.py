"""Signing a terminal in by a code (RFC 8628): `roost login` shows it, a browser that is signed in lets it through.

Nothing is kept until somebody lets a code through, so nobody fills the store by asking: the device code is the sealed
user code. What was let through is a record that both replicas see, and that is taken once.
"""

import hashlib
import re
import secrets
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import Response

from roost.api.bodies import json_response
from roost.api.context import Context, ContextDep, address
from roost.api.identity.cookies import seal, unseal
from roost.api.identity.records import Owner, Records
from roost.api.limits import refuse_when_spent
from roost.api.session import signed_in
from roost.kube.errors import AlreadyExists
from roost.model.kinds.people import User
from roost.surface.problems import Problem, malformed

router = APIRouter(prefix="/v1/device", include_in_schema=False)
GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
LASTS: Final = timedelta(minutes=10)
INTERVAL_S: Final = 3
# No vowels, so that no word comes of it, and nothing that looks like something else (RFC 8628, 6.1).
_ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
_CODE: Final = re.compile(rf"^[{_ALPHABET}]{{8}}\Z")
MAX_FORM: Final = 20_000


def records(ctx: Context) -> Records:
    """What was let through."""
    return Records("device", ctx.client, ctx.clock)


async def form(request: Request) -> dict[str, str]:
    """A form's fields; Problem malformed."""
    body = await request.body()
    if len(body) > MAX_FORM:
        raise malformed("The form is too large.")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20))
    except (UnicodeDecodeError, ValueError) as error:
        raise malformed("The form cannot be read.") from error


def spelled(code: str) -> str:
    """As people read it: ABCD-EFGH."""
    return f"{code[:4]}-{code[4:]}"


def read_code(text: str) -> str | None:
    """The user code in what somebody typed; None where it is none."""
    code = re.sub(r"[^A-Za-z]", "", text).upper()
    return code if _CODE.match(code) else None


@router.post("/authorization")
async def authorization(request: Request, ctx: ContextDep) -> Response:
    """A device code for the terminal and a user code for the person."""
    _slowly(ctx, request)
    code = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    sealed = seal(ctx.registry_key(), "device", {"code": code}, ctx.clock() + LASTS)
    page = f"https://api.{ctx.settings.domain}/device"
    return json_response(
        {
            "device_code": sealed,
            "user_code": spelled(code),
            "verification_uri": page,
            "verification_uri_complete": f"{page}?code={spelled(code)}",
            "expires_in": int(LASTS.total_seconds()),
            "interval": INTERVAL_S,
        }
    )


@router.post("/token")
async def token(request: Request, ctx: ContextDep) -> Response:
    """A session for the terminal, once its code was let through; else why not, as RFC 8628 (3.5) has it."""
    try:
        _slowly(ctx, request)
    except Problem:
        return _error("slow_down")
    given = await form(request)
    if given.get("grant_type") != GRANT:
        return _error("unsupported_grant_type")
    sealed = unseal(ctx.registry_key(), "device", given.get("device_code", ""), ctx.clock())
    if sealed is None:
        return _error("expired_token")
    record = await records(ctx).find(_id(sealed["code"]))
    if record is None:
        return _error("authorization_pending")
    if not await records(ctx).take(record):
        return _error("expired_token")
    if not record.content["allowed"]:
        return _error("access_denied")
    user = await ctx.people.user(record.owner.person)
    if user is None or user.metadata.uid != record.owner.uid or user.spec.disabled:
        return _error("access_denied")
    session = await signed_in(ctx, user, initial=False)
    return json_response(
        {
            "access_token": session.token,
            "token_type": "Bearer",
            "person": session.person,
            "expires_at": session.expires_at,
        }
    )


async def decide(ctx: Context, user: User, code: str, allowed: bool) -> None:
    """Let the terminal with that code sign in as this person, or not. Problem refused where it was decided already."""
    await records(ctx).list(f"roost.dev/person={user.metadata.name}")  # Removes what is over.
    owner = Owner(user.metadata.name, user.metadata.uid)
    try:
        await records(ctx).add(_id(code), owner, {"allowed": allowed}, ctx.clock() + LASTS)
    except AlreadyExists as error:
        raise Problem("refused", "This code was used already.") from error


def _id(code: str) -> str:
    return hashlib.sha256(f"device {code}".encode()).hexdigest()[:40]


def _slowly(ctx: Context, request: Request) -> None:
    key = f"address:{address(request)}"
    refuse_when_spent(ctx.requests, key, "Too many requests from your address. Slow down.")
    ctx.requests.take(key)


def _error(name: str) -> Response:
    body: dict[str, Any] = {"error": name}
    return json_response(body, 400)
