"""What the steps of a run left, for whoever may read the Run: test results, artefacts; and another try of its steps."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from roost.api import kinds as shapes
from roost.api.artefacts import fetch, fetch_layer
from roost.api.bodies import body_schema, read_model
from roost.api.context import CallerDep, ContextDep
from roost.api.objects import Collection, tagged
from roost.api.places import BUILD_PREFIX
from roost.api.run_logs import FINISHED, Runs
from roost.builds import junit, kept
from roost.builds.junit import Tests
from roost.model.kept import ARTEFACTS
from roost.model.kinds.delivery import Run
from roost.model.pipeline import BUILD, STEP_PATTERN
from roost.surface.problems import conflict, invalid, not_found

router = APIRouter(tags=["Run"])
RUN: Final = BUILD_PREFIX + "runs/{name}"
MOST_RERUNS: Final = 100


class RerunRun(BaseModel):
    """Which steps run again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: str = Field(
        "",
        alias="from",
        max_length=30,
        pattern=rf"^$|{STEP_PATTERN}",
        description="The first step that runs again, or `build`; empty: all do.",
    )


@router.post(
    RUN + "/rerun",
    operation_id="rerunRun",
    summary="Run the steps of a run again",
    responses={200: {"model": Run}},
    openapi_extra=body_schema("RerunRun"),
)
async def rerun(request: Request, there: Runs, name: str) -> Response:
    """Of a run that is over. From a step on, the workspace is what it was before that step. Makes another Run."""
    wanted = await read_model(request, RerunRun)

    def changed(current: dict[str, Any]) -> dict[str, Any]:
        run = Run.parse(current)
        if run.status.phase not in FINISHED:
            raise conflict(f"The run is not over yet: {run.status.phase or 'Pending'}.")
        _check(run, wanted.step)
        number = run.spec.rerun.number + 1
        if number > MOST_RERUNS:
            raise conflict(f"It was run again {MOST_RERUNS} times already: push, or start another run.")
        return shapes.patched(Run, current, {"spec": {"rerun": {"number": number, "step": wanted.step}}})

    return tagged(await there.change(name, changed, "", False, "Run again"))


def _check(run: Run, step: str) -> None:
    known = [*run.spec.pipeline.names, BUILD]
    if step and step not in known:
        raise invalid("from", f"There is no step {step!r}. There are: {', '.join(known)}.")


async def _run(ctx: ContextDep, caller: CallerDep, tenant: str, name: str) -> dict[str, Any]:
    namespace = await ctx.tenants.build(caller.principal, tenant)
    found: dict[str, Any] = await Collection(Run, namespace, caller.client, caller).get(name)
    return found


@router.get(
    RUN + "/tests",
    operation_id="getRunTests",
    summary="What the tests of a run said",
    responses={200: {"model": Tests}},
    response_class=Response,
)
async def tests(ctx: ContextDep, caller: CallerDep, tenant: str, name: str) -> Response:
    """Counts, and each test that did not pass. Where no step told of tests, all is 0."""
    run = await _run(ctx, caller, tenant, name)
    if not (run.get("status") or {}).get("tests"):
        return Response(Tests().model_dump_json(by_alias=True), media_type="application/json")
    tag = junit.tag(name)
    found = await fetch(ctx, f"{tenant}/{run['spec']['project']}", junit.KIND, tag=tag)
    if found is None:
        raise not_found(f"test results of {name[:63]!r} any more: they are kept as long as the newest images")
    return Response(found, media_type="application/json")


@router.get(
    RUN + "/artefacts/{step}",
    operation_id="getRunArtefacts",
    summary="The artefacts of a step",
    responses={200: {"content": {"application/gzip": {}}, "description": "A gzipped tar archive."}},
    response_class=Response,
)
async def artefacts(
    ctx: ContextDep, caller: CallerDep, tenant: str, name: str, step: Annotated[str, Path(pattern=STEP_PATTERN)]
) -> Response:
    """What the step was told to keep. No path in it leads out of the folder that it is unpacked into."""
    run = await _run(ctx, caller, tenant, name)
    tag = kept.artefacts_tag(name, step)
    found = await fetch_layer(ctx, f"{tenant}/{run['spec']['project']}", ARTEFACTS, tag)
    if found is None:
        raise not_found(f"artefacts of the step {step} of {name[:63]!r}, or they are no longer kept")
    size, content = found
    headers = {
        "Content-Disposition": f'attachment; filename="{name}-{step}.tar.gz"',
        "Content-Length": str(size),
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(content, media_type="application/gzip", headers=headers)
