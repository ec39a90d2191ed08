"""What log routes share: which lines are wanted, and how they are streamed; and the log of an App's instances. That of
a Run is `run_logs`.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse

from roost.api.apps import Apps
from roost.api.context import Context, ContextDep
from roost.api.errors import from_kube
from roost.api.identity.cookies import credential
from roost.api.logstream import Container, Logs, Tail, Wanted
from roost.api.objects import Collection
from roost.api.places import ENVIRONMENT_PREFIX
from roost.kube.errors import KubeError
from roost.model import names
from roost.surface.problems import Problem, invalid

router = APIRouter()
APPS: Final = ENVIRONMENT_PREFIX + "apps/{name}"
NDJSON: Final = "application/x-ndjson"
MAX_INSTANCES: Final = 50
MAX_TAIL: Final = 10_000
MAX_SINCE_S: Final = 10 * 365 * 86400
LOOK_S: Final = 2.0
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


def reader(ctx: Context, request: Request, there: Collection) -> Logs:
    """Reads logs of the collection's namespace as the caller, for as long as they are a member."""
    header = credential(request)
    tenant = str(request.path_params["tenant"])

    async def recheck() -> None:
        principal = await ctx.authentication.bearer(header)
        await ctx.tenants.visible(principal, tenant)

    return Logs(there.caller.streaming, str(there.namespace), recheck, ctx.clock)


def streaming(ctx: Context, there: Collection, source: AsyncIterator[bytes]) -> Response:
    """What comes as it comes; what goes wrong in the middle is the last line."""
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
    logs = reader(ctx, request, there)
    wanted = query.wanted(ctx.clock())
    try:
        pods = await logs.pods(f"{names.APP}={name}")
        if not query.follow:
            lines = await logs.read(_containers(pods, query), wanted)
            return Response(b"".join(line.encoded() for line in lines), media_type=NDJSON)
    except KubeError as error:
        raise from_kube(error, there.what(name)) from error
    person = there.caller.person
    return streaming(ctx, there, _follow_app(logs, name, query, wanted, lambda: ctx.streams.hold(person)))


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
