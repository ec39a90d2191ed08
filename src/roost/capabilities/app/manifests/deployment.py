"""The Deployment of one process, planned from a Release.

What instances look like has a number, their shape. A new version of the platform may want another shape; an instance
that runs keeps the one that it was made in until something of its own changes, so that an upgrade restarts nothing.
Whoever changes what a shape gives adds one to SHAPES instead; `test_shapes` holds what those that there are give.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from roost.capabilities.app.manifests.pod import DRAIN_S, labels, runtime
from roost.capabilities.app.model import MOVED, RUNTIME, SHAPE
from roost.model import names
from roost.model.instance import container, pod
from roost.model.kinds.app import App, AppSpec, Process

OPEN_TIMES = 3  # A second apart.
OPEN_SETTLE_S = 3
GATEWAY_S = 1  # Until the gateway has heard of an instance that answers.
SETTLE_S = 5  # What has no port shows only by going on that it runs.
HELPER = "/.roost"  # Where instances find the helper; no image has such a folder.
DRAIN_HOST = f"roost-drain.{names.SYSTEM_NAMESPACE}.svc"
HOOK_S = 2  # The helper's own start and last look.
PROGRESS_RESERVE_S = 120  # Beyond the start: pulling the image, finding room.


def _steady(process: Process) -> dict[str, Any]:
    """How often it must show that it serves.

    An open port proves little: many servers open it first and load the application then, and end if that fails. So it
    must stay open for a while before requests come. Whoever names a path that answers is believed at once, and an old
    instance goes as soon as the gateway knows the new one.
    """
    if process.health.path:
        return {"periodSeconds": 5, "successThreshold": 1, "failureThreshold": 3}
    return {"periodSeconds": 1, "successThreshold": OPEN_TIMES, "failureThreshold": 5}


def _settle_s(process: Process, helped: bool) -> int:
    """Seconds that a ready instance goes on before an old one goes for it.

    Where the end waits for the gateway, an old instance serves until the gateway has heard of both.
    """
    if process.port is None:
        return SETTLE_S
    if process.health.path and helped:
        return 0
    return GATEWAY_S if process.health.path else OPEN_SETTLE_S


def _probes(process: Process) -> dict[str, Any]:
    if process.port is None:
        return {}
    opens = {"tcpSocket": {"port": "http"}}
    answers = {"httpGet": {"path": process.health.path, "port": "http"}} if process.health.path else opens
    return {
        "startupProbe": {
            **answers,
            "periodSeconds": 1,
            "timeoutSeconds": 3,
            "failureThreshold": process.health.start_s,
        },
        "readinessProbe": {**answers, "timeoutSeconds": 3, **_steady(process)},
        # Only what has lost its port is started again; a slow answer takes an instance out of service, no more.
        "livenessProbe": {**opens, "periodSeconds": 10, "timeoutSeconds": 3, "failureThreshold": 6},
    }


def _container(app: App, where: str, content: AppSpec, process: Process) -> dict[str, Any]:
    made = container(app.metadata.name, where, content, process, process.command)
    if process.port is None:
        return made
    return {
        **made,
        "ports": [{"name": "http", "containerPort": process.port, "protocol": "TCP"}],
        "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_S}}},
        **_probes(process),
    }


def _first(app: App, where: str, content: AppSpec, process: Process) -> dict[str, Any]:
    """Shape 1: the pod's spec."""
    assert content.artefact is not None
    grace_s = process.grace_s + (DRAIN_S if process.port is not None else 0)
    spec = pod(content.artefact, _container(app, where, content, process), grace_s)
    spec["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": labels(app.metadata.name, process.name)},
        }
    ]
    return spec


