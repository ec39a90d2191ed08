"""The Job of one import: unprivileged, without a Kubernetes token, bounded in time and size. Pure.

It is the only pod that mounts the source's credentials. The label of a run, by which the builder is reached, it lacks.
"""

from typing import Any, Final

from roost.model.build_task import TRUST, WORK
from roost.model.fetch_task import CREDENTIALS, SOURCE, VARIABLE, FetchTask
from roost.model.kinds.source import Import
from roost.model.names import BUILD, IMPORT, MANAGED_BY, PROJECT, TENANT, namespace, pull_policy

TRUST_MAP: Final = "roost-trust"
SPARE_S: Final = 120
KEEP_S: Final = 600
TRIES: Final = 2


def _pod(item: Import, image: str, credentials: str, task: FetchTask) -> dict[str, Any]:
    mounts = [
        {"name": "work", "mountPath": WORK},
        {"name": "scratch", "mountPath": "/tmp"},
        {"name": "trust", "mountPath": TRUST, "readOnly": True},
        {"name": "credentials", "mountPath": CREDENTIALS, "readOnly": True},
    ]
    volumes: list[dict[str, Any]] = [
        {"name": "work", "emptyDir": {"sizeLimit": "4Gi"}},
        {"name": "scratch", "emptyDir": {"sizeLimit": "64Mi"}},
        {"name": "trust", "configMap": {"name": TRUST_MAP}},
        {"name": "credentials", "secret": {"secretName": item.metadata.name, "defaultMode": 0o440}},
    ]
    if credentials:
        mounts.append({"name": "source", "mountPath": SOURCE, "readOnly": True})
        volumes.append({"name": "source", "secret": {"secretName": credentials, "defaultMode": 0o440}})
    container = {
        "name": "fetch",
        "image": image,
        "imagePullPolicy": pull_policy(image),
        "command": ["python", "-m", "roost.mains.fetch"],
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
            "requests": {"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "100Mi"},
            "limits": {"memory": "512Mi", "ephemeral-storage": "5Gi"},
        },
        "volumeMounts": mounts,
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
        "volumes": volumes,
    }


def job(item: Import, tenant: str, image: str, credentials: str, task: FetchTask) -> dict[str, Any]:
    """The Job, named as the import, which owns it."""
    labels = {TENANT: tenant, PROJECT: item.spec.project, IMPORT: item.metadata.name, MANAGED_BY: "roost"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": item.metadata.name, "namespace": namespace(tenant, BUILD), "labels": labels},
        "spec": {
            "backoffLimit": TRIES,
            "activeDeadlineSeconds": task.timeout_s + SPARE_S,
            "ttlSecondsAfterFinished": KEEP_S,
            "template": {"metadata": {"labels": labels}, "spec": _pod(item, image, credentials, task)},
        },
    }
