"""The vulnerability database: a daily CronJob that fetches it where the site names a mirror, and judges what runs.

The scanner stands beside it as beside the steps of runs, without token and secret. A database that somebody gave by
hand is judged by in a Job of its own (`by_hand`), with its image mounted.
"""

from typing import Any, Final

from roost.capabilities.run.manifests import scanner
from roost.model.advisories import CONFIG_MAP, version
from roost.model.names import GROUP
from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node.manifests import registry
from roost.node.manifests.common import (
    Manifest,
    binding,
    container,
    metadata,
    mount,
    pod_template,
    resources,
    role,
    rule,
    service_account,
)

NAME: Final = "advisories"
TRUST: Final = "roost-trust"
LONGEST_S: Final = 3 * 3600


def _job(image: str, scanner_image: str, mirror: str, database: str) -> Manifest:
    """The Job's specification. `mirror`: where the archives are fetched; `database`: else the image that holds them."""
    told = {"ROOST_REGISTRY": registry.SERVICE, "ROOST_ADVISORIES": mirror}
    body = container(
        "step",
        image,
        command=["python", "-m", "roost.mains.advisories"],
        env=[
            *({"name": name, "value": value} for name, value in told.items()),
            {"name": "SSL_CERT_FILE", "value": "/etc/roost/trust/bundle.crt"},
        ],
        resources=resources("20m", "96Mi", "1Gi"),  # The directory of an archive has a quarter of a million names.
        volumeMounts=[
            mount("trust", "/etc/roost/trust", readOnly=True),
            mount("registry-token", "/etc/roost/registry", readOnly=True),
            mount("work", "/work"),
            mount("scratch", "/tmp"),
            mount("advisories", scanner.ADVISORIES, readOnly=bool(database)),
        ],
    )
    archives: dict[str, Any] = (
        {"image": {"reference": database, "pullPolicy": "IfNotPresent"}}
        if database
        else {"emptyDir": {"sizeLimit": "8Gi"}}
    )
    spec: Manifest = {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": True,
        "restartPolicy": "Never",
        "containers": [body],
        "volumes": [
            {"name": "trust", "configMap": {"name": TRUST}},
            {"name": "registry-token", "secret": {"secretName": registry.TOKEN_SECRET, "defaultMode": 0o440}},
            {"name": "work", "emptyDir": {"sizeLimit": "8Gi"}},
            {"name": "scratch", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
    }
    made: Manifest = {
        "backoffLimit": 1,
        "activeDeadlineSeconds": LONGEST_S,
        "ttlSecondsAfterFinished": 24 * 3600,
        "template": pod_template(NAME, spec),
    }
    beside = scanner.beside({"spec": made}, scanner_image, "")["spec"]
    pod = beside["template"]["spec"]
    pod["volumes"].append({"name": "advisories", **archives})
    pod["initContainers"][0]["volumeMounts"].append(mount("advisories", scanner.ADVISORIES, readOnly=True))
    return dict(beside)


def everything(image: str, scanner_image: str, mirror: str) -> list[Manifest]:
    """Its rights, and the CronJob where there is a mirror."""
    cron: Manifest = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(NAME, HERE),
        "spec": {
            "schedule": "43 2 * * *",
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"spec": _job(image, scanner_image, mirror, "")},
        },
    }
    return [
        service_account(NAME, HERE),
        role(
            "roost-advisories",
            [rule(GROUP, "apps releases", "get list"), rule(GROUP, "vulnerabilityreports", "create get patch")],
        ),
        binding("roost-advisories", "ClusterRole", (HERE, NAME)),
        role("roost-advisories", [rule("-", "configmaps", "create patch get", [CONFIG_MAP])], HERE),
        binding("roost-advisories", "Role", (HERE, NAME), HERE),
        *([cron] if mirror else []),
    ]


def by_hand(image: str, scanner_image: str, database: str) -> Manifest:
    """The Job that judges what runs by a database that was given by hand; its name says by which."""
    name = f"{NAME}-{version(database).removeprefix('sha256:')[:12]}"
    spec = _job(image, scanner_image, "", database)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata(name, HERE), "spec": spec}