def _second(app: App, where: str, content: AppSpec, process: Process) -> dict[str, Any]:
    """Shape 2: the end waits for the gateway, by a helper of ours, in place of a fixed time.

    The grace that the application was promised begins after that.
    """
    spec = _first(app, where, content, process)
    if process.port is None:
        return spec
    (body,) = spec["containers"]
    view = [f"--view=http://{DRAIN_HOST}", f"--port={process.port}", f"--limit={process.drain_s}s"]
    hook = {"exec": {"command": [f"{HELPER}/drain", "wait", *view, f"--fallback={min(DRAIN_S, process.drain_s)}s"]}}
    mounts = [{"name": "roost", "mountPath": HELPER, "readOnly": True}]
    assert content.artefact is not None
    return {
        **spec,
        "terminationGracePeriodSeconds": process.grace_s + process.drain_s + HOOK_S,
        "containers": [{**body, "lifecycle": {"preStop": hook}, "volumeMounts": mounts}],
        **(_copied(body) if content.artefact.runs_as_root else _mounted()),
    }


def _mounted() -> dict[str, Any]:
    """The helper's image as a volume: that costs no time."""
    return {"volumes": [{"name": "roost", "image": {"reference": names.DRAIN_IMAGE, "pullPolicy": "Never"}}]}


def _copied(body: Mapping[str, Any]) -> dict[str, Any]:
    """The helper copied by an init container. In a user namespace images cannot be mounted: overlayfs maps no ids."""
    copying = {
        "name": "roost",
        "image": names.DRAIN_IMAGE,
        "imagePullPolicy": "Never",
        "command": ["/drain", "install", f"{HELPER}/drain"],
        "resources": body["resources"],  # No more than the instance itself: the quota counts the larger of the two.
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "roost", "mountPath": HELPER}],
    }
    return {"initContainers": [copying], "volumes": [{"name": "roost", "emptyDir": {"sizeLimit": "16Mi"}}]}


SHAPES: Final[Mapping[int, Callable[[App, str, AppSpec, Process], dict[str, Any]]]] = {1: _first, 2: _second}
PLAIN = 1  # The newest shape that needs nothing of the platform's nodes.


@dataclass(frozen=True)
class Identity:
    """What instances say of themselves: the Release that they were made for, and the shape that they were made in."""

    release: str
    shape: int = 0  # 0, or one that this version does not know: the newest.
    helped: bool = True  # The nodes hold the helper that newer shapes mount.
    moved: str = ""  # The instance on a leaving node in whose place they are made.


def _template(app: App, where: str, content: AppSpec, process: Process, made: Identity) -> dict[str, Any]:
    newest = max(SHAPES) if made.helped else PLAIN
    shape = made.shape if made.shape in SHAPES else newest
    # The first shape goes without saying: instances from before there were shapes are of it.
    told = {SHAPE: str(shape)} if shape > 1 else {}
    if made.moved:
        told[MOVED] = made.moved
    named = {names.RELEASE: made.release, names.MANAGED_BY: "roost"}
    return {
        "metadata": {
            "labels": {**labels(app.metadata.name, process.name), **named},
            "annotations": {RUNTIME: runtime(content, process), **told},
        },
        "spec": SHAPES[shape](app, where, content, process),
    }


def deployment(
    app: App, where: str, content: AppSpec, process: Process, made: Identity, called: str = ""
) -> dict[str, Any]:
    """`<app>-<process>`. A new version comes up beside the old one, which goes only as the new one is ready.

    `called`: what its instances are told apart by, where that is not the process: those of a version on trial.
    """
    name, called = app.metadata.name, called or process.name
    selected = labels(name, called)
    template = _template(app, where, content, process, made)
    template["metadata"]["labels"] |= selected
    for constraint in template["spec"]["topologySpreadConstraints"]:
        constraint["labelSelector"] = {"matchLabels": selected}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": f"{name}-{called}",
            "namespace": app.metadata.namespace,
            "labels": {**selected, names.MANAGED_BY: "roost"},
        },
        "spec": {
            "replicas": 0 if app.spec.stopped else process.replicas,
            "revisionHistoryLimit": 3,
            "minReadySeconds": _settle_s(process, made.helped),
            "progressDeadlineSeconds": process.health.start_s + PROGRESS_RESERVE_S,
            "selector": {"matchLabels": selected},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": template,
        },
    }
