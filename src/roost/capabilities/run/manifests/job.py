"""The Job of one run: unprivileged, without a Kubernetes token, bounded in time and size. Pure.

It ends well in every case in which the pod could say how the build went; a pod that dies is tried again. Its pods stay
for an hour, so that their log can be read.
"""

from typing import Any, Final

from roost.model.build_task import CREDENTIALS, TRUST, VARIABLE, WORK, Task
from roost.model.kinds.delivery import Run
from roost.model.names import API_VERSION, BUILD, MANAGED_BY, PROJECT, RUN, TENANT, namespace, pull_policy

TRUST_MAP: Final = "roost-trust"
SPARE_S: Final = 180  # Beside the build's own limit: the pod's start, and its last words.
KEEP_S: Final = 3600
TRIES: Final = 3


def _mounts(run: Run) -> list[dict[str, Any]]:
    secrets = [{"name": "secrets", "mountPath": "/run/roost/secrets", "readOnly": True}]
    return [
        {"name": "work", "mountPath": WORK},
        {"name": "scratch", "mountPath": "/tmp"},
        {"name": "trust", "mountPath": TRUST, "readOnly": True},
        {"name": "credentials", "mountPath": CREDENTIALS, "readOnly": True},
        *(secrets if run.spec.build.secrets else []),
    ]


def _volumes(run: Run) -> list[dict[str, Any]]:
    named = [
        {"secret": {"name": name, "items": [{"key": "value", "path": name}]}} for name in sorted(run.spec.build.secrets)
    ]
    secrets = [{"name": "secrets", "projected": {"defaultMode": 0o440, "sources": named}}]
    return [
        {"name": "work", "emptyDir": {"sizeLimit": "4Gi"}},
        {"name": "scratch", "emptyDir": {"sizeLimit": "256Mi"}},
        {"name": "trust", "configMap": {"name": TRUST_MAP}},
        {"name": "credentials", "secret": {"secretName": run.metadata.name, "defaultMode": 0o440}},
        *(secrets if named else []),
    ]


def _pod(run: Run, image: str, task: Task) -> dict[str, Any]:
    container = {
        "name": "step",
        "image": image,
        "imagePullPolicy": pull_policy(image),
        "command": ["python", "-m", "roost.mains.step"],
        "env": [
            {"name": VARIABLE, "value": task.model_dump_json(by_alias=True, exclude_none=True)},
            {"name": "PYTHONUNBUFFERED", "value": "1"},
            {"name": "HOME", "value": WORK},
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {
            "requests": {"cpu": "50m", "memory": "128Mi", "ephemeral-storage": "100Mi"},
            "limits": {"memory": "512Mi", "ephemeral-storage": "5Gi"},
        },
        "volumeMounts": _mounts(run),
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 10,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": _volumes(run),
    }


def job(run: Run, tenant: str, image: str, task: Task) -> dict[str, Any]:
    """The Job, named as the run, which owns it."""
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
            "template": {"metadata": {"labels": labels}, "spec": _pod(run, image, task)},
        },
    }
