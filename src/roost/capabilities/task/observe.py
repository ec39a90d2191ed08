"""What stands of a Task. Reads only, no decisions."""

from typing import Any

from roost.capabilities.task.model import Observed, SeenPod
from roost.kernel.capability import Watch
from roost.kube.reader import Object, Reader
from roost.model import names
from roost.model.kinds.app import App, Release
from roost.model.kinds.task import Task

WATCHES = (
    Watch("batch/v1", "Job", owner=f"label:{names.TASK}", labels=names.TASK),
    Watch("v1", "Pod", owner=f"label:{names.TASK}", labels=names.TASK),
)


def read_pod(pods: list[Object]) -> SeenPod | None:
    """The newest of the task's pods, shortened."""
    if not pods:
        return None
    newest = max(pods, key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]))
    status: dict[str, Any] = newest.get("status") or {}
    state: dict[str, Any] = next((item.get("state") or {} for item in status.get("containerStatuses") or ()), {})
    ended, waiting = state.get("terminated"), state.get("waiting") or {}
    conditions = status.get("conditions") or ()
    scheduled: dict[str, Any] = next((item for item in conditions if item["type"] == "PodScheduled"), {})
    if not waiting and scheduled.get("status") == "False":
        waiting = scheduled
    told = ended or waiting
    return SeenPod(
        name=newest["metadata"]["name"],
        started="running" in state or ended is not None,
        ended=ended is not None or status.get("phase") == "Failed",
        exit_code=(ended or {}).get("exitCode"),
        reason=str(told.get("reason") or status.get("reason") or "")[:100],
        message=str(told.get("message") or status.get("message") or "").strip()[-600:],
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
        pod=read_pod(await reader.list("v1", "Pod", space, f"{names.TASK}={name}")),
    )
