"""Users: administrators make, change and remove people. RBAC decides who may, as everywhere.

Listing, watching, reading and replacing are the generic routes (`places`).
"""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from roost.api import kinds as shapes
from roost.api.bodies import body_schema, json_response, parse, read_json, read_model
from roost.api.context import Caller, CallerDep, ContextDep
from roost.api.errors import from_kube
from roost.api.objects import MANAGER, Collection, DryRun, IfMatch, tagged, version_of
from roost.kube.errors import KubeError
from roost.model.kinds.people import User, UserSpec
from roost.model.names import NameRefused
from roost.model.resource import Model
from roost.surface.people import person_name
from roost.surface.problems import invalid

router = APIRouter(prefix="/v1/users", tags=["User"])


class NewUser(UserSpec):
    """A person to be."""

    name: str = Field(max_length=40, description="The immutable id.")


class UserPatch(Model):
    """What changes of a person."""

    title: str | None = Field(None, max_length=100)
    mail: str | None = Field(None, max_length=200)
    platform_role: str | None = None
    disabled: bool | None = None


class NewUserShown(Model):
    """A person that was made."""

    user: User
    password: str = Field(description="Shown this once.")


def _users(caller: Caller) -> Collection:
    return Collection(User, None, caller.client, caller)


@router.post(
    "",
    status_code=201,
    operation_id="createUser",
    summary="Make a person",
    responses={201: {"model": NewUserShown}},
    openapi_extra=body_schema("NewUser"),
)
async def create_user(request: Request, ctx: ContextDep, caller: CallerDep, dry_run: DryRun = False) -> Response:
    """A person with a first password, which is shown this once."""
    given = await read_model(request, NewUser)
    try:
        name = person_name(given.name)
    except NameRefused as error:
        raise invalid("name", str(error)) from error
    spec = UserSpec.model_validate(given.model_dump(exclude={"name"}))
    manifest = shapes.sign(User.manifest(name, spec), caller.person, caller.request_id)
    try:
        raw = await caller.client.create(manifest, MANAGER, dry_run)
    except KubeError as error:
        raise from_kube(error, f"person {name!r}") from error
    if dry_run:
        return json_response({"user": shapes.shown(raw), "password": ""}, 201)
    await ctx.people.ensure_account(name)
    password = await ctx.people.new_password(name, raw["metadata"]["uid"])
    return json_response({"user": shapes.shown(raw), "password": password}, 201)


@router.patch(
    "/{name}",
    operation_id="patchUser",
    summary="Change a person",
    responses={200: {"model": User}},
    openapi_extra=body_schema("UserPatch"),
)
async def patch_user(
    request: Request, ctx: ContextDep, caller: CallerDep, name: str, if_match: IfMatch = None, dry_run: DryRun = False
) -> Response:
    """Change or disable a person; who is disabled is refused at once."""
    body = await read_json(request)
    given = parse(UserPatch, body.get("spec", body) if set(body) == {"spec"} else body)
    changes = {"spec": given.model_dump(by_alias=True, exclude_none=True)}
    users = _users(caller)
    raw = await users.change(
        name,
        lambda current: shapes.patched(User, current, changes),
        version_of(if_match),
        dry_run,
    )
    ctx.authentication.forget()
    return tagged(raw)


@router.post("/{name}/password", status_code=201, operation_id="resetPassword", summary="Give a new first password")
async def reset_password(ctx: ContextDep, caller: CallerDep, name: str) -> Response:
    """A new first password; every token of the person ends."""
    users = _users(caller)
    # Whoever may change the person may do this; the change itself also records who did it.
    raw = await users.change(name, lambda current: current)
    password = await ctx.people.new_password(name, raw["metadata"]["uid"])
    ctx.authentication.forget()
    return json_response({"password": password}, 201)


@router.delete("/{name}", status_code=202, operation_id="deleteUser", summary="Remove a person")
async def delete_user(
    ctx: ContextDep, caller: CallerDep, name: str, if_match: IfMatch = None, dry_run: DryRun = False
) -> Response:
    """Remove a person, with password and tokens."""
    await _users(caller).delete(name, version_of(if_match), dry_run)
    if not dry_run:
        await ctx.people.remove(name)
        ctx.authentication.forget()
    return json_response({}, 202)
