"""The registry's garbage collection: a daily CronJob beside the registry, on its node and its store."""

from typing import Final

from roost.model.names import GROUP
from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node.manifests.common import (
    Manifest,
    binding,
    container,
    host_path,
    metadata,
    mount,
    pod_template,
    resources,
    role,
    rule,
    service_account,
)

NAME: Final = "registry-collector"


def everything(image: str, node: str, path: str) -> list[Manifest]:
    """The job, and its right to read what names images. `path` is the registry's data on `node`."""
    body = container(
        NAME,
        image,
        command=["python", "-m", "roost.mains.collect"],
        resources=resources("20m", "96Mi", "384Mi"),
        volumeMounts=[mount("data", "/data"), mount("scratch", "/tmp")],
    )
    spec: Manifest = {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": True,
        "restartPolicy": "Never",
        "nodeSelector": {"kubernetes.io/hostname": node},
        "containers": [body],
        "volumes": [
            host_path("data", path, "Directory"),
            {"name": "scratch", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
    }
    job = {"backoffLimit": 1, "activeDeadlineSeconds": 3600, "template": pod_template(NAME, spec)}
    cron: Manifest = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(NAME, HERE),
        "spec": {
            "schedule": "17 3 * * *",
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"spec": job},
        },
    }
    return [
        service_account(NAME, HERE),
        role("roost-collector", [rule(GROUP, "releases apps promotions tenants", "get list")]),
        binding("roost-collector", "ClusterRole", (HERE, NAME)),
        cron,
    ]
