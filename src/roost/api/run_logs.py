"""The log of a Run, of all steps or of one, live and kept; and the cancelling of a Run.

While the run's pod is there its conductor's log has the words of all steps in it, line by line with its step.
Afterwards the registry keeps the same. Signing and promotion are the controller's: their words are the Run's and the
Promotion's.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from roost.api import kept_logs
from roost.api import kinds as shapes
from roost.api.context import CallerDep, Context, ContextDep
from roost.api.errors import from_kube
from roost.api.logs import LOOK_S, MAX_TAIL, NDJSON, LogQueryDep, reader, streaming
from roost.api.logstream import Container, Line, Logs, Tail, Wanted, is_over
from roost.api.objects import Collection, DryRun, IfMatch, tagged, version_of
from roost.api.places import BUILD_PREFIX
from roost.kube.errors import Forbidden, KubeError
from roost.model import names
from roost.model.kinds.delivery import Promotion, Run
from roost.model.pipeline import AFTER, BEFORE, PROMOTE, SIGN
from roost.surface.problems import conflict, invalid

router = APIRouter()
RUNS: Final = BUILD_PREFIX + "runs/{name}"
CONDUCTOR: Final = "step"  # The container of a run's pod that has the words of all steps.
NO_STEP: Final = "run"  # Whose words they are that no step says.
FINISHED: Final = frozenset(["Succeeded", "Failed", "Cancelled"])
STANDS: Final = ("Held", "AwaitingApproval", "Frozen")  # A promotion that waits for a person.


async def runs(ctx: ContextDep, caller: CallerDep, tenant: str) -> Collection:
    """The runs of the tenant in the path, as the caller."""
    return Collection(Run, await ctx.tenants.build(caller.principal, tenant), caller.client, caller)


Runs = Annotated[Collection, Depends(runs)]


@dataclass(frozen=True)
class Reading:
    """One reader of one run's log."""

    ctx: Context
    there: Collection
    logs: Logs
    tenant: str
    name: str
    wanted: Wanted

    async def pods(self, run: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The run's: those of its Job, and one that had waited and which it took."""
        taken = (run.get("status") or {}).get("spare")
        return await self.logs.pods(f"{names.RUN} in ({','.join([self.name, *([taken] if taken else [])])})")


@router.get(RUNS + "/logs", operation_id="runLogs", summary="Log of a run", tags=["Run"])
async def run_logs(request: Request, ctx: ContextDep, there: Runs, name: str, query: LogQueryDep) -> Response:
    """The lines of all steps, as NDJSON; followed, it ends when the run ends. Of one that is over, as it was kept."""
    run = await there.get(name)
    steps = (*BEFORE, *Run.parse(run).spec.pipeline.names, *AFTER)
    if query.step and query.step not in steps:
        raise invalid("step", f"There is no step {query.step!r}. There are: {', '.join(steps)}.")
    wanted = replace(query.wanted(ctx.clock()), process=query.step)
    tenant = str(request.path_params["tenant"])
    reading = Reading(ctx, there, reader(ctx, request, there), tenant, name, wanted)
    try:
        if not query.follow or (_phase(run) in FINISHED and query.step != PROMOTE):
            return Response(b"".join(line.encoded() for line in await _now(reading, run)), media_type=NDJSON)
    except KubeError as error:
        raise from_kube(error, there.what(name)) from error
    return streaming(ctx, there, _follow(reading))


def _phase(run: Mapping[str, Any]) -> str:
    return str((run.get("status") or {}).get("phase") or "Pending")


def _conductor(pod: Mapping[str, Any]) -> Container:
    return Container(pod["metadata"]["name"], CONDUCTOR, NO_STEP, marked=True)


async def _now(reading: Reading, run: Mapping[str, Any]) -> list[Line]:
    """All that is said so far."""
    wanted = reading.wanted if reading.wanted.tail is not None else replace(reading.wanted, tail=MAX_TAIL)
    lines: list[Line] | None = None
    pods = await reading.pods(run)
    # A run has ended a moment before its whole log is kept: until then the pod has more of it.
    if _phase(run) in FINISHED and all(is_over(pod, CONDUCTOR) for pod in pods):
        lines = await kept_logs.read(reading.ctx, reading.tenant, run, wanted.process, wanted)
    if lines is None:
        lines = []
        for pod in pods:
            lines += await reading.logs.read([_conductor(pod)], wanted)
    if _phase(run) in FINISHED:
        lines += [line for line in [*_signed(run), *await _promoted(reading, run)] if wanted.shows(line)]
    return list(deque(lines, maxlen=wanted.tail)) or [_nothing(reading, run)]


def _nothing(reading: Reading, run: Mapping[str, Any]) -> Line:
    """Why there is not a line."""
    step, phase = reading.wanted.process, _phase(run)
    if not step:
        return reading.logs.remark("There is no log: the run has not begun, or its log is no longer kept.")
    if phase not in FINISHED:
        return reading.logs.remark(f"The step {step} has said nothing yet: follow it with -f.")
    said = _said(run)
    return reading.logs.remark(f"The step {step} said nothing. The run ended: {phase}{f' ({said})' if said else ''}.")


def _said(raw: Mapping[str, Any]) -> str:
    """The first line of what is said of it."""
    conditions = (raw.get("status") or {}).get("conditions") or []
    message = next((str(item.get("message", "")) for item in conditions if item.get("type") == "Ready"), "")
    return message.partition("\n")[0][:500].removesuffix(".")


def _signed(run: Mapping[str, Any]) -> list[Line]:
    status = run.get("status") or {}
    if not status.get("signedBy") or not status.get("artefact"):
        return []
    image = str(status["artefact"]["image"]).rpartition("@")[2][:19]
    text = f"-----> Signed {image} with the key {status['signedBy']}"
    return [Line(_moment(status), run["metadata"]["name"], SIGN, text)]


async def _promoted(reading: Reading, run: Mapping[str, Any]) -> list[Line]:
    """How far the run's promotion is; nothing where it has none."""
    line, _ = await _promotion(reading, run)
    return [line] if line else []


async def _promotion(reading: Reading, run: Mapping[str, Any]) -> tuple[Line | None, bool]:
    """(how far it is, whether it goes on by itself)."""
    status = run.get("status") or {}
    space, _, name = str(status.get("promotion") or "").partition("/")
    if not name:
        return None, False
    try:
        raw = await reading.there.client.get(names.API_VERSION, Promotion.KIND, name, space)
    except Forbidden:
        text, goes_on = f"-----> Promotion {space}/{name}: you may not look into {space}", False
    else:
        text, goes_on = _told(space, name, raw)
    return Line(_moment(status), run["metadata"]["name"], PROMOTE, text), goes_on


def _told(space: str, name: str, raw: Mapping[str, Any] | None) -> tuple[str, bool]:
    if raw is None:
        return f"-----> Promotion {space}/{name}: it is no longer kept", False
    status = raw.get("status") or {}
    phase, release = status.get("phase") or "Pending", status.get("release")
    said = _said(raw)
    text = f"-----> Promotion {space}/{name}: {phase}"
    text += (f" as {release}" if release else "") + (f". {said}" if said else "")
    reasons = {str(item.get("reason", "")) for item in status.get("conditions") or []}
    return text, phase == "Pending" and not reasons.intersection(STANDS)


def _moment(status: Mapping[str, Any]) -> str:
    return str(status.get("finishedAt") or "1970-01-01T00:00:00Z").removesuffix("Z") + ".000000000Z"


async def _follow(reading: Reading) -> AsyncIterator[bytes]:
    tail = Tail()

    async def work() -> None:
        done: set[str] = set()
        while True:
            run = await reading.there.get(reading.name)
            pods = [pod for pod in await reading.pods(run) if pod["metadata"]["name"] not in done]
            for pod in pods[:1]:
                await reading.logs.follow(_conductor(pod), reading.wanted, tail.put)
                done.add(pod["metadata"]["name"])
            if pods:
                continue
            if _phase(run) in FINISHED:
                await _end(reading, run, tail)
                return
            await asyncio.sleep(LOOK_S)

    tail.start(work())
    async for chunk in tail.output():
        yield chunk


async def _end(reading: Reading, run: Mapping[str, Any], tail: Tail) -> None:
    """What comes after the pod. Who follows the promotion alone waits until it has ended, or stands still."""
    for signed in _signed(run):
        if reading.wanted.shows(signed):
            await tail.put(signed)
    last = ""
    while True:
        line, goes_on = await _promotion(reading, run)
        if line is not None and reading.wanted.shows(line) and line.line != last:
            last = line.line
            await tail.put(replace(line, time=reading.logs.remark("").time) if goes_on else line)
        if not goes_on or reading.wanted.process != PROMOTE:
            return
        await asyncio.sleep(LOOK_S)
        await reading.logs.recheck()


@router.post(
    RUNS + "/cancel", operation_id="cancelRun", summary="Cancel a run", tags=["Run"], responses={200: {"model": Run}}
)
async def cancel_run(there: Runs, name: str, if_match: IfMatch = None, dry_run: DryRun = False) -> Response:
    """Ask the run to stop; what is over stays as it is."""

    def changed(current: dict[str, Any]) -> dict[str, Any]:
        phase = (current.get("status") or {}).get("phase")
        if phase in FINISHED:
            raise conflict(f"The run is over already: {phase}.")
        return shapes.patched(Run, current, {"spec": {"cancel": True}})

    return tagged(await there.change(name, changed, version_of(if_match), dry_run, "Cancelled"))
