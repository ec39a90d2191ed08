"""What the scan of a run found: `runs/{name}/findings`, as the registry holds it, for whoever may read the Run."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from roost.api.artefacts import fetch
from roost.api.context import CallerDep, ContextDep
from roost.api.objects import Collection
from roost.api.places import BUILD_PREFIX
from roost.model import findings
from roost.model.findings import Findings
from roost.model.kinds.delivery import Run
from roost.surface.problems import not_found

router = APIRouter(tags=["Run"])


@router.get(
    BUILD_PREFIX + "runs/{name}/findings",
    operation_id="getRunFindings",
    summary="What the scan of a run found",
    responses={200: {"model": Findings}},
    response_class=Response,
)
async def get_findings(ctx: ContextDep, caller: CallerDep, tenant: str, name: str) -> Response:
    """Where the scan found nothing, or has not come so far, the list is empty."""
    namespace = await ctx.tenants.build(caller.principal, tenant)
    run: dict[str, Any] = await Collection(Run, namespace, caller.client, caller).get(name)
    spec, told = run["spec"], (run.get("status") or {}).get("findings")
    if not told:
        return Response(Findings().model_dump_json(by_alias=True), media_type="application/json")
    tag = findings.tag(int(spec.get("attempt", 1)), str(spec["commit"]))
    found = await fetch(ctx, f"{tenant}/{spec['project']}", findings.KIND, tag=tag)
    if found is None:
        raise not_found(f"findings of {name[:63]!r} any more: they are kept as long as the newest images")
    return Response(found, media_type="application/json")
