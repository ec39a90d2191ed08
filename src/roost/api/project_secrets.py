"""Secrets of a project's runs: what steps may name, and what its build mounts. Written, and never given back.

They are Secrets of the tenant's build namespace (key `value`), so one that several projects name is the same for all
of them. What a person may is decided by their own rights; nobody's role in a build namespace reads Secrets.
"""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from roost.api.bodies import body_schema, json_response, read_model
from roost.api.errors import from_kube
from roost.api.hooks import Change, Followed, change, keep
from roost.kube.errors import KubeError, NotFound
from roost.model.kinds.channel import Channel
from roost.model.kinds.delivery import Project
from roost.model.names import API_VERSION, SECRET_PATTERN
from roost.model.pipeline import variable_of
from roost.surface.problems import conflict, not_found

router = APIRouter(prefix="/v1/tenants/{tenant}/projects/{name}/secrets", tags=["Sources"])
KEY: Final = "value"
Use = Literal["steps", "build"]
SecretName = Annotated[str, Path(max_length=253, pattern=SECRET_PATTERN)]


class ProjectSecret(BaseModel):
    """A secret's value, and what may have it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Beyond 128 KiB Linux gives no variable to a program; what stands beside it wants room.
    value: str = Field(min_length=1, max_length=65_536, pattern=r"^[^\x00]+$", description="Text, at most 64 KiB.")
    use: tuple[Use, ...] = Field(
        ("steps",), min_length=1, max_length=2, description="steps: as a variable. build: for RUN, by its name as id."
    )


@router.get("", operation_id="listProjectSecrets", summary="Secrets of a project's runs")
async def list_secrets(there: Change) -> Response:
    """Names and uses; no value."""
    uses = _uses(there.project)
    items = [{"name": name, "variable": variable_of(name), "use": uses[name]} for name in sorted(uses)]
    return json_response({"items": items})


def _uses(project: Project) -> dict[str, list[str]]:
    spec = project.spec
    found: dict[str, list[str]] = {name: ["steps"] for name in spec.step_secrets}
    for name in spec.build.secrets:
        found.setdefault(name, []).append("build")
    return found


@router.put(
    "/{secret}",
    operation_id="setProjectSecret",
    summary="Set a secret of a project's runs",
    status_code=204,
    openapi_extra=body_schema("ProjectSecret"),
)
async def set_secret(request: Request, there: Change, secret: SecretName) -> Response:
    """Keep the value, and let steps or builds have it from the next move of a ref on. Runs with reduced rights never
    have it.
    """
    given = await read_model(request, ProjectSecret)
    await _free(there, secret)

    def named(spec: dict[str, Any]) -> dict[str, Any]:
        wanted: dict[str, Any] = {}
        if "steps" in given.use:
            wanted["stepSecrets"] = _with(spec.get("stepSecrets"), secret)
        if "build" in given.use:
            wanted["build"] = {"secrets": _with((spec.get("build") or {}).get("secrets"), secret)}
        return wanted

    is_new = not set(given.use) <= set(_uses(there.project).get(secret, ()))
    if is_new:
        await change(there, named, f"Set secret {secret}", dry_run=True)  # A refusal leaves no Secret behind.
    await keep(there, secret, {KEY: given.value})
    if is_new:
        await change(there, named, f"Set secret {secret}")
    return Response(status_code=204)


@router.delete(
    "/{secret}", operation_id="deleteProjectSecret", summary="Remove a secret of a project's runs", status_code=204
)
async def remove_secret(there: Change, secret: SecretName) -> Response:
    """No step and no build of this project has it any more. It goes, where no other project names it."""
    if secret not in _uses(there.project):
        raise not_found(f"secret {secret!r} of project {there.project.metadata.name}")
    others = [item for item in await _projects(there) if item.metadata.name != there.project.metadata.name]
    if not any(secret in _uses(item) for item in others) and not await _other_use(there, secret):
        try:
            # First: what breaks off here is named still, and so removed by another try.
            await there.caller.client.request("DELETE", f"api/v1/namespaces/{there.space}/secrets/{secret}")
        except NotFound:
            pass
        except KubeError as error:
            raise from_kube(error, f"secret {secret!r}") from error

    def without(spec: dict[str, Any]) -> dict[str, Any]:
        build = (spec.get("build") or {}).get("secrets") or []
        return {
            "stepSecrets": [name for name in spec.get("stepSecrets") or [] if name != secret],
            "build": {"secrets": [name for name in build if name != secret]},
        }

    await change(there, without, f"Removed secret {secret}")
    return Response(status_code=204)


def _with(names: list[str] | None, name: str) -> list[str]:
    return sorted({*(names or ()), name})


async def _projects(there: Followed) -> list[Project]:
    try:
        return [Project.parse(raw) for raw in await there.caller.client.list(API_VERSION, Project.KIND, there.space)]
    except KubeError as error:
        raise from_kube(error, "projects") from error


async def _free(there: Followed, secret: str) -> None:
    """Problem conflict where the Secret of that name is there for something else: it would be overwritten unseen."""
    if use := await _other_use(there, secret):
        raise conflict(f"The secret {secret} is {use}. Take another name.")


async def _other_use(there: Followed, secret: str) -> str:
    """What else the Secret is there for; empty: nothing."""
    for project in await _projects(there):
        spec, name = project.spec, project.metadata.name
        if secret in (spec.source.credentials, f"{name}-source"):
            return f"what opens the source of project {name}"
        if secret in (spec.forge.token if spec.forge else "", f"{name}-forge"):
            return f"what project {name} talks to its forge with"
    try:
        channels = await there.caller.client.list(API_VERSION, Channel.KIND, there.space)
    except KubeError as error:
        raise from_kube(error, "channels") from error
    for raw in channels:
        if secret == Channel.parse(raw).spec.secret:
            return f"what channel {raw['metadata']['name']} is signed with"
    return ""
