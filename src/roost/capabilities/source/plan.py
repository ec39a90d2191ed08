"""The plan of an Import: one Job that looks, then its report. Pure.

    Pending -> Fetching -> Done | Failed

An import ends once. The imports of a project take turns, so a pod never pushes over what a later one brought.
"""

from datetime import datetime, timedelta
from typing import Any

from roost.capabilities.source.manifests import job
from roost.capabilities.source.model import Observed
from roost.model import fetch_task, history, ready_image
from roost.model.conditions import not_ready, ready, timestamp
from roost.model.fetch_task import FetchReport, FetchTask
from roost.model.kinds.delivery import ProjectSpec
from roost.model.kinds.source import Import
from roost.model.names import BUILD, split_namespace
from roost.model.plan import Action, Apply, Plan

ENDED = ("Done", "Failed")
KEPT = 10  # Of a project. What an older one led to is told by its run.
TIMEOUT_S = 1800
LOOK_AGAIN = timedelta(seconds=5)


def plan(item: Import, observed: Observed, now: datetime) -> Plan:
    """What should be of this Import."""
    place = split_namespace(item.metadata.namespace or "")
    if item.status.phase in ENDED:
        return history.ended(item, item.status, item.status.phase, observed.others, KEPT)
    if place is None or place[1] != BUILD:
        return _end(item, now, "WrongNamespace", "An import belongs into the build namespace of a tenant.")
    if observed.project is None:
        return _end(item, now, "ProjectGone", f"There is no project {item.spec.project}.")
    if not observed.project.source.follows:
        return _end(item, now, "NothingToFollow", "The project has no source: people push to it.")
    report = fetch_task.read(observed.pod.message) if observed.pod and observed.pod.ended else None
    if report is not None:
        return _reported(item, report, now)
    if observed.job_failed:
        why = f": {observed.pod.why}" if observed.pod and observed.pod.why else ""
        return _end(item, now, "PodDied", f"The pod that looks at the source died and was tried again in vain{why}.")
    if observed.credentials_missing:
        name = observed.project.source.credentials
        words = f"The project names the credentials {name}, which do not exist: `roost source credentials`."
        return _end(item, now, "CredentialsMissing", words)
    image = observed.project.source.image
    if image and not _may_take(image, place[0], observed):
        words = (
            f"{place[0]} may not take images from {image.partition('/')[0]}. An administrator allows it:"
            " spec.registries of the tenant."
        )
        return _end(item, now, "RegistryNotAllowed", words)
    if _before(item, observed) and not observed.job_uid:
        waits = not_ready("Queued", "An earlier look at the same source has not ended.")
        return Plan(conditions=(waits,), status={"phase": "Pending"}, next_check=LOOK_AGAIN)
    return _fetch(item, place[0], observed, now)


def _may_take(image: str, tenant: str, observed: Observed) -> bool:
    """The tenant's own images, and those of registries that it is given. The registry of ours shows nothing else."""
    return ready_image.allowed(image, (f"{observed.registry}/{tenant}", *observed.registries))


def _follows_requests(project: ProjectSpec) -> bool:
    return project.forge is not None and bool(project.previews.environment)


def _secrets(project: ProjectSpec) -> dict[str, str]:
    """The Secrets that the pod needs, by what they are for."""
    found = {"source": project.source.credentials}
    if project.forge is not None and _follows_requests(project):
        found["forge"] = project.forge.token
    return {key: name for key, name in found.items() if name}


def _requests(project: ProjectSpec) -> dict[str, Any]:
    """Where open merge requests are asked for, where the project tries them out."""
    if project.forge is None or not _follows_requests(project):
        return {}
    api, repository = project.forge.address(project.source.url)
    named = {"forge": project.forge.type, "forge_api": api, "forge_repository": repository}
    return named | {"forks": project.previews.forks}


def _before(item: Import, observed: Observed) -> list[history.Past]:
    mine = (item.metadata.creation_timestamp or "", item.metadata.name)
    return [other for other in observed.others if not other.ended and (other.created, other.name) < mine]


def _fetch(item: Import, tenant: str, observed: Observed, now: datetime) -> Plan:
    assert observed.project is not None and observed.project.source.type != "hosted"
    source = observed.project.source
    task = FetchTask(
        tenant=tenant,
        project=item.spec.project,
        type=source.type if source.type in ("svn", "image") else "git",
        url=source.url,
        path=source.path,
        only=source.only,
        branch=observed.project.branch,
        refs=tuple(observed.project.triggers.patterns()) if source.type in ("git", "svn") else (),
        tags=source.tags if source.type == "svn" else "",
        image=source.image,
        registry=observed.registry if source.image else "",
        git_url=observed.git_url,
        timeout_s=TIMEOUT_S,
        proxy=observed.proxy,
        **_requests(observed.project),
    )
    started = observed.pod is not None and observed.pod.started
    arguments: dict[str, Any] = {"tenant": tenant, "project": item.spec.project, "timeoutS": TIMEOUT_S}
    if source.image:
        arguments["pull"] = sorted(set(observed.projects) - {item.spec.project})
    return Plan(
        apply=(Apply(job.job(item, tenant, observed.platform_image, _secrets(observed.project), task), create=True),),
        actions=() if started else (Action("prepare", item.metadata.uid, arguments, first=True),),
        conditions=(not_ready("Fetching", f"Looking at {source.follows}."),),
        status={
            "phase": "Fetching" if started else "Pending",
            "startedAt": item.status.started_at or timestamp(now),
        },
        next_check=LOOK_AGAIN,
    )


def _reported(item: Import, report: FetchReport, now: datetime) -> Plan:
    if not report.ok:
        return _end(item, now, report.reason or "Failed", report.message)
    what = f"revision {report.revision}" if report.revision else report.digest[:19] or report.commit[:12]
    words = f"It moved to {what}: a run follows." if report.moved else f"Nothing is new: it stands at {what}."
    return Plan(
        conditions=(ready("Done", words),),
        status={
            "phase": "Done",
            "commit": report.commit or None,
            "revision": report.revision or None,
            "digest": report.digest or None,
            "moved": report.moved,
            "finishedAt": timestamp(now),
        },
        hold=True,
    )


def _end(item: Import, now: datetime, reason: str, message: str) -> Plan:
    return Plan(
        conditions=(not_ready(reason, message),),
        status={"phase": "Failed", "finishedAt": timestamp(now)},
        hold=True,
    )
