"""The log of a run that is over, as the registry keeps it: it outlives the run's pod. For `logs`."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.concurrency import run_in_threadpool

from roost.api.artefacts import fetch
from roost.api.context import Context
from roost.api.logstream import Line, Wanted
from roost.builds import run_log
from roost.surface.problems import Problem


async def read(ctx: Context, tenant: str, run: Mapping[str, Any], step: str, wanted: Wanted) -> list[Line] | None:
    """Its lines, of one step where one is named; None where it is not kept, or the registry does not answer."""
    name, project = str(run["metadata"]["name"]), str(run["spec"]["project"])
    try:
        content = await fetch(ctx, f"{tenant}/{project}", run_log.KIND, tag=run_log.tag(name))
    except Problem:
        return None  # The pod may still have it.
    return None if content is None else await run_in_threadpool(chosen, content, name, step, wanted)


def chosen(content: bytes, run: str, step: str, wanted: Wanted) -> list[Line]:
    """The lines of a kept log that are wanted."""
    lines: deque[Line] = deque(maxlen=wanted.tail)
    for moment, whose, text in run_log.read(content):
        if step and whose != step:
            continue
        if wanted.since is not None and _moment(moment) < wanted.since:
            continue
        lines.append(Line(moment, run, whose or "run", text))
    return list(lines)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text[:26] + "+00:00")
