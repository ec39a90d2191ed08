"""What stands of an App. Reads only, no decisions."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from roost.adapters import gateway
from roost.capabilities.app.manifests.job import job_name
from roost.capabilities.app.manifests.network import WEB
from roost.capabilities.app.manifests.pod import CANDIDATE
from roost.capabilities.app.model import (
    MOVED,
    RELEASE_COMMAND,
    RUNTIME,
    SHAPE,
    LeavingNode,
    Observed,
    SeenDeployment,
    SeenJob,
    SeenPod,
    SeenRelease,
    SeenRoute,
)
from roost.kernel.capability import Watch
from roost.kube.reader import Object, Reader
from roost.model import names
from roost.model.conditions import READY
from roost.model.configuration import SALT, secret_copy_name, secret_name
from roost.model.kinds.app import App, Counters, Release
from roost.model.kinds.domain import Domain
from roost.model.kinds.vulnerabilities import NEW, VulnerabilityReport
from roost.settings import Settings
from roost.surface.allowlist import refusal

NO_INSTANCES = (RELEASE_COMMAND, names.ONE_OFF)  # Pods of an application that serve nothing.

WATCHES = (
    Watch(names.API_VERSION, "Release", owner="owner"),
    Watch(names.API_VERSION, Domain.KIND, owner="all"),
    Watch(names.API_VERSION, VulnerabilityReport.KIND, owner="name"),
    Watch("apps/v1", "Deployment", owner="owner", labels=names.APP),
    Watch("batch/v1", "Job", owner="owner", labels=names.APP),
    Watch("v1", "Pod", owner=f"label:{names.APP}", labels=names.APP),
    Watch("v1", "Node", owner="all", only=("spec.unschedulable", "spec.taints")),
    Watch("v1", "Service", owner="owner", labels=names.APP),
    Watch("policy/v1", "PodDisruptionBudget", owner="owner", labels=names.APP),
    Watch("gateway.networking.k8s.io/v1", "HTTPRoute", owner="owner", labels=names.APP),
)

# Taints of nodes that are about to be emptied: Kubernetes' own after `kubectl drain` or `cordon`, cluster-autoscaler's
# and Karpenter's.
LEAVING = frozenset(
    {"node.kubernetes.io/unschedulable", "ToBeDeletedByClusterAutoscaler", "karpenter.sh/disrupted"},
)

_NEWEST = re.compile(r'[Rr]eplica ?[Ss]et "([^"]+)"')
_REFUSED = re.compile(r'pods "([^"]+)" is forbidden')


def _labels(item: Object) -> Mapping[str, str]:
    return item["metadata"].get("labels") or {}


def _belongs(item: Object, uid: str) -> bool:
    """Whether the App with this uid owns it. What an earlier App of the same name left is about to be collected."""
    return any(owner["uid"] == uid for owner in item["metadata"].get("ownerReferences") or ())


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def release(item: Object) -> SeenRelease:
    """A Release as the plan wants it."""
    parsed = Release.parse(item)
    return SeenRelease(
        number=parsed.spec.number,
        name=parsed.metadata.name,
        uid=parsed.metadata.uid,
        made=_moment(parsed.metadata.creation_timestamp),
        digest=parsed.spec.digest,
        phase=parsed.status.phase,
        served=parsed.status.live_at is not None,
        content=parsed.spec.content,
    )


def _condition(item: Object, type_: str) -> Mapping[str, Any]:
    conditions = (item.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition["type"] == type_), {})


def _is_old(refusal: str, progress: str) -> bool:
    """Whether a refusal is of pods that the newest ReplicaSet did not ask for: Kubernetes repeats an older one's.

    `progress` names the newest one: `ReplicaSet "shop-web-5d54598cdc" is progressing.`
    """
    newest, refused = _NEWEST.search(progress), _REFUSED.search(refusal)
    return newest is not None and refused is not None and not refused[1].startswith(f"{newest[1]}-")


def deployment(item: Object) -> SeenDeployment:
    """A Deployment as the plan wants it."""
    status = item.get("status") or {}
    template = item["spec"]["template"]["metadata"]
    annotations = template.get("annotations") or {}
    shape = annotations.get(SHAPE, "1")
    failure, progressing = _condition(item, "ReplicaFailure"), _condition(item, "Progressing")
    refusal = failure.get("message", "") if failure.get("status") == "True" else ""
    return SeenDeployment(
        process=_labels(item).get(names.PROCESS, ""),
        release=(template.get("labels") or {}).get(names.RELEASE, ""),
        runtime=annotations.get(RUNTIME, ""),
        shape=int(shape) if shape.isdecimal() else 0,
        moved=annotations.get(MOVED, ""),
        settled=status.get("observedGeneration", 0) >= item["metadata"].get("generation", 0),
        wanted=item["spec"].get("replicas", 1),
        replicas=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        available=status.get("availableReplicas", 0),
        stuck=progressing.get("reason") == "ProgressDeadlineExceeded",
        refusal=refusal,
        refusal_is_old=_is_old(refusal, progressing.get("message", "")),
    )


def route(item: Object) -> SeenRoute:
    """The HTTPRoute as the plan wants it."""
    generation = item["metadata"].get("generation", 0)
    accepted = [
        condition
        for parent in (item.get("status") or {}).get("parents") or ()
        for condition in parent.get("conditions") or ()
        if condition["type"] == "Accepted"
        and condition["status"] == "True"
        and condition.get("observedGeneration", 0) >= generation
    ]
    since = [_moment(condition.get("lastTransitionTime")) for condition in accepted]
    return SeenRoute(taken=bool(accepted), since=min((item for item in since if item is not None), default=None))


def _last_end(status: Mapping[str, Any]) -> Mapping[str, Any]:
    ended: Mapping[str, Any] = (status.get("state") or {}).get("terminated") or {}
    return ended or (status.get("lastState") or {}).get("terminated") or {}


def pod(item: Object) -> SeenPod:
    """A pod as the plan wants it."""
    status = item.get("status") or {}
    first: Mapping[str, Any] = next(iter(status.get("containerStatuses") or ()), {})
    state = first.get("state") or {}
    waiting = state.get("waiting") or {}
    ended = _last_end(first)
    began, over = _moment(ended.get("startedAt")), _moment(ended.get("finishedAt"))
    scheduled = _condition(item, "PodScheduled")
    annotations = item["metadata"].get("annotations") or {}
    refused = scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"
    return SeenPod(
        name=item["metadata"]["name"],
        address=status.get("podIP", ""),
        node=(item.get("spec") or {}).get("nodeName", ""),
        process=_labels(item).get(names.PROCESS, ""),
        runtime=annotations.get(RUNTIME, ""),
        moved=annotations.get(MOVED, ""),
        phase=status.get("phase", "Pending"),
        ready=_condition(item, "Ready").get("status") == "True",
        started=bool(first.get("started")),
        terminating="deletionTimestamp" in item["metadata"],
        restarts=first.get("restartCount", 0),
        waiting=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        exit_code=ended.get("exitCode"),
        exit_reason=ended.get("reason", ""),
        last_words=ended.get("message", ""),
        lived_s=int((over - began).total_seconds()) if began and over else None,
        unschedulable=scheduled.get("message", "") if refused else "",
        running_since=_moment((state.get("running") or {}).get("startedAt")),
    )


def _job(item: Object, pods: list[Object]) -> SeenJob:
    release_name = _labels(item).get(names.RELEASE, "")
    if _condition(item, "Complete").get("status") == "True":
        return SeenJob(release=release_name, state="succeeded")
    failed = _condition(item, "Failed")
    if failed.get("status") != "True":
        return SeenJob(release=release_name)
    message = failed.get("message", "")
    for seen in (pod(other) for other in pods if _labels(other).get(names.RELEASE) == release_name):
        if seen.exit_code is not None:
            message = f"Exit code {seen.exit_code}. It said last: {seen.last_words.strip()[-600:]}"
    return SeenJob(release=release_name, state="failed", message=message)


async def _traffic(app: App, pods: Sequence[SeenPod], settings: Settings) -> dict[str, Counters]:
    """What the gateways counted, where it is asked for: of a version on trial, and of what promises something."""
    state = app.status.rollout
    trial = state is not None and state.phase in ("Starting", "Testing", "Paused")
    if not settings.drain_url or not (trial or app.spec.slo.availability):
        return {}
    slow_s = app.spec.rollout.checks.latency_ms / 1000
    found = {}
    for process in (WEB, CANDIDATE):
        addresses = [item.address for item in pods if item.process == process and item.address]
        counted = await gateway.counted(settings.drain_url, addresses, slow_s)
        if counted is not None:
            found[process] = Counters(requests=counted.requests, errors=counted.errors, slow=counted.slow)
    return found


async def _granted(reader: Reader, tenant: str, environment: str) -> tuple[str, ...]:
    """Host names that an administrator granted to the environment."""
    found = (Domain.parse(item) for item in await reader.list(names.API_VERSION, Domain.KIND))
    mine = [item for item in found if (item.spec.tenant, item.spec.environment) == (tenant, environment)]
    return tuple(sorted(item.metadata.name for item in mine if item.metadata.deletion_timestamp is None))


async def _claimed(reader: Reader, app: App, granted: tuple[str, ...]) -> dict[str, str]:
    """Those of the granted names that an older App of the environment asks for: a name leads to one application."""
    if not set(granted).intersection(app.spec.domains):
        return {}
    mine = (app.metadata.creation_timestamp or "", app.metadata.name)
    claimed: dict[str, str] = {}
    for item in await reader.list(names.API_VERSION, App.KIND, app.metadata.namespace):
        meta = item["metadata"]
        if (meta.get("creationTimestamp") or "", meta["name"]) < mine and "deletionTimestamp" not in meta:
            wanted = set(granted).intersection((item.get("spec") or {}).get("domains") or ())
            claimed |= {domain: meta["name"] for domain in sorted(wanted) if domain not in claimed}
    return claimed


async def _vulnerable(reader: Reader, app: App) -> str:
    """What its VulnerabilityReport says is open of the version that serves."""
    raw = await reader.get(names.API_VERSION, VulnerabilityReport.KIND, app.metadata.name, app.metadata.namespace)
    if raw is None or raw["spec"].get("release") != app.status.live:
        return ""
    said = _condition(raw, READY)
    return str(said.get("message", "")) if said.get("reason") == NEW else ""


def leaving(node: Object) -> LeavingNode | None:
    """A node that takes no more pods because it is about to be emptied; None where it is not."""
    spec = node.get("spec") or {}
    marks = [item for item in spec.get("taints") or () if item["key"] in LEAVING]
    if not marks and not spec.get("unschedulable"):  # The taint follows a moment later.
        return None
    since = [moment for item in marks if (moment := _moment(item.get("timeAdded"))) is not None]
    return LeavingNode(name=node["metadata"]["name"], since=min(since, default=None))


async def _leaving(reader: Reader, pods: Sequence[SeenPod]) -> tuple[LeavingNode, ...]:
    """Those of the nodes with these instances that are about to be emptied."""
    nodes = [await reader.get("v1", "Node", name) for name in sorted({item.node for item in pods if item.node})]
    found = [leaving(item) for item in nodes if item is not None]
    return tuple(item for item in found if item is not None)


async def observe(reader: Reader, app: App, settings: Settings) -> Observed:
    """Releases, Deployments, pods and release commands of an App, its secret configuration, its environment."""
    name, space = app.metadata.name, app.metadata.namespace
    selector = f"{names.APP}={name}"
    where = await reader.get("v1", "Namespace", space) if space else None
    place = _labels(where) if where else {}
    if names.TENANT not in place or place.get(names.ENVIRONMENT) in (None, names.BUILD):
        return Observed()
    pods = await reader.list("v1", "Pod", space, selector)
    jobs = await reader.list("batch/v1", "Job", space, selector)
    uid = app.metadata.uid
    listed = await reader.list(names.API_VERSION, "Release", space, selector)
    releases = [release(item) for item in listed if _belongs(item, uid)]
    version = app.spec.secret_version
    copy = await reader.get("v1", "Secret", secret_copy_name(name, version), space) if version else None
    copied = copy is not None and _belongs(copy, uid)
    secret = await reader.get("v1", "Secret", secret_name(name), space) if version and not copied else None
    granted = await _granted(reader, place[names.TENANT], place[names.ENVIRONMENT])
    way = await reader.get("gateway.networking.k8s.io/v1", "HTTPRoute", name, space)
    instances = tuple(pod(item) for item in pods if _labels(item).get(names.PROCESS) not in NO_INSTANCES)
    return Observed(
        tenant=place[names.TENANT],
        environment=place[names.ENVIRONMENT],
        domain=settings.domain,
        helped=bool(settings.drain_url),
        traffic=await _traffic(app, instances, settings),
        gated=names.GATED in place,
        refused=await refusal(reader, place, space or "", app.spec.artefact.image) if app.spec.artefact else None,
        releases=tuple(sorted(releases, key=lambda seen: seen.number)),
        secret=(secret or {}).get("data") or {},
        secret_salt=(((secret or {}).get("metadata") or {}).get("annotations") or {}).get(SALT, ""),
        copied=copied,
        deployments=tuple(deployment(item) for item in await reader.list("apps/v1", "Deployment", space, selector)),
        vulnerable=await _vulnerable(reader, app),
        granted=granted,
        claimed=await _claimed(reader, app, granted),
        route=route(way) if way is not None and _belongs(way, uid) else None,
        pods=instances,
        leaving=await _leaving(reader, instances),
        jobs=tuple(
            _job(item, pods)
            for item in jobs
            if item["metadata"]["name"] == job_name(_labels(item).get(names.RELEASE, ""))
        ),
    )
