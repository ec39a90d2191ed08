"""The plan of a Project: where to push to, and what came of the last push. Pure.

The repository itself is made by the git server at the first request for it, and belongs to the Project's uid.
"""

from datetime import datetime, timedelta

from roost.capabilities.project import edits
from roost.capabilities.project.manifests import commit_status
from roost.capabilities.project.manifests import run as started
from roost.capabilities.project.model import Observed, may_follow
from roost.model.conditions import Condition, not_ready, ready
from roost.model.kinds.delivery import Project
from roost.model.kinds.source import Import, ImportSpec
from roost.model.names import API_VERSION, BUILD, split_namespace
from roost.model.plan import Action, Apply, Plan

KEPT_RUNS = 100  # Older ones are told by the Releases that they led to.
RUNS = 1800  # Of all projects of a tenant: its quota is 2000, and at the quota no push would be built any more.
FORGOTTEN_AT_ONCE = 20


def plan(project: Project, observed: Observed, now: datetime) -> Plan:
    """What should be of this Project. Time matters only to when its source is looked at again."""
    names = split_namespace(project.metadata.namespace or "")
    if names is None or names[1] != BUILD:
        return Plan(
            conditions=(not_ready("WrongNamespace", "A project belongs into the build namespace of a tenant."),)
        )
    repository = f"https://api.{observed.domain}/{names[0]}/{project.metadata.name}.git"
    namespace = project.metadata.namespace or ""
    kept = min(KEPT_RUNS, RUNS // max(1, observed.projects))
    looks, again = _looks(project, observed, now)
    times = started.of_schedules(project, names[0], observed, now)
    images = started.of_images(project, names[0], observed)
    checks = [*([] if again is None else [again]), *times.again, *images.again]
    return Plan(
        apply=(*looks, *times.apply, *images.apply, *commit_status.of(project, names[0], observed, now)),
        next_check=min(checks, default=None),
        actions=tuple(
            Action("forget", run.uid, {"name": run.name, "namespace": namespace})
            for run in [run for run in observed.ended_runs[kept:] if run.name != observed.head_run][:FORGOTTEN_AT_ONCE]
        ),
        conditions=(_condition(project, names[0], observed, repository),),
        status={
            "repository": repository,
            "lastRun": observed.last_run or None,
            **edits.status(project, now),
            **times.status,
            **images.status,
        },
    )


def _looks(project: Project, observed: Observed, now: datetime) -> tuple[tuple[Apply, ...], timedelta | None]:
    """(the Import that is due, how long until the next one is). Its name follows from the time: two make but one."""
    source = project.spec.source
    if not source.follows or not source.poll_s:
        return (), None
    pause = timedelta(seconds=source.poll_s)
    if observed.last_look is not None and observed.last_look + pause > now:
        return (), observed.last_look + pause - now
    meta = project.metadata
    owner = {"apiVersion": API_VERSION, "kind": Project.KIND, "name": meta.name, "uid": meta.uid}
    made = Import.manifest(
        f"{meta.name}-poll-{int(now.timestamp()) // source.poll_s}",
        ImportSpec(project=meta.name, cause="poll"),
        meta.namespace,
        ownerReferences=[owner],
    )
    return (Apply(made, create=True, owned=False),), pause


def _condition(project: Project, tenant: str, observed: Observed, repository: str) -> Condition:
    wanted = project.spec.environment
    if wanted and wanted not in observed.environments:
        words = ", ".join(observed.environments) or "none"
        return not_ready(
            "EnvironmentMissing", f"It deploys to {wanted}, which {tenant} does not have. Environments: {words}."
        )
    tried = project.spec.previews.environment
    if tried and tried not in observed.previews:
        words = f"Merge requests cannot be tried out in {tried}: an administrator sets `previews` of that environment."
        return not_ready("NoPreviews", words)
    foreign = [image for image in project.spec.triggers.images if not may_follow(image, tenant)]
    if foreign:
        words = f"It may not look after {foreign[0]}: only images beneath base/ and {tenant}/ (triggers.images)."
        return not_ready("ForeignImage", words)
    source = project.spec.source
    if project.spec.triggers.paused:
        return ready("Paused", f"Only people start runs: {project.spec.triggers.paused}")
    if source.image:
        return ready("Ready", f"It follows the image {source.image}.")
    if source.url:
        return ready("Ready", f"It follows {source.url}, branch {project.spec.branch}.")
    if source.type == "archive":
        return ready("Ready", f"Upload to it: `roost project upload {project.metadata.name} ARCHIVE`.")
    return ready("Ready", f"Push to {repository}, branch {project.spec.branch}.")
