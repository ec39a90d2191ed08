"""The pod of a build namespace in which Roost's own steps run: runs and imports. Pure.

Unprivileged, without a Kubernetes token, with a read-only root file system; admission holds it to that as well.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from roost.model.build_task import CREDENTIALS, TRUST, WORK
from roost.model.names import pull_policy

TRUST_MAP: Final = "roost-trust"


def mounts() -> list[dict[str, Any]]:
    """Where each of these pods has its work, its certificates and its own Secret."""
    return [
        {"name": "work", "mountPath": WORK},
        {"name": "scratch", "mountPath": "/tmp"},
        {"name": "trust", "mountPath": TRUST, "readOnly": True},
        {"name": "credentials", "mountPath": CREDENTIALS, "readOnly": True},
    ]


def volumes(secret: str, scratch: str) -> list[dict[str, Any]]:
    """What `mounts` mounts. `secret`: the name of the pod's own Secret; `scratch`: the most that /tmp may hold."""
    return [
        {"name": "work", "emptyDir": {"sizeLimit": "4Gi"}},
        {"name": "scratch", "emptyDir": {"sizeLimit": scratch}},
        {"name": "trust", "configMap": {"name": TRUST_MAP}},
        {"name": "credentials", "secret": {"secretName": secret, "defaultMode": 0o440}},
    ]


def pod(
    container: Mapping[str, Any], task: tuple[str, str], memory: str, held: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The pod's spec. `container`: name, image, command and volumeMounts; `task`: the variable that tells what to do,
    and its text; `memory`: what is requested; `held`: the volumes.
    """
    made = {
        **container,
        "imagePullPolicy": pull_policy(str(container["image"])),
        "env": [
            {"name": task[0], "value": task[1]},
            {"name": "PYTHONUNBUFFERED", "value": "1"},
            {"name": "HOME", "value": WORK},
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {
            "requests": {"cpu": "50m", "memory": memory, "ephemeral-storage": "100Mi"},
            "limits": {"memory": "512Mi", "ephemeral-storage": "5Gi"},
        },
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
        "containers": [made],
        "volumes": list(held),
    }
