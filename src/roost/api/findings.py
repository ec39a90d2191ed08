"""What the scan of a run found: `runs/{name}/findings`, as the registry holds it, for whoever may read the Run."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from roost.adapters.registry import Connect, Registry, RegistryFailed, over_tls
from roost.api.context import CallerDep, ContextDep
from roost.api.objects import Collection
from roost.api.places import BUILD_PREFIX
from roost.model import findings
from roost.model.findings import Findings
from roost.model.kinds.delivery import Run
from roost.surface import registry as tokens
from roost.surface.problems import not_found, unavailable

router = APIRouter(tags=["Run"])
TRIES = 2


def read(connect: Connect, key: bytes, repository: str, tag: str, now: datetime) -> bytes | None:
    """The findings under that tag; None where there are none. RegistryFailed."""
    token = tokens.mint(key, "roost-api", [tokens.Access(repository, ("pull",))], now)
    registry = Registry(connect, token, lambda _: None, tries=TRIES)
    try:
        return registry.artefact(repository, findings.KIND, tag=tag)
    finally:
        registry.close()


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
    where = (f"{tenant}/{spec['project']}", findings.tag(int(spec.get("attempt", 1)), str(spec["commit"])))
    try:
        connect = over_tls(ctx.settings.registry, ctx.settings.trust_bundle)
        found = await run_in_threadpool(read, connect, ctx.registry_key(), *where, ctx.clock())
    except (RegistryFailed, OSError) as error:  # Also where the certificates are not there yet.
        raise unavailable("The registry does not answer. Try again in a moment.") from error
    if found is None:
        raise not_found(f"findings of {name[:63]!r} any more: they are kept as long as the newest images")
    return Response(found, media_type="application/json")
