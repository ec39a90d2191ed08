"""Log routes: of an App's instances, of a Run's steps; and the cancelling of a Run."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse

from roost.api import kept_logs
from roost.api import kinds as shapes
from roost.api.apps import Apps
from roost.api.context import CallerDep, Context, ContextDep
from roost.api.errors import from_kube
from roost.api.identity.cookies import credential
from roost.api.logstream import Container, Logs, Tail, Wanted
from roost.api.objects import Collection, DryRun, IfMatch, tagged, version_of
from roost.api.places import BUILD_PREFIX, ENVIRONMENT_PREFIX
from roost.kube.errors import KubeError
from roost.model import names
from roost.model.kinds.delivery import Run
from roost.surface.problems import Problem, conflict, invalid

router = APIRouter()
APPS: Final = ENVIRONMENT_PREFIX + "apps/{name}"
RUNS: Final = BUILD_PREFIX + "runs/{name}"
NDJSON: Final = "application/x-ndjson"
MAX_INSTANCES: Final = 50
MAX_TAIL: Final = 10_000
MAX_SINCE_S: Final = 10 * 365 * 86400
LOOK_S: Final = 2.0
CONDUCTOR: Final = "step"  # The container of a run's pod that has the words of all steps.
FINISHED: Final = frozenset(["Succeeded", "Failed", "Cancelled"])
Hold = Callable[[], AbstractContextManager[None]]
_SINCE: Final = re.compile(r"^([0-9]{1,6})([smhd])\Z")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class LogQuery:
    """Which lines are wanted."""

    follow: Annotated[bool, Query(description="Go on as lines come.")] = False
    since: Annotated[str, Query(max_length=30, description="30s, 10m, 2h, 1d, or an RFC 3339 time.")] = ""
    tail: Annotated[int | None, Query(ge=0, le=100_000, description="Begin with the last N of each instance.")] = None
    process: Annotated[str, Query(max_length=63)] = ""
    instance: Annotated[str, Query(max_length=253)] = ""
    step: Annotated[str, Query(max_length=30, description="Of a run: only this step's lines.")] = ""

    def wanted(self, now: datetime) -> Wanted:
        """As the reader takes it. Problem invalid."""
        tail = min(self.tail, MAX_TAIL) if self.tail is not None else None
        if not self.since:
            return Wanted(MAX_TAIL if tail is None else tail)
        match = _SINCE.match(self.since)
        if match:
            seconds = min(int(match[1]) * _UNITS[match[2]], MAX_SINCE_S)
            return Wanted(tail, now - timedelta(seconds=seconds))
        try:
            moment = datetime.fromisoformat(self.since)
            if moment.tzinfo is None:
                raise invalid("since", "The time needs a zone: end it with Z.")
            return Wanted(tail, moment.astimezone(UTC))
        except (ValueError, OverflowError) as error:
            told = "It is 30s, 10m, 2h, 1d, or an RFC 3339 time such as 2026-01-31T08:00:00Z."
            raise invalid("since", told) from error


LogQueryDep = Annotated[LogQuery, Depends()]


def _logs(ctx: Context, request: Request, there: Collection) -> Logs:
    header = credential(request)
    tenant = str(request.path_params["tenant"])

    async def recheck() -> None:
        principal = await ctx.authentication.bearer(header)
        await ctx.tenants.visible(principal, tenant)

    return Logs(there.caller.streaming, str(there.namespace), recheck, ctx.clock)


def _streaming(ctx: Context, there: Collection, source: AsyncIterator[bytes]) -> Response:
    person, request_id = there.caller.person, there.caller.request_id
    ctx.streams.check(person)

    async def chunks() -> AsyncIterator[bytes]:
        with ctx.streams.hold(person):
            try:
                async for chunk in source:
                    yield chunk
            except KubeError as error:
                yield msgspec.json.encode(from_kube(error, there.what()).body(request_id)) + b"\n"
            except Problem as problem:
                yield msgspec.json.encode(problem.body(request_id)) + b"\n"

    return StreamingResponse(chunks(), media_type=NDJSON, headers={"X-Accel-Buffering": "no"})


# Applications


@router.get(APPS + "/logs", operation_id="appLogs", summary="Logs of an app", tags=["App"])
async def app_logs(request: Request, ctx: ContextDep, there: Apps, name: str, query: LogQueryDep) -> Response:
    """The lines of all instances, as NDJSON."""
    await there.get(name)
    logs = _logs(ctx, request, there)
    wanted = query.wanted(ctx.clock())
    try:
        pods = await logs.pods(f"{names.APP}={name}")
        if not query.follow:
            lines = await logs.read(_containers(pods, query), wanted)
            return Response(b"".join(line.encoded() for line in lines), media_type=NDJSON)
    except KubeError as error:
        raise from_kube(error, there.what(name)) from error
    person = there.caller.person
    return _streaming(ctx, there, _follow_app(logs, name, query, wanted, lambda: ctx.streams.hold(person)))


def _containers(pods: list[dict[str, Any]], query: LogQuery) -> list[Container]:
    found = []
    for pod in pods:
        process = (pod["metadata"].get("labels") or {}).get(names.PROCESS, "")
        if query.process and process != query.process:
            continue
        if query.instance and pod["metadata"]["name"] != query.instance:
            continue
        found.append(Container(pod["metadata"]["name"], pod["spec"]["containers"][0]["name"], process))
    return found[-MAX_INSTANCES:]


async def _follow_app(logs: Logs, app: str, query: LogQuery, wanted: Wanted, hold: Hold) -> AsyncIterator[bytes]:
    tail = Tail()
    followed: set[str] = set()

    async def one(container: Container, chosen: Wanted) -> None:
        try:
            # Each instance takes a connection of its own.
            with hold():
                await logs.follow(container, chosen, tail.put)
        except Problem as problem:
            if problem.kind != "too-many":
                raise
            await tail.put(logs.remark(f"Instance {container.pod} is not followed: {problem.detail}"))
            return
        followed.discard(container.pod)
        await tail.put(logs.remark(f"Instance {container.pod} has ended.", container.process))

    async def look_out() -> None:
        chosen = wanted
        seen: set[str] = set()
        while True:
            pods = await logs.pods(f"{names.APP}={app}")
            for container in _containers(pods, query):
                if container.pod in seen or len(followed) >= MAX_INSTANCES:
                    continue
                seen.add(container.pod)
                followed.add(container.pod)
                if chosen is not wanted:
                    await tail.put(logs.remark(f"Instance {container.pod} has come.", container.process))
                tail.start(one(container, chosen))
            # What comes later is followed from its beginning.
            chosen = Wanted()
            await asyncio.sleep(LOOK_S)

    tail.start(look_out())
    async for chunk in tail.output():
        yield chunk


# Runs


async def runs(ctx: ContextDep, caller: CallerDep, tenant: str) -> Collection:
    """The runs of the tenant in the path, as the caller."""
    return Collection(Run, await ctx.tenants.build(caller.principal, tenant), caller.client, caller)


Runs = Annotated[Collection, Depends(runs)]


@router.get(RUNS + "/logs", operation_id="runLogs", summary="Log of a run", tags=["Run"])
async def run_logs(request: Request, ctx: ContextDep, there: Runs, name: str, query: LogQueryDep) -> Response:
    """The lines of all steps, as NDJSON; followed, it ends when the run ends. Of one that is over, as it was kept."""
    run = await there.get(name)
    logs = _logs(ctx, request, there)
    wanted = query.wanted(ctx.clock())
    if (run.get("status") or {}).get("phase") in FINISHED:
        lines = await kept_logs.read(ctx, str(request.path_params["tenant"]), run, query.step, wanted)
        if lines is not None:
            return Response(b"".join(line.encoded() for line in lines), media_type=NDJSON)
    try:
        pods = await logs.pods(f"{names.RUN}={name}")
        if not query.follow:
            return Response(await _whole_run(logs, pods, wanted, query.step), media_type=NDJSON)
    except KubeError as error:
        raise from_kube(error, there.what(name)) from error
    return _streaming(ctx, there, _follow_run(logs, there, name, wanted, query.step))


def _steps(pod: Mapping[str, Any], step: str) -> list[Container]:
    """The container that says what is wanted: the conductor's has the words of all steps, a step's own only its."""
    name = step or CONDUCTOR
    there = any(item["name"] == name for item in pod["spec"]["containers"])
    return [Container(pod["metadata"]["name"], name, name)] if there else []


async def _whole_run(logs: Logs, pods: list[dict[str, Any]], wanted: Wanted, step: str) -> bytes:
    if not pods:
        return logs.remark("There is no log: the run has not begun, or its log is no longer kept.").encoded()
    parts = [await logs.read([one], wanted) for pod in pods for one in _steps(pod, step)]
    if not parts:
        words = f"The run has no step {step!r} with a log of its own while it goes on: leave the step out."
        return logs.remark(words).encoded()
    return b"".join(line.encoded() for part in parts for line in part)


async def _follow_run(logs: Logs, there: Collection, run: str, wanted: Wanted, step: str) -> AsyncIterator[bytes]:
    tail = Tail()

    async def work() -> None:
        done: set[str] = set()
        while True:
            pods = [pod for pod in await logs.pods(f"{names.RUN}={run}") if pod["metadata"]["name"] not in done]
            for pod in pods[:1]:
                await _follow_steps(logs, pod, wanted, tail, step)
                done.add(pod["metadata"]["name"])
            if pods:
                continue
            phase = ((await there.get(run)).get("status") or {}).get("phase")
            if phase in FINISHED:
                return
            await asyncio.sleep(LOOK_S)

    tail.start(work())
    async for chunk in tail.output():
        yield chunk


async def _follow_steps(logs: Logs, pod: Mapping[str, Any], wanted: Wanted, tail: Tail, step: str) -> None:
    for container in _steps(pod, step):
        await logs.follow(container, wanted, tail.put)


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
