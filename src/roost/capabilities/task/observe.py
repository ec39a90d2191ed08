"""What stands of a Task. Reads only, no decisions."""

from typing import Any

from roost.capabilities.task.model import Observed
from roost.kernel.capability import Watch
from roost.kube.reader import Reader
from roost.model import names, single_pod
from roost.model.kinds.app import App, Release
from roost.model.kinds.task import Task

WATCHES = (
    Watch("batch/v1", "Job", owner=f"label:{names.TASK}", labels=names.TASK),
    Watch("v1", "Pod", owner=f"label:{names.TASK}", labels=names.TASK),
)


async def observe(reader: Reader, item: Task) -> Observed:
    """The environment, the application with the version that serves, the task's Job and pod."""
    space, name = item.metadata.namespace or "", item.metadata.name
    where = await reader.get("v1", "Namespace", space) if space else None
    place = ((where or {}).get("metadata") or {}).get("labels") or {}
    if names.TENANT not in place or place.get(names.ENVIRONMENT) in (None, names.BUILD):
        return Observed()
    raw = await reader.get(names.API_VERSION, App.KIND, item.spec.app, space)
    app = None if raw is None or raw["metadata"].get("deletionTimestamp") else App.parse(raw)
    wanted = item.status.release or (app.status.live or app.status.release if app else "") or ""
    release = await reader.get(names.API_VERSION, Release.KIND, wanted, space) if wanted else None
    job = await reader.get("batch/v1", "Job", name, space)
    failed: dict[str, Any] = next(
        (
            one
            for one in ((job or {}).get("status") or {}).get("conditions") or ()
            if one["type"] == "Failed" and one["status"] == "True"
        ),
        {},
    )
    return Observed(
        environment=place[names.ENVIRONMENT],
        app=app is not None,
        release=wanted if release is not None else "",
        content=Release.parse(release).spec.content if release is not None else None,
        job=job is not None,
        job_failed=str(failed.get("reason") or ""),
        pod=single_pod.newest(await reader.list("v1", "Pod", space, f"{names.TASK}={name}")),
    )
