"""What scans found: of a run (`runs/{name}/findings`), and of the image of a version (`releases/{name}/findings`).

As the registry holds it, for whoever may read the Run or the Release. Waivers count as they stand now, not as they did
when the scan was.
"""

from collections.abc import Collection as Held
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from roost.api.artefacts import fetch
from roost.api.bills import image_of
from roost.api.context import Caller, CallerDep, Context, ContextDep
from roost.api.objects import Collection
from roost.api.places import BUILD_PREFIX, ENVIRONMENT_PREFIX
from roost.kube.errors import Forbidden
from roost.model import findings
from roost.model.conditions import timestamp
from roost.model.findings import Findings, Kind, Severity
from roost.model.kinds.app import Release
from roost.model.kinds.delivery import Run
from roost.model.kinds.scan import Waiver
from roost.model.names import API_VERSION, BUILD
from roost.model.names import namespace as build_of
from roost.surface.problems import not_found, unavailable

router = APIRouter(tags=["Run"])


class Wanted(BaseModel):
    """Which findings are asked for; nothing given: all."""

    model_config = ConfigDict(frozen=True)

    kind: Kind | None = None
    severity: Severity | None = None  # This or graver.
    new: bool | None = None
    waived: bool | None = None
    path: str = ""  # What a path begins with.

    def of(self, found: Findings) -> Findings:
        """Those of them."""
        items = (
            item
            for item in found.items
            if self.kind in (None, item.kind)
            and (self.severity is None or findings.at_least(item.severity, self.severity))
            and self.new in (None, item.new)
            and self.waived in (None, item.waived)
            and item.path.startswith(self.path)
        )
        return found.model_copy(update={"items": tuple(items)})


def _wanted(
    kind: Annotated[Kind | None, Query(description="Of this scan.")] = None,
    severity: Annotated[Severity | None, Query(description="This grave or graver.")] = None,
    new: Annotated[bool | None, Query(description="Whether the last successful run had it not.")] = None,
    waived: Annotated[bool | None, Query(description="Whether it may stay.")] = None,
    path: Annotated[str, Query(max_length=300, description="What its path begins with.")] = "",
) -> Wanted:
    return Wanted(kind=kind, severity=severity, new=new, waived=waived, path=path)


WantedDep = Annotated[Wanted, Depends(_wanted)]


def read(text: bytes | None, waived: Held[str], wanted: Wanted) -> Findings:
    """The wanted ones of what the registry holds. Problem unavailable where that is none."""
    try:
        found = Findings.model_validate_json(text) if text else Findings()
    except ValueError as error:
        raise unavailable("What the registry holds of these findings cannot be read: run it again.") from error
    told = (item.model_copy(update={"waived": item.fingerprint in waived}) for item in found.items)
    return wanted.of(found.model_copy(update={"items": tuple(told)}))


async def _waived(ctx: Context, caller: Caller, namespace: str, project: str) -> set[str]:
    """Fingerprints that an owner lets stay now; none for whoever may not read Waivers."""
    try:
        held = await caller.client.list(API_VERSION, Waiver.KIND, namespace)
    except Forbidden:
        return set()
    specs, now = [item["spec"] for item in held], timestamp(ctx.clock())
    return {item["fingerprint"] for item in specs if item["project"] == project and item["until"] > now}


def _answer(found: Findings) -> Response:
    return Response(found.model_dump_json(by_alias=True), media_type="application/json")


@router.get(
    BUILD_PREFIX + "runs/{name}/findings",
    operation_id="getRunFindings",
    summary="What the scans of a run found",
    responses={200: {"model": Findings}},
    response_class=Response,
)
async def get_findings(ctx: ContextDep, caller: CallerDep, tenant: str, name: str, wanted: WantedDep) -> Response:
    """Where the scans found nothing, or have not come so far, the list is empty."""
    namespace = await ctx.tenants.build(caller.principal, tenant)
    run: dict[str, Any] = await Collection(Run, namespace, caller.client, caller).get(name)
    spec, told = run["spec"], (run.get("status") or {}).get("findings")
    if not told:
        return _answer(Findings())
    tag = findings.tag(int(spec.get("attempt", 1)), str(spec["commit"]))
    found = await fetch(ctx, f"{tenant}/{spec['project']}", findings.KIND, tag=tag)
    if found is None:
        raise not_found(f"findings of {name[:63]!r} any more: they are kept as long as the newest images")
    return _answer(read(found, await _waived(ctx, caller, namespace, spec["project"]), wanted))


@router.get(
    ENVIRONMENT_PREFIX + "releases/{name}/findings",
    operation_id="getReleaseFindings",
    summary="Known vulnerabilities of a version",
    responses={200: {"model": Findings}},
    response_class=Response,
)
async def get_release_findings(
    ctx: ContextDep, caller: CallerDep, tenant: str, environment: str, name: str, wanted: WantedDep
) -> Response:
    """Of the packages of its image, by the newest database that judged it: `database` says which."""
    namespace = await ctx.tenants.environment(caller.principal, tenant, environment)
    release = await Collection(Release, namespace, caller.client, caller).get(name)
    image = image_of(release, tenant, ctx.settings.registry)
    if image is None:
        raise not_found("image of this tenant in that version")
    repository, digest = image
    found = await fetch(ctx, repository, findings.IMAGE_KIND, subject=digest)
    if found is None:
        raise not_found("judgement of that image: it was not built here, or there is no vulnerability database")
    project = repository.rpartition("/")[2]
    return _answer(read(found, await _waived(ctx, caller, build_of(tenant, BUILD), project), wanted))
