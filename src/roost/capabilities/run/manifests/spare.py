"""A spare: a pod like a run's that was started ahead, and waits for the next run of one project. Pure.

It differs from the pod of a Job in how it is told what to do: by an annotation, which the kubelet shows it as a file.
Nobody but the controller writes there. Its label `roost.dev/run` has its own name and stays so, since network policies
go by it, and a network engine that must learn of another label would hold up the run.
"""

from collections.abc import Iterable
from typing import Any, Final

from roost.capabilities.run.manifests import scanner
from roost.capabilities.run.manifests.job import CONDUCTOR, SPARE_S
from roost.capabilities.run.model import Platform
from roost.model import build_pod
from roost.model.build_task import ORDER, ORDER_VARIABLE
from roost.model.kinds.delivery import Project, Run, RunSpec
from roost.model.kinds.scan import Scan
from roost.model.names import (
    API_VERSION,
    BUILD,
    MANAGED_BY,
    PROJECT,
    RUN,
    SPARE,
    TENANT,
    namespace,
    short_digest,
)
from roost.model.names import ORDER as ORDERED

SHAPE: Final = "roost.dev/shape"  # Annotation: digest of what a run must want of its pod to take this one.


def name(after: Run) -> str:
    """Of the one that is made after this run."""
    return f"spare-{short_digest(after.metadata.uid, length=10)}"


def serves(spec: RunSpec) -> bool:
    """Whether such a pod can do for a run: it has no containers for steps, and no Secret of a person."""
    return not (spec.pipeline.steps or spec.build.secrets or spec.problem or spec.origin)


def shape(scan: Scan, platform: Platform, projects: Iterable[str]) -> str:
    """What must be the same. `projects`: of the tenant, whose images the pod's credentials let it read."""
    scans = scanner.wanted(scan, platform.advisories)
    beside = (platform.scanner_image, platform.advisories) if scans else ()
    parts = (platform.platform_image, platform.registry, str(platform.max_build_s), *beside, "", *sorted(projects))
    return short_digest(*parts, length=16)


def longest_s(platform: Platform) -> int:
    """Seconds that one lives at most: it waits, then builds as long as a run may."""
    return platform.spare_s + platform.max_build_s * 2 + SPARE_S


def pod(after: Run, tenant: str, project_uid: str, platform: Platform, projects: Iterable[str]) -> dict[str, Any]:
    """The pod that is made after a run. The project owns it until a run does."""
    own, project = name(after), after.spec.project
    told = {"path": "task", "fieldRef": {"fieldPath": f"metadata.annotations['{ORDERED}']"}}
    container = {
        "name": CONDUCTOR,
        "image": platform.platform_image,
        "command": ["python", "-m", "roost.mains.step"],
        "volumeMounts": [*build_pod.mounts(), {"name": "order", "mountPath": ORDER, "readOnly": True}],
    }
    volumes = [*build_pod.volumes(own, scratch="256Mi"), {"name": "order", "downwardAPI": {"items": [told]}}]
    spec = build_pod.pod(container, (ORDER_VARIABLE, f"{ORDER}/task"), "128Mi", volumes)
    if scanner.wanted(after.spec.scan, platform.advisories):
        spec = scanner.into(spec, platform.scanner_image, platform.advisories)
    owner = {"apiVersion": API_VERSION, "kind": Project.KIND, "name": project, "uid": project_uid, "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": own,
            "namespace": namespace(tenant, BUILD),
            "labels": {TENANT: tenant, PROJECT: project, RUN: own, SPARE: project, MANAGED_BY: "roost"},
            "annotations": {SHAPE: shape(after.spec.scan, platform, projects)},
            "ownerReferences": [owner],
        },
        "spec": {**spec, "activeDeadlineSeconds": longest_s(platform)},
    }
