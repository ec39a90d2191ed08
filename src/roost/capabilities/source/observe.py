"""What stands of an Import. Reads only, no decisions."""

from roost.capabilities.source.model import Observed
from roost.kernel.capability import Watch
from roost.kube.reader import Object, Reader
from roost.model import single_pod
from roost.model.history import Past
from roost.model.kinds.delivery import Project
from roost.model.kinds.source import Import
from roost.model.kinds.tenant import Tenant
from roost.model.names import API_VERSION, IMPORT, split_namespace
from roost.settings import Settings

WATCHES = (
    Watch("batch/v1", "Job", owner=f"label:{IMPORT}", labels=IMPORT),
    Watch("v1", "Pod", owner=f"label:{IMPORT}", labels=IMPORT),
)
ENDED = ("Done", "Failed")


def _others(items: list[Object], mine: Import) -> tuple[Past, ...]:
    found = [
        Past(
            name=item["metadata"]["name"],
            uid=item["metadata"]["uid"],
            created=item["metadata"].get("creationTimestamp") or "",
            ended=(item.get("status") or {}).get("phase") in ENDED,
        )
        for item in items
        if item["spec"].get("project") == mine.spec.project and item["metadata"]["uid"] != mine.metadata.uid
    ]
    return tuple(sorted(found, key=lambda seen: (seen.created, seen.name)))


async def _projects(reader: Reader, space: str) -> tuple[str, ...]:
    return tuple(sorted(item["metadata"]["name"] for item in await reader.list(API_VERSION, Project.KIND, space)))


async def observe(reader: Reader, item: Import, settings: Settings) -> Observed:
    """The project, its credentials, the import's Job and pod, other imports."""
    space, name = item.metadata.namespace or "", item.metadata.name
    raw = await reader.get(API_VERSION, Project.KIND, item.spec.project, space)
    gone = raw is None or raw["metadata"].get("deletionTimestamp")
    project = None if gone or raw is None else Project.parse(raw).spec
    wanted = project.source.credentials if project else ""
    secret = await reader.get("v1", "Secret", wanted, space) if wanted else None
    names = split_namespace(space)
    job = await reader.get("batch/v1", "Job", name, space)
    image = bool(project and project.source.image)
    tenant = await reader.get(API_VERSION, Tenant.KIND, names[0]) if image and names else None
    true = [one for one in ((job or {}).get("status") or {}).get("conditions") or () if one["status"] == "True"]
    return Observed(
        platform_image=settings.platform_image,
        git_url=settings.git_url,
        proxy=settings.http_proxy,
        registry=settings.registry,
        registries=Tenant.parse(tenant).spec.registries if tenant else (),
        projects=await _projects(reader, space) if image else (),
        project=project,
        credentials_missing=bool(wanted) and secret is None,
        job_uid=job["metadata"]["uid"] if job else "",
        job_failed=any(one["type"] in ("Failed", "FailureTarget") for one in true),
        pod=single_pod.newest(await reader.list("v1", "Pod", space, f"{IMPORT}={name}")),
        others=_others(await reader.list(API_VERSION, Import.KIND, space), item),
    )
