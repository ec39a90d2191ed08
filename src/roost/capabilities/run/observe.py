"""What stands of a Run. Reads only, no decisions."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from roost.capabilities.run import images
from roost.capabilities.run.manifests import spare
from roost.capabilities.run.manifests.builder import NAME as BUILDER
from roost.capabilities.run.manifests.job import CONDUCTOR
from roost.capabilities.run.model import Observed, Platform, SeenBuilder, SeenJob, SeenRun, SeenSpare
from roost.kernel.capability import Watch
from roost.kube.reader import Object, Reader
from roost.model import build_report, findings, single_pod
from roost.model.advisories import CONFIG_MAP as ADVISORIES_MAP
from roost.model.build_report import BuildReport
from roost.model.kinds.channel import Channel, Notice
from roost.model.kinds.delivery import Project, Run
from roost.model.kinds.scan import Waiver
from roost.model.kinds.tenant import Tenant
from roost.model.kinds.triggers import Concurrency
from roost.model.names import API_VERSION, OUTCOME, RUN, SPARE, SYSTEM_NAMESPACE, split_namespace
from roost.model.notices import Telling, telling
from roost.model.waivers import waivers
from roost.settings import Settings
from roost.surface.signing import read_key, report_key

WATCHES = (
    Watch("batch/v1", "Job", owner=f"label:{RUN}", labels=RUN),
    Watch("v1", "Pod", owner=f"label:{RUN}", labels=RUN),
    Watch("v1", "Pod", owner="owner", labels=RUN),  # One that had waited is a run's by its owner.
)
ENDED = ("Succeeded", "Failed", "Cancelled")


async def _platform(reader: Reader, settings: Settings) -> Platform:
    told = await reader.get("v1", "ConfigMap", ADVISORIES_MAP, SYSTEM_NAMESPACE) or {}
    key = read_key(settings)
    return Platform(
        signing_key=key.id if key is not None else "",
        registry=settings.registry,
        git_url=settings.git_url,
        builder_image=settings.builder_image,
        platform_image=settings.platform_image,
        scanner_image=settings.scanner_image,
        advisories=str((told.get("data") or {}).get("image", "")),
        mirrors=settings.mirrors,
        proxy=settings.http_proxy,
        max_build_s=settings.max_build_s,
        builder_idle_s=settings.builder_idle_s,
        spare_s=settings.spare_s,
    )


def read_builder(raw: Object | None) -> SeenBuilder | None:
    """The builder's pod, shortened."""
    if raw is None:
        return None
    return SeenBuilder(
        uid=raw["metadata"]["uid"],
        image=raw["spec"]["containers"][0]["image"],
        ended=(raw.get("status") or {}).get("phase") in ("Succeeded", "Failed"),
        deleting=bool(raw["metadata"].get("deletionTimestamp")),
    )


def read_spare(raw: Object) -> SeenSpare:
    """A pod that waits for a run, or had waited, shortened."""
    meta, seen = raw["metadata"], single_pod.newest([raw], CONDUCTOR)
    owners = {owner["kind"]: owner["uid"] for owner in meta.get("ownerReferences") or ()}
    assert seen is not None
    return SeenSpare(
        name=meta["name"],
        uid=meta["uid"],
        version=meta["resourceVersion"],
        project=owners.get(Project.KIND, ""),
        run=owners.get(Run.KIND, ""),
        shape=(meta.get("annotations") or {}).get(spare.SHAPE, ""),
        made=datetime.fromisoformat(meta["creationTimestamp"].replace("Z", "+00:00")),
        running=seen.started and not seen.ended,
        ended=seen.ended,
        deleting=bool(meta.get("deletionTimestamp")),
    )


def reported(run: Run, pods: Iterable[str], settings: Settings) -> BuildReport | None:
    """The report that was brought to the run, if one of its pods sealed it. pods: names of their Secrets."""
    brought = run.metadata.annotations.get(OUTCOME)
    if not brought:
        return None
    space = run.metadata.namespace or ""
    keys = (report_key(settings, space, name) for name in pods)
    return build_report.unseal([key for key in keys if key], run.metadata.uid, brought)


def read_job(raw: Object | None) -> SeenJob | None:
    """The Job, shortened."""
    if raw is None:
        return None
    true = {
        item["type"]: item for item in (raw.get("status") or {}).get("conditions") or () if item["status"] == "True"
    }
    failed = true.get("Failed") or true.get("FailureTarget")
    return SeenJob(
        uid=raw["metadata"]["uid"],
        complete="Complete" in true or "SuccessCriteriaMet" in true,
        failed=str(failed.get("reason") or "Failed") if failed else "",
        deleting=bool(raw["metadata"].get("deletionTimestamp")),
    )


async def _environments(reader: Reader, tenant: str) -> tuple[str, ...]:
    raw = await reader.get(API_VERSION, Tenant.KIND, tenant)
    return tuple(item.name for item in Tenant.parse(raw).spec.environments) if raw else ()


async def _telling(reader: Reader, space: str) -> Telling:
    channels = await reader.list(API_VERSION, Channel.KIND, space)
    return telling(channels, await reader.list(API_VERSION, Notice.KIND, space) if channels else [])


