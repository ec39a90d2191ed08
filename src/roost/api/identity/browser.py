"""Signing in and out in a browser: by name and password, or through the site's OpenID provider (code flow with PKCE).

What a sign-in must remember between two requests is sealed into a cookie of the browser that began it, so any replica
goes on with it and nobody else's browser can. Every form is taken from our own pages only.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import escape
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from roost.adapters.oidc import Begun, Identity, Provider, ProviderFailed, SignInRefused, read_registration
from roost.api.context import Context, ContextDep, address, authenticate
from roost.api.identity import device, invitations, provisioning
from roost.api.identity.cookies import SESSION as COOKIE
from roost.api.identity.cookies import SIGN_IN, clear_cookie, same_origin, seal, set_cookie, unseal
from roost.api.identity.pages import Words, button, field, form, link, page, paragraph
from roost.api.limits import refuse_when_spent
from roost.api.session import SESSION, own_user, signed_in
from roost.model.kinds.people import User
from roost.surface.problems import Problem, forbidden, unavailable

router = APIRouter(include_in_schema=False)
_LOG = logging.getLogger("roost.api")
BEGUN: Final = timedelta(minutes=10)
HOME: Final = "/account"


def shown(route: Callable[[Request, Context, Words], Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    """A route that a browser asks for: its problems are pages, and its forms come from our own pages."""

    async def answer(request: Request, ctx: ContextDep) -> Response:
        say = Words(request.headers.get("accept-language", ""))
        try:
            if request.method == "POST" and not same_origin(request):
                raise forbidden("This form comes from a page of another origin.")
            return await route(request, ctx, say)
        except Problem as problem:
            if problem.kind == "unauthenticated" and request.method == "GET":
                here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                return RedirectResponse(f"/signin?next={quote(here, safe='')}", 303)
            told = page(say, "It did not work", [paragraph(escape(problem.detail), error=True)], problem.status)
            told.headers.update(problem.headers)
            return told

    return answer


def local(target: str) -> str:
    """Where to go on: a path of this server, never another place."""
    fine = target.startswith("/") and not target.startswith(("//", "/\\")) and "\\" not in target
    return target if fine and target.isprintable() else HOME


def provider(ctx: Context) -> Provider | None:
    """The site's provider; None where there is none."""
    registration = read_registration(ctx.settings.oidc)
    if registration is None:
        return None
    kept = ctx.providers.get(registration)
    if kept is None:
        ctx.providers.clear()
        try:
            kept = ctx.providers[registration] = Provider(registration, ctx.clock)
        except ProviderFailed as error:
            raise unavailable(str(error)) from error
    return kept


def callback_url(ctx: Context, request: Request) -> str:
    """Where the provider sends the browser back to: the host that the browser used."""
    return f"{request.url.scheme}://{request.headers.get('host', f'api.{ctx.settings.domain}')}/signin/callback"


async def _start(ctx: Context, user: User, target: str) -> Response:
    session = await signed_in(ctx, user, initial=False)
    answer = RedirectResponse(local(target), 303)
    set_cookie(answer, COOKIE, session.token, SESSION)
    clear_cookie(answer, SIGN_IN)
    return answer


async def _person(request: Request, ctx: Context) -> User:
    """Who is signed in, with the cookie or a token."""
    caller = await authenticate(request)
    if caller.principal.machine:
        raise forbidden("Machines do not use a browser.")
    return await own_user(ctx, caller)


@router.get("/signin")
@shown
async def sign_in_page(request: Request, ctx: Context, say: Words) -> Response:
    """The form, and the way to the provider."""
    target = local(request.query_params.get("next", HOME))
    body = [
        form(
            "/signin",
            [
                field(say, "name", "Name", complete="username"),
                field(say, "password", "Password", "password", complete="current-password"),
            ],
            {"next": target},
            [button(say, "Sign in")],
        )
    ]
    found = provider(ctx)
    if found is not None:
        title = found.registration.title or found.registration.issuer.partition("://")[2]
        body.append(link(f"/signin/oidc?{urlencode({'next': target})}", say("Sign in with {title}", title=title)))
    return page(say, "Sign in", body)


