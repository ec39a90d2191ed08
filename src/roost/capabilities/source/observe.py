"""What stands of an Import. Reads only, no decisions."""

from typing import Any

from roost.capabilities.source.model import Observed, SeenImport, SeenPod
from roost.kernel.capability import Watch
from roost.kube.reader import Object, Reader
from roost.model.kinds.delivery import Project
from roost.model.kinds.source import Import
from roost.model.names import API_VERSION, IMPORT
from roost.settings import Settings

WATCHES = (
    Watch("batch/v1", "Job", owner=f"label:{IMPORT}", labels=IMPORT),
    Watch("v1", "Pod", owner=f"label:{IMPORT}", labels=IMPORT),
)
ENDED = ("Done", "Failed")


def read_pod(pods: list[Object]) -> SeenPod | None:
    """The newest of the import's pods, shortened."""
    if not pods:
        return None
    newest = max(pods, key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]))
    status: dict[str, Any] = newest.get("status") or {}
    states = [item.get("state") or {} for item in status.get("containerStatuses") or ()]
    ended = next((state["terminated"] for state in states if "terminated" in state), None)
    waiting: dict[str, Any] = next((state["waiting"] for state in states if "waiting" in state), {})
    if ended is not None:
        return SeenPod(
            started=True, ended=True, message=ended.get("message") or "", reason=str(ended.get("reason") or "")
        )
    return SeenPod(
        started=any("running" in state for state in states),
        ended=status.get("phase") == "Failed",
        reason=str(waiting.get("message") or waiting.get("reason") or status.get("reason") or "")[:500],
    )


def _others(items: list[Object], mine: Import) -> tuple[SeenImport, ...]:
    found = [
        SeenImport(
            name=item["metadata"]["name"],
            uid=item["metadata"]["uid"],
            created=item["metadata"].get("creationTimestamp") or "",
            ended=(item.get("status") or {}).get("phase") in ENDED,
        )
        for item in items
        if item["spec"].get("project") == mine.spec.project and item["metadata"]["uid"] != mine.metadata.uid
    ]
    return tuple(sorted(found, key=lambda seen: (seen.created, seen.name)))


async def observe(reader: Reader, item: Import, settings: Settings) -> Observed:
    """The project, its credentials, the import's Job and pod, other imports."""
    space, name = item.metadata.namespace or "", item.metadata.name
    raw = await reader.get(API_VERSION, Project.KIND, item.spec.project, space)
    gone = raw is None or raw["metadata"].get("deletionTimestamp")
    project = None if gone or raw is None else Project.parse(raw).spec
    wanted = project.source.credentials if project else ""
    secret = await reader.get("v1", "Secret", wanted, space) if wanted else None
    job = await reader.get("batch/v1", "Job", name, space)
    true = [one for one in ((job or {}).get("status") or {}).get("conditions") or () if one["status"] == "True"]
    return Observed(
        platform_image=settings.platform_image,
        git_url=settings.git_url,
        proxy=settings.http_proxy,
        project=project,
        credentials_missing=bool(wanted) and secret is None,
        job_uid=job["metadata"]["uid"] if job else "",
        job_failed=any(one["type"] in ("Failed", "FailureTarget") for one in true),
        pod=read_pod(await reader.list("v1", "Pod", space, f"{IMPORT}={name}")),
        others=_others(await reader.list(API_VERSION, Import.KIND, space), item),
    )
