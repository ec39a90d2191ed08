"""Going back to a version of an App, and what differs between two: sub-resources `rollback` and `difference`.

The verdict is judged from facts (`capabilities.release.checks`) that are read with the caller's own rights; what the
cluster would say to the change itself, a dry run of it tells. Only whether an image is still there is asked of the
registry as the platform, and only for a repository that this tenant may use.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field

from roost.api import domains, secrets
from roost.api import kinds as shapes
from roost.api.apps import Apps
from roost.api.artefacts import has
from roost.api.bills import located
from roost.api.bodies import body_schema, json_response, read_model
from roost.api.context import Context, ContextDep
from roost.api.errors import from_kube
from roost.api.objects import Collection, DryRun, IfMatch, tagged, version_of
from roost.api.places import ENVIRONMENT_PREFIX
from roost.capabilities.release.checks import MAX_CHANGES, default_target, judge
from roost.capabilities.release.model import Found, Observed, RollbackPlan, Room, SeenVersion
from roost.kube.errors import KubeError
from roost.model import names
from roost.model.content import parted
from roost.model.difference import SECRETS, Change, difference
from roost.model.kinds.app import App, ContentChange, Release
from roost.model.kinds.images import NAME as IMAGES
from roost.model.kinds.images import ImageAllowlist
from roost.model.names import API_VERSION
from roost.model.quantity import amount
from roost.model.resource import Model
from roost.surface.problems import FieldError, Problem, conflict, not_found

router = APIRouter(prefix=ENVIRONMENT_PREFIX + "apps/{name}", tags=["App"])
QUOTA: Final = "roost-quota"
# As a bound of the quota calls it.
BOUNDS: Final[Mapping[str, Literal["cpu", "memory", "pods"]]] = {
    "requests.cpu": "cpu",
    "requests.memory": "memory",
    "pods": "pods",
}
NOTHING: Final = Decimal(0)
ENDED: Final = ("Succeeded", "Failed")
MAX_NAMES: Final = 300
# What a dry run may meet that speaks against the change, rather than against the request.
AGAINST: Final = ("forbidden", "refused", "invalid")


class Rollback(Model):
    """Which version to return to."""

    to: int | None = Field(None, ge=1, le=1_000_000, description="Its number; nothing: the last that served well.")
    force: bool = Field(False, description="Pass over refusals that may be passed over.")


class VersionDifference(Model):
    """What differs from one version to another. Secrets by fingerprint and name, never by value."""

    app: str = Field(max_length=30)
    old: int
    new: int
    changes: tuple[ContentChange, ...] = Field((), max_length=MAX_CHANGES)
    omitted: int = Field(0, ge=0, description="Fields that differ beyond those.")


_APP: Final[dict[int | str, dict[str, Any]]] = {200: {"model": App}}
_PLAN: Final[dict[int | str, dict[str, Any]]] = {200: {"model": RollbackPlan}}
_DIFFERENCE: Final[dict[int | str, dict[str, Any]]] = {200: {"model": VersionDifference}}
Number = Annotated[int, Query(ge=1, le=1_000_000, description="The number of a version.")]
OldNumber = Annotated[int, Query(ge=1, le=1_000_000, alias="from", description="The number of a version.")]
MaybeNumber = Annotated[int | None, Query(ge=1, le=1_000_000, description="Nothing: the last that served well.")]


@router.get("/rollback", operation_id="planRollback", summary="What going back would do", responses=_PLAN)
async def plan_rollback(ctx: ContextDep, there: Apps, tenant: str, name: str, to: MaybeNumber = None) -> Response:
    """The difference and the verdict; nothing is changed."""
    return json_response((await _judged(ctx, there, tenant, name, to)).plan.wire())


@router.post(
    "/rollback", operation_id="rollbackApp", summary="Roll back", responses=_APP, openapi_extra=body_schema("Rollback")
)
async def rollback(  # One parameter for each part of the request.
    request: Request,
    ctx: ContextDep,
    there: Apps,
    tenant: str,
    name: str,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Write an old version's content into the App, secrets too, and let automatic promotion pause."""
    given = await read_model(request, Rollback)
    judged = await _judged(ctx, there, tenant, name, given.to)
    plan, target = judged.plan, judged.target
    if judged.problem is not None and judged.problem.kind == "forbidden":
        raise judged.problem
    if plan.verdict == "same":
        raise conflict(f"v{target.number} of {name} is what should run already.")
    if plan.verdict == "refused" and not (given.force and plan.force):
        raise _refused(plan)
    await secrets.restore(there, name, target.content.secret_version, dry_run)
    changed = _brings_back(there, target)
    cause = f"Rolled back to v{target.number}"
    return tagged(await there.change(name, changed, version_of(if_match), dry_run, cause))


