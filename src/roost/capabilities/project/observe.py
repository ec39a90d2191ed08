"""What stands of a Project. Reads only, no decisions."""

from datetime import datetime

from roost.capabilities.project.images import Images
from roost.capabilities.project.model import Observed, SeenRun, may_follow
from roost.kernel.capability import Watch
from roost.kube.reader import Object, Reader
from roost.model.kinds.delivery import Project, Run, RunSpec
from roost.model.kinds.forge import CommitStatus
from roost.model.kinds.source import Import
from roost.model.kinds.tenant import Tenant
from roost.model.names import API_VERSION, PROJECT, split_namespace
from roost.model.refs import HEADS
from roost.settings import Settings

IMAGES = Images()
TOLD = 30  # Runs, the newest, of which a forge is told.
WATCHES = (
    Watch(API_VERSION, Run.KIND, owner=f"label:{PROJECT}"),
    Watch(API_VERSION, Import.KIND, owner="field:spec.project"),
)


async def _last_look(reader: Reader, project: Project) -> datetime | None:
    looks = [
        item["metadata"].get("creationTimestamp") or ""
        for item in await reader.list(API_VERSION, Import.KIND, project.metadata.namespace)
        if item["spec"].get("project") == project.metadata.name
    ]
    newest = max(looks, default="")
    return datetime.fromisoformat(newest.replace("Z", "+00:00")) if newest else None


def _head(runs: list[Object], branch: str) -> Object | None:
    """The newest Run of the branch: every move of it has one, so its commit is where the branch stands."""
    mine = [run for run in runs if run["spec"].get("ref") == HEADS + branch]
    return max(
        mine,
        default=None,
        key=lambda run: (
            run["spec"].get("sequence") or run["spec"].get("attempt") or 1,
            run["metadata"].get("creationTimestamp") or "",
        ),
    )


def _seen(raw: Object) -> SeenRun:
    """What the forge is told of a run."""
    run = Run.parse(raw)
    created = run.metadata.creation_timestamp
    said = [one.message for one in run.status.conditions if one.type == "Ready"]
    return SeenRun(
        name=run.metadata.name,
        uid=run.metadata.uid,
        commit=run.spec.commit,
        created=datetime.fromisoformat(created.replace("Z", "+00:00")) if created else None,
        ended=run.status.finished_at is not None,
        phase=run.status.phase or "",
        message=said[0] if said else "",
        preview_app=run.spec.app if run.spec.preview else "",
        environment=run.spec.environment,
    )


def _open_schedules(runs: list[Object]) -> tuple[str, ...]:
    found = {
        run["spec"].get("trigger") or ""
        for run in runs
        if run["spec"].get("cause") == "schedule" and not (run.get("status") or {}).get("finishedAt")
    }
    return tuple(sorted(found))


def _own(images: tuple[str, ...], tenant: str) -> list[str]:
    """Those that the project may know of."""
    return [image for image in images if may_follow(image, tenant)]


async def observe(reader: Reader, project: Project, settings: Settings) -> Observed:
    """The tenant's environments and the project's newest run."""
    space = project.metadata.namespace or ""
    names = split_namespace(space)
    raw = await reader.get(API_VERSION, Tenant.KIND, names[0]) if names else None
    runs = await reader.list(API_VERSION, Run.KIND, space, f"{PROJECT}={project.metadata.name}")
    runs = sorted(
        runs, reverse=True, key=lambda run: (run["metadata"].get("creationTimestamp") or "", run["spec"]["attempt"])
    )
    head = _head(runs, project.spec.branch)
    images = _own(project.spec.triggers.images, names[0]) if names else []
    there = Tenant.parse(raw).spec.environments if raw else ()
    forge = project.spec.forge is not None
    said = await reader.list(API_VERSION, CommitStatus.KIND, space) if forge else []
    return Observed(
        domain=settings.domain,
        environments=tuple(item.name for item in there),
        previews=tuple(item.name for item in there if item.previews),
        runs=tuple(_seen(run) for run in runs[:TOLD]) if forge else (),
        told=tuple(sorted(item["metadata"]["name"] for item in said)),
        projects=len(await reader.list(API_VERSION, Project.KIND, space)),
        last_look=await _last_look(reader, project) if project.spec.source.follows else None,
        last_run=runs[0]["metadata"]["name"] if runs else "",
        ended_runs=tuple(
            SeenRun(name=run["metadata"]["name"], uid=run["metadata"]["uid"])
            for run in runs
            if (run.get("status") or {}).get("finishedAt")
        ),
        head=RunSpec.model_validate(head["spec"]) if head else None,
        head_run=head["metadata"]["name"] if head else "",
        open_schedules=_open_schedules(runs),
        digests=await IMAGES.digests(images, settings),
    )
