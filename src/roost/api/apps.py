"""Sub-resources of an App: configuration, scale, resume, deploy, instances. (`rollback` has its own module.)

Each is a small change of App.spec, made with the caller's own rights and signed with who and why. Values of secret
variables go to the Secret `<app>-config`, never into the App, a Release or an answer.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import Field

from roost.api import kinds as shapes
from roost.api import secrets
from roost.api.bodies import body_schema, json_response, read_model
from roost.api.context import CallerDep, ContextDep
from roost.api.errors import from_kube
from roost.api.instances import instance, is_ready, unhealthy
from roost.api.objects import Collection, DryRun, IfMatch, tagged, version_of
from roost.api.places import ENVIRONMENT_PREFIX
from roost.kube.errors import KubeError
from roost.model import names
from roost.model.kinds.app import IMAGE_PATTERN, App
from roost.model.names import VARIABLE_PATTERN
from roost.model.resource import Model
from roost.surface.problems import conflict, invalid

router = APIRouter(prefix=ENVIRONMENT_PREFIX + "apps/{name}", tags=["App"])
ATTEMPTS: Final = 5

VariableName = Annotated[str, Field(pattern=VARIABLE_PATTERN, max_length=127)]


class ConfigChange(Model):
    """Variables to set and to remove."""

    set: dict[VariableName, Annotated[str, Field(max_length=32768)]] = Field({}, max_length=300)
    unset: tuple[VariableName, ...] = Field((), max_length=300)
    secret: bool = Field(False, description="Those that are set are secret.")


class Scale(Model):
    """How many instances each process has."""

    processes: dict[str, Annotated[int, Field(ge=0, le=200)]] = Field(min_length=1, max_length=10)


class Deploy(Model):
    """What to run."""

    image: str = Field(pattern=IMAGE_PATTERN, max_length=400, description="By digest.")
    commit: str = Field("", max_length=64)
    run: str = Field("", max_length=63)
    runs_as_root: bool = False


async def apps(ctx: ContextDep, caller: CallerDep, tenant: str, environment: str) -> Collection:
    """The apps of the environment in the path, as the caller."""
    namespace = await ctx.tenants.environment(caller.principal, tenant, environment)
    return Collection(App, namespace, caller.client, caller)


Apps = Annotated[Collection, Depends(apps)]
_APP: Final[dict[int | str, dict[str, Any]]] = {200: {"model": App}}


@router.get("/config", operation_id="getConfig", summary="Variables")
async def get_config(there: Apps, name: str) -> Response:
    """The variables; of secret ones only the names."""
    app = await there.get(name)
    held = await secrets.read(there, name)
    plain = [{"name": item["name"], "value": item.get("value", ""), "secret": False} for item in _config(app)]
    hidden = [{"name": key, "secret": True} for key in held.data]
    return json_response({"variables": sorted([*plain, *hidden], key=lambda item: str(item["name"]))})


def _config(app: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list((app.get("spec") or {}).get("config") or [])


@router.patch(
    "/config",
    operation_id="patchConfig",
    summary="Set and remove variables",
    responses=_APP,
    openapi_extra=body_schema("ConfigChange"),
)
async def patch_config(
    request: Request, there: Apps, name: str, if_match: IfMatch = None, dry_run: DryRun = False
) -> Response:
    """Set and remove variables. A name is either plain or secret: setting it one way removes it the other way."""
    given = await read_model(request, ConfigChange)
    both = set(given.set).intersection(given.unset)
    if both:
        raise invalid("unset", f"{sorted(both)[0]} is to be set and removed at once.")
    app = await there.get(name)
    held = await secrets.read(there, name)
    known = {item["name"] for item in _config(app)} | set(held.data)
    missing = sorted(set(given.unset) - known)
    if missing:
        raise invalid("unset", f"There is no variable {missing[0]}.")
    gone = {*given.unset, *(() if given.secret else given.set)}
    added = given.set if given.secret else {}
    version = await _change_secret(there, name, added, gone, dry_run)

    def changed(current: dict[str, Any]) -> dict[str, Any]:
        return _with_config(current, given, version)

    cause = _config_cause(given)
    raw = await there.change(name, changed, version_of(if_match), dry_run, cause)
    if not dry_run:
        raw = await _agree(there, name, raw, cause)
    return tagged(raw)


async def _change_secret(there: Collection, name: str, added: Mapping[str, str], gone: set[str], dry_run: bool) -> str:
    for _ in range(ATTEMPTS):
        held = await secrets.read(there, name)
        data = {key: value for key, value in held.data.items() if key not in gone}
        data |= {key: secrets.encode(value) for key, value in added.items()}
        if data == held.data:
            return held.version
        written = await secrets.write(there, name, held, data, dry_run)
        if written is not None:
            return written
    raise conflict("The secret variables were changed meanwhile. Repeat your change.")


async def _agree(there: Collection, name: str, raw: dict[str, Any], cause: str) -> dict[str, Any]:
    """Two people may set secrets at once: the App must name what the Secret holds when all have written."""
    for _ in range(ATTEMPTS):
        version = (await secrets.read(there, name)).version
        if (raw["spec"].get("secretVersion") or "") == version:
            return raw

        def pointed(current: dict[str, Any], version: str = version) -> dict[str, Any]:
            return _patched(current, {"secretVersion": version})

        raw = await there.change(name, pointed, cause=cause)
    raise conflict("The secret variables keep changing. Look at them and repeat your change.")


def _with_config(current: dict[str, Any], given: ConfigChange, version: str) -> dict[str, Any]:
    left = {item["name"]: item.get("value", "") for item in _config(current)}
    for key in (*given.unset, *given.set):
        left.pop(key, None)
    if not given.secret:
        left |= given.set
    config = [{"name": key, "value": left[key]} for key in sorted(left)]
    return _patched(current, {"config": config, "secretVersion": version})


def _config_cause(given: ConfigChange) -> str:
    parts = []
    if given.set:
        parts.append(("Set secret " if given.secret else "Set ") + ", ".join(sorted(given.set)))
    if given.unset:
        parts.append("Removed " + ", ".join(sorted(given.unset)))
    return "; ".join(parts)


def _patched(current: dict[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    return shapes.patched(App, current, {"spec": spec})


@router.post("/scale", operation_id="scaleApp", summary="Scale", responses=_APP, openapi_extra=body_schema("Scale"))
async def scale(
    request: Request, there: Apps, name: str, if_match: IfMatch = None, dry_run: DryRun = False
) -> Response:
    """Set how many instances processes have."""
    given = await read_model(request, Scale)

    def changed(current: dict[str, Any]) -> dict[str, Any]:
        # An App that names no processes has the one that its model gives.
        processes = [item.wire() for item in App.parse(current).spec.processes]
        known = [item["name"] for item in processes]
        for process in given.processes:
            if process not in known:
                raise invalid(f"processes.{process[:40]}", f"There is no such process. There are: {', '.join(known)}.")
        for item in processes:
            item["replicas"] = given.processes.get(item["name"], item["replicas"])
        return _patched(current, {"processes": processes})

    cause = "Scaled " + ", ".join(f"{key} to {value}" for key, value in sorted(given.processes.items()))
    return tagged(await there.change(name, changed, version_of(if_match), dry_run, cause))


@router.post("/deploy", operation_id="deployApp", summary="Deploy", responses=_APP, openapi_extra=body_schema("Deploy"))
async def deploy(
    request: Request, there: Apps, name: str, if_match: IfMatch = None, dry_run: DryRun = False
) -> Response:
    """Run this image; ends a hold."""
    given = await read_model(request, Deploy)
    artefact = given.wire()

    def changed(current: dict[str, Any]) -> dict[str, Any]:
        # Whole, not merged: what is known of the image before does not hold for this one.
        current = {**current, "spec": {**(current.get("spec") or {}), "artefact": artefact}}
        return _patched(current, {"hold": None})

    digest = given.image.rpartition("@sha256:")[2][:12]
    return tagged(await there.change(name, changed, version_of(if_match), dry_run, f"Deployed image {digest}"))


@router.post("/resume", operation_id="resumeApp", summary="End a hold", responses=_APP)
async def resume(there: Apps, name: str, if_match: IfMatch = None, dry_run: DryRun = False) -> Response:
    """Let automatic promotion go on."""

    def changed(current: dict[str, Any]) -> dict[str, Any]:
        return _patched(current, {"hold": None})

    return tagged(await there.change(name, changed, version_of(if_match), dry_run, "Resumed automatic promotion"))


@router.get("/instances", operation_id="listInstances", summary="Instances")
async def instances(there: Apps, name: str) -> Response:
    """What runs now, and how it is."""
    await there.get(name)
    try:
        # A one-off command is none of its instances.
        pods = await there.client.list("v1", "Pod", there.namespace, f"{names.APP}={name},!{names.TASK}")
    except KubeError as error:
        raise from_kube(error, f"instance of {name!r}") from error
    runs = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]
    probes = await unhealthy(there.client, there.namespace or "") if not all(map(is_ready, runs)) else {}
    return json_response({"items": [instance(pod, _probe(pod, probes)) for pod in pods]})


def _probe(pod: Mapping[str, Any], probes: Mapping[str, str]) -> str:
    return "" if is_ready(pod) else probes.get(pod["metadata"]["name"], "")