def _refused(plan: RollbackPlan) -> Problem:
    against = [item for item in plan.checks if item.level == "refuse"]
    detail = " ".join(item.message for item in against)
    if plan.force:
        detail += " Force it to go back all the same."
    return Problem("refused", detail[:2000], errors=tuple(FieldError(item.reason, item.message) for item in against))


def _brings_back(there: Collection, target: SeenVersion) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The change of the App: all that is the version's comes back; how it is handled stays, but that it holds."""

    def changed(current: dict[str, Any]) -> dict[str, Any]:
        kept = parted(current.get("spec") or {})[1]
        hold = f"Rolled back to v{target.number} by {there.caller.person}."
        content = parted(target.content.wire())[0]
        return {**current, "spec": shapes.read_spec(App, content | kept | {"hold": hold})}

    return changed


@dataclass(frozen=True)
class Judged:
    """The verdict on a version, and what the cluster would answer to the change; None: it takes it."""

    plan: RollbackPlan
    target: SeenVersion
    problem: Problem | None


async def _judged(ctx: Context, there: Collection, tenant: str, name: str, to: int | None) -> Judged:
    app = await there.get(name)
    spec, versions = App.parse(app).spec, await _versions(there, name)
    live = str((app.get("status") or {}).get("live") or "")
    target = default_target(spec, versions, live) if to is None else _numbered(versions, name, to)
    if target is None:
        raise Problem("refused", f"There is no earlier version of {name} to return to that served well.")
    problem = await _against(there, name, target)
    observed = Observed(
        spec=spec,
        versions=versions,
        target=target,
        image=await _image(ctx, tenant, target),
        unsigned=await _unsigned(ctx, there, target),
        secrets=await _kept(there, name, target.content.secret_version),
        rooms=await _rooms(there, name),
        lost=await _lost(ctx, there, name, target.content.domains),
        refusal=problem.detail if problem else "",
    )
    plan = judge(name, observed)
    named = await _secret_changes(there, name, spec.secret_version, target.content.secret_version)
    changes = (*plan.changes, *map(ContentChange.of, named))[:MAX_CHANGES]
    return Judged(plan.model_copy(update={"changes": changes}), target, problem)


async def _kept(there: Collection, app: str, version: str) -> bool:
    """Whether the secret configuration of a version can be had. Who may not look is told by the change itself."""
    if not version:
        return True
    try:
        return (await secrets.read(there, app)).version == version or (
            await secrets.copy_of(there, app, version) is not None
        )
    except Problem as problem:
        if problem.kind not in AGAINST:
            raise
        return True


def _numbered(versions: tuple[SeenVersion, ...], app: str, number: int) -> SeenVersion:
    found = next((item for item in versions if item.number == number), None)
    if found is None:
        raise not_found(f"version 'v{number}' of {app!r}")
    return found


async def _versions(there: Collection, app: str) -> tuple[SeenVersion, ...]:
    """All that are kept, by number."""
    try:
        found = await there.client.list(API_VERSION, Release.KIND, there.namespace, f"{names.APP}={app}")
    except KubeError as error:
        raise from_kube(error, f"versions of {app!r}") from error
    parsed = (Release.parse(item) for item in found)
    return tuple(sorted((SeenVersion.of(item) for item in parsed if item.spec.app == app), key=lambda it: it.number))


async def _image(ctx: Context, tenant: str, target: SeenVersion) -> Found:
    artefact = target.content.artefact
    place = located(artefact.image, tenant, ctx.settings.registry) if artefact else None
    if place is None:
        return "foreign"
    try:
        return "there" if await has(ctx, *place) else "gone"
    except Problem:
        return "unknown"