def _order(item: Object) -> int:
    return int(item["spec"].get("sequence") or item["spec"].get("attempt") or 1)


def _seen(item: Object, places: Mapping[str, int]) -> SeenRun:
    meta, project = item["metadata"], item["spec"].get("project") or ""
    return SeenRun(
        name=meta["name"],
        created=meta.get("creationTimestamp") or "",
        project=project,
        order=_order(item),
        started=bool((item.get("status") or {}).get("startedAt")),
        places=places.get(project, Concurrency().places),
    )


def _newer(run: Run, runs: Iterable[Object]) -> str:
    """The newest Run of the same project, ref and trigger that came later; empty where there is none."""
    mine = (run.spec.order, run.metadata.creation_timestamp or "", run.metadata.name)
    which = (run.spec.project, run.spec.ref, run.spec.cause, run.spec.trigger)
    found = [
        (_order(item), item["metadata"].get("creationTimestamp") or "", item["metadata"]["name"])
        for item in runs
        if _which(item) == which
    ]
    newest = max(found, default=mine)
    return newest[2] if newest > mine else ""


def _which(item: Object) -> tuple[str, str, str, str]:
    spec = item["spec"]
    return spec.get("project", ""), spec.get("ref", ""), spec.get("cause", "push"), spec.get("trigger", "")


def base_findings(run: Run, branch: str, runs: list[Object]) -> str:
    """The tag of what the last successful run of the project's branch found; empty where there was none."""
    same = (run.spec.project, f"refs/heads/{branch}")
    ended = [
        (int(item["spec"].get("sequence") or item["spec"].get("attempt") or 1), item["spec"])
        for item in runs
        if (item["spec"].get("project"), item["spec"].get("ref")) == same
        and (item.get("status") or {}).get("phase") == "Succeeded"
    ]
    if not ended:
        return ""
    last = max(ended, key=lambda item: item[0])[1]
    return findings.tag(int(last.get("attempt") or 1), str(last["commit"]))


def is_of(pod: Object, run: Run) -> bool:
    """Whether it is a pod of the run's Job, or one that had waited and serves the run."""
    meta = pod["metadata"]
    taken = any(owner["uid"] == run.metadata.uid for owner in meta.get("ownerReferences") or ())
    return taken or meta["labels"].get(RUN) == run.metadata.name


async def observe(reader: Reader, run: Run, settings: Settings) -> Observed:
    """The run's Job and pod, the tenant's builder and other runs, the project."""
    space = run.metadata.namespace or ""
    names = split_namespace(space)
    runs = await reader.list(API_VERSION, Run.KIND, space)
    opened = [item for item in runs if (item.get("status") or {}).get("phase") not in ENDED]
    projects = {item["metadata"]["name"]: item for item in await reader.list(API_VERSION, Project.KIND, space)}
    places = {
        name: Concurrency.model_validate(item["spec"].get("concurrency") or {}).places
        for name, item in projects.items()
    }
    pods = await reader.list("v1", "Pod", space, RUN)
    mine = [item for item in pods if is_of(item, run)]
    spares = [read_spare(item) for item in pods if SPARE in item["metadata"]["labels"]]
    spares = [seen for seen in spares if seen.run in ("", run.metadata.uid)]
    raw = projects.get(run.spec.project)
    ends = [str((item.get("status") or {}).get("finishedAt") or "") for item in runs]
    common = {
        "platform": await _platform(reader, settings),
        "open_runs": tuple(_seen(item, places) for item in opened),
        "last_ended": max(ends, default=""),
        "builder": read_builder(await reader.get("v1", "Pod", BUILDER, space)),
        "project_uid": raw["metadata"]["uid"] if raw else "",
        "projects": tuple(sorted(projects)),
        "spares": tuple(spares),
    }
    if run.status.phase in ENDED or names is None:
        return Observed(**common)
    project = Project.parse(raw) if raw else None
    job = await reader.get("batch/v1", "Job", run.metadata.name, space)
    pipeline = run.spec.pipeline
    step_images: dict[str, str] = {}
    bases: tuple[str, ...] = ()
    if pipeline.steps and job is not None:
        step_images = images.of_job(pipeline, job)
    elif pipeline.steps and not run.spec.problem:
        step_images, bases = await images.of_registry(pipeline, names[0], settings)
    missing = []
    for name in run.spec.build.secrets:
        if await reader.get("v1", "Secret", name, space) is None:
            missing.append(name)
    return Observed(
        **common,
        environments=await _environments(reader, names[0]),
        project_exists=project is not None,
        environment=project.spec.environment if project else "",
        app=project.spec.app if project else "",
        policy=project.spec.concurrency.policy if project else "parallel",
        newer=_newer(run, runs),
        told=await _telling(reader, space),
        job=read_job(job),
        pod=single_pod.newest(mine, CONDUCTOR),
        reported=reported(run, (run.metadata.name, *(seen.name for seen in spares if seen.run)), settings),
        waivers=waivers(await reader.list(API_VERSION, Waiver.KIND, space), run.spec.project),
        base_findings=base_findings(run, project.spec.branch, runs) if project else "",
        missing_secrets=tuple(missing),
        images=step_images,
        offered=bases,
        step_secrets=await images.secrets(reader, space, run.spec, project),
    )