@router.post("/signin")
@shown
async def sign_in(request: Request, ctx: Context, say: Words) -> Response:
    """By name and password."""
    given = await device.form(request)
    user, _ = await ctx.authentication.password(given.get("name", ""), given.get("password", ""), address(request))
    return await _start(ctx, user, given.get("next", HOME))


@router.get("/signin/oidc")
@shown
async def begin(request: Request, ctx: Context, say: Words) -> Response:
    """Off to the provider."""
    key = f"address:{address(request)}"
    refuse_when_spent(ctx.requests, key, "Too many requests from your address. Slow down.")
    ctx.requests.take(key)
    found = provider(ctx)
    if found is None:
        raise Problem("refused", "No provider is set up here: sign in by name and password.")
    try:
        begun = await found.begin(callback_url(ctx, request))
    except ProviderFailed as error:
        raise _failed(error) from error
    until = ctx.clock() + BEGUN
    content = {
        "state": begun.state,
        "nonce": begun.nonce,
        "verifier": begun.verifier,
        "issuer": found.registration.issuer,
        "next": local(request.query_params.get("next", HOME)),
        "invitation": request.query_params.get("invitation", "")[:100],
    }
    answer = RedirectResponse(begun.url, 303)
    set_cookie(answer, SIGN_IN, seal(ctx.registry_key(), "signin", content, until), BEGUN)
    return answer


@router.get("/signin/callback")
@shown
async def callback(request: Request, ctx: Context, say: Words) -> Response:
    """Back from the provider: who it is decides what comes of it."""
    found = provider(ctx)
    begun = unseal(ctx.registry_key(), "signin", request.cookies.get(SIGN_IN, ""), ctx.clock())
    if found is None or begun is None or begun["issuer"] != found.registration.issuer:
        raise forbidden("This sign-in was not begun in this browser, or too long ago. Begin anew.")
    answer = dict(request.query_params)
    try:
        identity = await found.finish(
            answer, Begun("", begun["state"], begun["nonce"], begun["verifier"]), callback_url(ctx, request)
        )
    except SignInRefused as error:
        raise forbidden(f"{error} Begin anew.") from error
    except ProviderFailed as error:
        raise _failed(error) from error
    user = await _somebody(ctx, identity, begun, found, request)
    await provisioning.note_groups(ctx, user, identity)
    return await _start(ctx, user, begun["next"])


async def _somebody(ctx: Context, identity: Identity, begun: dict[str, Any], found: Provider, request: Request) -> User:
    """Invited, known, or of an allowed domain; Problem forbidden for everybody else."""
    request_id = invitations.request_id_of(request)
    if begun["invitation"]:
        valid = await invitations.look(ctx, begun["invitation"], address(request))
        return await invitations.become_identity(ctx, valid, identity, request_id)
    user = await provisioning.known(ctx, identity)
    if user is not None:
        return user
    if not provisioning.of_allowed_domain(identity, found.registration.domains):
        raise forbidden("You are not known here. Ask an owner of your team for an invitation (`roost tenant invite`).")
    return await provisioning.person_for(ctx, identity, request_id)


def _failed(error: ProviderFailed) -> Problem:
    _LOG.warning("the OpenID provider fails", extra={"cause": str(error)[:500]})
    return unavailable("The provider does not answer as it should. Operators find the cause in the API's log.")


@router.get(HOME)
@shown
async def account(request: Request, ctx: Context, say: Words) -> Response:
    """Who is signed in here."""
    user = await _person(request, ctx)
    body = [
        paragraph(say("You are {person}.", person=user.metadata.name)),
        form("/signout", [], {}, [button(say, "Sign out")]),
    ]
    return page(say, "Signed in", body)


@router.post("/signout")
@shown
async def sign_out(request: Request, ctx: Context, say: Words) -> Response:
    """The session ends at the server, and the browser forgets it."""
    caller = await authenticate(request)
    if caller.principal.token_id is not None:
        await ctx.people.revoke(caller.principal.token_id)
    ctx.authentication.forget()
    answer = RedirectResponse("/signin", 303)
    clear_cookie(answer, COOKIE)
    return answer


