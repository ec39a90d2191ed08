"""The registry's garbage collection: a daily CronJob beside the registry, on its node and its store."""

from typing import Final

from roost.model.names import GROUP
from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node.manifests import registry
from roost.node.manifests.common import (
    Disk,
    Manifest,
    binding,
    container,
    metadata,
    mount,
    pod_template,
    resources,
    role,
    rule,
    selector,
    service_account,
)

NAME: Final = "registry-collector"


def _beside_the_registry() -> Manifest:
    """A claim can be mounted by several pods of one node only."""
    term = {"labelSelector": {"matchLabels": selector(registry.NAME)}, "topologyKey": "kubernetes.io/hostname"}
    return {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def everything(image: str, disk: Disk) -> list[Manifest]:
    """The job, and its right to read what names images. `disk` holds the registry's data."""
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
        **(_beside_the_registry() if disk.claim else disk.placement),
        "containers": [body],
        "volumes": [
            disk.volume("data"),
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