async def _unsigned(ctx: Context, there: Collection, target: SeenVersion) -> str:
    """Why the environment's allow-list keeps the image from running; empty: it does not, or does not say yet."""
    artefact = target.content.artefact
    raw = await ctx.client.get(API_VERSION, ImageAllowlist.KIND, IMAGES, there.namespace)
    refusal = ImageAllowlist.parse(raw).status.refusal(artefact.image) if raw and artefact else None
    return refusal.message or refusal.reason if refusal else ""


async def _lost(ctx: Context, there: Collection, app: str, wanted: Sequence[str]) -> tuple[str, ...]:
    """Of the host names of a version, those that would not lead here any more: taken back, or another App's by now."""
    tenant, environment = names.split_namespace(there.namespace or "") or ("", "")
    own = f"-{environment}.{tenant}.{ctx.settings.domain}"
    outside = [name for name in wanted if not name.endswith(own)]
    if not outside:
        return ()
    granted, claimed = await domains.granted(ctx, tenant, environment), await domains.claimed(there)
    return tuple(name for name in outside if name not in granted or claimed.get(name, app) != app)


async def _rooms(there: Collection, app: str) -> tuple[Room, ...]:
    """What the environment's quota bounds, and how much of it this App's instances use."""
    try:
        quota = await there.client.get("v1", "ResourceQuota", QUOTA, there.namespace)
        pods = await there.client.list("v1", "Pod", there.namespace, f"{names.APP}={app},!{names.TASK}")
    except KubeError as error:
        raise from_kube(error, f"instances of {app!r}") from error
    status = (quota or {}).get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    running = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in ENDED]
    rooms = []
    for bound, resource in BOUNDS.items():
        limit, taken = amount(hard.get(bound)), amount(used.get(bound))
        if limit is None or taken is None:
            continue
        own = sum((_asked(pod, resource) for pod in running), NOTHING)
        rooms.append(Room(resource=resource, hard=limit, others=max(taken - own, NOTHING), own=own))
    return tuple(rooms)


def _asked(pod: Mapping[str, Any], resource: str) -> Decimal:
    if resource == "pods":
        return Decimal(1)
    asked = [(item.get("resources") or {}).get("requests") or {} for item in pod["spec"]["containers"]]
    return sum((amount(item.get(resource)) or NOTHING for item in asked), NOTHING)


async def _against(there: Collection, name: str, target: SeenVersion) -> Problem | None:
    """What the cluster says against the change; None: it takes it."""
    try:
        await there.change(name, _brings_back(there, target), dry_run=True)
    except Problem as problem:
        if problem.kind not in AGAINST:
            raise
        return problem
    return None


@router.get("/difference", operation_id="diffVersions", summary="Two versions compared", responses=_DIFFERENCE)
async def diff_versions(there: Apps, name: str, old: OldNumber, to: Number) -> Response:
    """What differs from the version `from` to the version `to`."""
    await there.get(name)
    versions = await _versions(there, name)
    first, second = _numbered(versions, name, old), _numbered(versions, name, to)
    named = await _secret_changes(
        there, name, first.content.secret_version, second.content.secret_version, f"v{old}", f"v{to}"
    )
    changes = (*difference(first.content.wire(), second.content.wire()), *named)
    shown = tuple(map(ContentChange.of, changes[:MAX_CHANGES]))
    told = VersionDifference(app=name, old=old, new=to, changes=shown, omitted=len(changes[MAX_CHANGES:]))
    return json_response(told.wire())


async def _secret_changes(
    there: Collection, app: str, old: str, new: str, before: str = "as now", after: str = "as then"
) -> tuple[Change, ...]:
    """Which secret variables differ, by name alone; nothing for whoever may not read them, or where a copy is gone."""
    if old == new:
        return ()
    try:
        first = await secrets.copy_of(there, app, old) if old else {}
        second = await secrets.copy_of(there, app, new) if new else {}
    except Problem as problem:
        if problem.kind not in AGAINST:
            raise
        return ()
    if first is None or second is None:
        return ()
    differing = sorted(key for key in first.keys() | second.keys() if first.get(key) != second.get(key))
    return tuple(
        Change(f"{SECRETS}[{key}]", before if key in first else None, after if key in second else None)
        for key in differing[:MAX_NAMES]
    )