@router.get("/device")
@shown
async def device_page(request: Request, ctx: Context, say: Words) -> Response:
    """Which terminal, and whether that is meant."""
    user = await _person(request, ctx)
    code = device.read_code(request.query_params.get("code", ""))
    if code is None:
        asking = f'<form method="get" action="/device">{field(say, "code", "Code")}{button(say, "Go on")}</form>'
        return page(say, "Sign a terminal in", [asking])
    words = say(
        "A terminal shows the code {code} and wants to work as {person}.",
        code=device.spelled(code),
        person=user.metadata.name,
    )
    buttons = [button(say, "Allow", "allow"), button(say, "Refuse", "refuse", plain=True)]
    asked = [paragraph(words), paragraph(say("Only if you have just started it yourself."))]
    return page(say, "Sign a terminal in", [*asked, form("/device", [], {"code": code}, buttons)])


@router.post("/device")
@shown
async def device_decision(request: Request, ctx: Context, say: Words) -> Response:
    """Let the terminal in, or not."""
    user = await _person(request, ctx)
    given = await device.form(request)
    code = device.read_code(given.get("code", ""))
    if code is None:
        raise Problem("refused", "This is no code of a terminal.")
    allowed = given.get("decision") == "allow"
    await device.decide(ctx, user, code, allowed)
    told = "It is signed in. You may close this page." if allowed else "It is refused. You may close this page."
    return page(say, "Sign a terminal in", [paragraph(say(told))])


@router.get("/invitation")
@shown
async def invitation_page(request: Request, ctx: Context, say: Words) -> Response:
    """Who invites into what, and the ways to take it up."""
    token = request.query_params.get("token", "")[:100]
    valid = await invitations.look(ctx, token, address(request))
    told = say(
        "{inviter} invites you into {tenant} as {role}.",
        inviter=valid.inviter.spec.title or valid.inviter.metadata.name,
        tenant=valid.tenant,
        role=str(valid.record.content["role"]),
    )
    try:
        person = (await _person(request, ctx)).metadata.name
    except Problem:
        return page(say, "Invitation", [paragraph(told), *_ways(ctx, say, token)])
    joining = form("/invitation", [], {"token": token}, [button(say, "Join as {person}", person=person)])
    return page(say, "Invitation", [paragraph(told), joining])


def _ways(ctx: Context, say: Words, token: str) -> list[str]:
    fields = [
        field(say, "name", "Name", complete="username"),
        field(say, "password", "Password", "password", complete="new-password"),
    ]
    here = quote(f"/invitation?token={token}", safe="")
    ways = [
        paragraph(say("Choose a name and a password, or sign in first if you are known here.")),
        form("/invitation", fields, {"token": token}, [button(say, "Join")]),
        link(f"/signin?next={here}", say("Sign in")),
    ]
    found = provider(ctx)
    if found is not None:
        title = found.registration.title or found.registration.issuer.partition("://")[2]
        ways.append(link(f"/signin/oidc?{urlencode({'invitation': token})}", say("Sign in with {title}", title=title)))
    return ways


@router.post("/invitation")
@shown
async def invitation_taken(request: Request, ctx: Context, say: Words) -> Response:
    """Take it up, as who one is or as somebody new."""
    given = await device.form(request)
    valid = await invitations.look(ctx, given.get("token", ""), address(request))
    request_id = invitations.request_id_of(request)
    if not given.get("name"):
        await invitations.enter(ctx, valid, await _person(request, ctx), request_id)
        return page(say, "Invitation", [paragraph(say("You are in {tenant}.", tenant=valid.tenant))])
    wanted = invitations.Acceptance(
        token=given["token"][:100], name=given["name"][:40], password=given.get("password", "")[:200]
    )
    return await _start(ctx, await invitations.become(ctx, valid, wanted, request_id), HOME)
