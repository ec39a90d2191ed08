"""The Job of one run: unprivileged, without a Kubernetes token, bounded in time and size. Pure.

It ends well in every case in which the pod could say how the build went; a pod that dies is tried again. Its pods stay
for an hour, so that their log can be read.
"""

from collections.abc import Mapping
from typing import Any, Final

from roost.capabilities.run.manifests import steps
from roost.model import build_pod
from roost.model.build_task import VARIABLE, Task
from roost.model.kinds.delivery import Run
from roost.model.names import API_VERSION, BUILD, MANAGED_BY, PROJECT, RUN, TENANT, namespace

CONDUCTOR: Final = "step"  # The container that conducts the run; without steps it is the only one.
SPARE_S: Final = 180  # Beside the build's own limit: the pod's start, and its last words.
KEEP_S: Final = 3600
TRIES: Final = 3


def _pod(run: Run, image: str, task: Task, images: Mapping[str, str]) -> dict[str, Any]:
    named = [
        {"secret": {"name": name, "items": [{"key": "value", "path": name}]}} for name in sorted(run.spec.build.secrets)
    ]
    mounts, volumes = build_pod.mounts(), build_pod.volumes(run.metadata.name, scratch="256Mi")
    if named:
        mounts.append({"name": "secrets", "mountPath": "/run/roost/secrets", "readOnly": True})
        volumes.append({"name": "secrets", "projected": {"defaultMode": 0o440, "sources": named}})
    has_steps = bool(run.spec.pipeline.steps)
    if has_steps:
        mounts += steps.conductor_mounts(run.spec)
    container = {
        "name": CONDUCTOR,
        "image": image,
        "command": ["python", "-m", "roost.mains.step"],
        "volumeMounts": mounts,
    }
    told = (VARIABLE, task.model_dump_json(by_alias=True, exclude_none=True))
    spec = build_pod.pod(container, told, "128Mi", volumes)
    return steps.add(spec, run.spec, task, images) if has_steps else spec


def job(run: Run, tenant: str, image: str, task: Task, images: Mapping[str, str]) -> dict[str, Any]:
    """The Job, named as the run, which owns it. `images`: those of the steps, as they are named -> by digest."""
    meta = run.metadata
    labels = {TENANT: tenant, PROJECT: run.spec.project, RUN: meta.name, MANAGED_BY: "roost"}
    owner = {"apiVersion": API_VERSION, "kind": Run.KIND, "name": meta.name, "uid": meta.uid, "controller": True}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": meta.name,
            "namespace": namespace(tenant, BUILD),
            "labels": labels,
            "ownerReferences": [owner],
        },
        "spec": {
            "backoffLimit": TRIES,
            "activeDeadlineSeconds": task.timeout_s * 2 + SPARE_S,
            "ttlSecondsAfterFinished": KEEP_S,
            **({"podFailurePolicy": steps.failure_policy(run.spec)} if run.spec.pipeline.steps else {}),
            "template": {"metadata": {"labels": labels}, "spec": _pod(run, image, task, images)},
        },
    }
