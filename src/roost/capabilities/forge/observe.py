"""What stands of a CommitStatus. Reads only, no decisions."""

from typing import Any

from roost.capabilities.forge.model import Observed, SeenPod, SeenStatus
from roost.kernel.capability import Watch
from roost.kube.reader import Object, Reader
from roost.model.kinds.delivery import Project
from roost.model.kinds.forge import CommitStatus
from roost.model.names import API_VERSION, REPORT
from roost.settings import Settings

WATCHES = (
    Watch("batch/v1", "Job", owner=f"label:{REPORT}", labels=REPORT),
    Watch("v1", "Pod", owner=f"label:{REPORT}", labels=REPORT),
)


def read_pod(pods: list[Object]) -> SeenPod | None:
    """The newest of the pods, shortened."""
    if not pods:
        return None
    newest = max(pods, key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]))
    status: dict[str, Any] = newest.get("status") or {}
    states = [item.get("state") or {} for item in status.get("containerStatuses") or ()]
    ended = next((state["terminated"] for state in states if "terminated" in state), None)
    if ended is not None:
        return SeenPod(
            started=True, ended=True, message=ended.get("message") or "", reason=str(ended.get("reason") or "")
        )
    return SeenPod(
        started=any("running" in state for state in states),
        ended=status.get("phase") == "Failed",
        reason=str(status.get("reason") or "")[:300],
    )


def _is_of(pod: Object, job: Object | None) -> bool:
    """Whether it is a pod of this very Job: those of an earlier try may stand there for a while."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return job is not None and any(owner["uid"] == job["metadata"]["uid"] for owner in owners)


async def observe(reader: Reader, item: CommitStatus, settings: Settings) -> Observed:
    """The project's forge, its token, the Job and pod, other words on the run."""
    space, name = item.metadata.namespace or "", item.metadata.name
    raw = await reader.get(API_VERSION, Project.KIND, item.spec.project, space)
    project = Project.parse(raw).spec if raw else None
    forge = project.forge if project else None
    secret = await reader.get("v1", "Secret", forge.token, space) if forge and forge.token else None
    job = await reader.get("batch/v1", "Job", name, space)
    true = [one for one in ((job or {}).get("status") or {}).get("conditions") or () if one["status"] == "True"]
    others = [
        SeenStatus(state=other["spec"]["state"], sending=(other.get("status") or {}).get("phase") == "Sending")
        for other in await reader.list(API_VERSION, CommitStatus.KIND, space)
        if other["spec"]["run"] == item.spec.run and other["metadata"]["uid"] != item.metadata.uid
    ]
    return Observed(
        platform_image=settings.platform_image,
        proxy=settings.http_proxy,
        project=project is not None,
        forge=forge,
        url=project.source.url if project else "",
        token_missing=forge is not None and secret is None,
        job_uid=job["metadata"]["uid"] if job else "",
        job_failed=any(one["type"] in ("Failed", "FailureTarget") for one in true),
        pod=read_pod([pod for pod in await reader.list("v1", "Pod", space, f"{REPORT}={name}") if _is_of(pod, job)]),
        others=tuple(sorted(others, key=lambda seen: seen.state)),
    )
