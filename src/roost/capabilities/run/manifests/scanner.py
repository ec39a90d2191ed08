"""The scanner beside the step of a run: a sidecar that has no token, no secret and nothing else to do. Pure.

It starts before the step and ends with it; when it dies of what it was given it is started again, and the step hears of
that. The vulnerability database comes as an image, which the node keeps: no run fetches it anew.
"""

from collections.abc import Mapping
from typing import Any, Final

from roost.model.build_task import ASKED, TOLD
from roost.model.kinds.scan import Scan
from roost.model.names import pull_policy

NAME: Final = "scanner"
ADVISORIES: Final = "/advisories"


def wanted(policy: Scan, advisories: str) -> bool:
    """Whether a run needs it. `advisories`: the database's image; empty: there is none."""
    return policy.source or bool(advisories and (policy.dependencies or policy.image))


def beside(job: Mapping[str, Any], image: str, advisories: str) -> dict[str, Any]:
    """The Job with the scanner beside its pod's container `step`, which asks it."""
    template = job["spec"]["template"]
    pod = into(template["spec"], image, advisories)
    return {**job, "spec": {**job["spec"], "template": {**template, "spec": pod}}}


def into(spec: Mapping[str, Any], image: str, advisories: str) -> dict[str, Any]:
    """The pod's spec with the scanner in it."""
    asks = [
        {"name": "scan-asked", "mountPath": ASKED},
        {"name": "scan-told", "mountPath": TOLD, "readOnly": True},
    ]
    volumes: list[dict[str, Any]] = [
        {"name": "scan-asked", "emptyDir": {"sizeLimit": "512Mi"}},
        {"name": "scan-told", "emptyDir": {"sizeLimit": "128Mi"}},
        {"name": "scan-scratch", "emptyDir": {"sizeLimit": "256Mi"}},
    ]
    if advisories:
        volumes.append({"name": "advisories", "image": {"reference": advisories, "pullPolicy": "IfNotPresent"}})
    return {
        **spec,
        "initContainers": [_container(image, bool(advisories)), *spec.get("initContainers", ())],
        "containers": [
            {**item, "volumeMounts": [*item["volumeMounts"], *asks]} if item["name"] == "step" else item
            for item in spec["containers"]
        ],
        "volumes": [*spec["volumes"], *volumes],
    }


def _container(image: str, advisories: bool) -> dict[str, Any]:
    mounts = [
        {"name": "scan-asked", "mountPath": ASKED, "readOnly": True},
        {"name": "scan-told", "mountPath": TOLD},
        {"name": "scan-scratch", "mountPath": "/tmp"},
    ]
    if advisories:
        mounts.append({"name": "advisories", "mountPath": ADVISORIES, "readOnly": True})
    return {
        "name": NAME,
        "image": image,
        "imagePullPolicy": pull_policy(image),
        "command": ["serve", ASKED, TOLD, ADVISORIES],
        "restartPolicy": "Always",
        "volumeMounts": mounts,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {
            "requests": {"cpu": "10m", "memory": "32Mi", "ephemeral-storage": "10Mi"},
            "limits": {"memory": "1Gi", "ephemeral-storage": "1Gi"},
        },
    }
