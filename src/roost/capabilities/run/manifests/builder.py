"""The tenant's builder: one BuildKit in a user namespace of its own, and the Service that names it. Pure.

A bare pod, so that its creator is the controller and not a workload controller; admission knows this one shape.
SYS_ADMIN counts only inside the pod's user namespace. Caches live and die with it.
"""

from typing import Any, Final

from roost.model.builder_limits import CACHE_GI, MEMORY_GI
from roost.model.names import BUILD, MANAGED_BY, PLATFORM, TENANT, namespace, pull_policy

NAME: Final = "builder"
PORT: Final = 1234
SOCKET: Final = "unix:///run/buildkit/buildkitd.sock"


def _metadata(tenant: str) -> dict[str, Any]:
    labels = {TENANT: tenant, PLATFORM: NAME, MANAGED_BY: "roost"}
    return {"name": NAME, "namespace": namespace(tenant, BUILD), "labels": labels}


def service(tenant: str) -> dict[str, Any]:
    """`builder:1234` within the namespace, whichever pod it is. Network policy lets only pods of runs reach it."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(tenant),
        "spec": {
            "selector": {PLATFORM: NAME},
            "ports": [{"name": "buildkit", "protocol": "TCP", "port": PORT, "targetPort": PORT}],
        },
    }


def pod(tenant: str, image: str, trust: str) -> dict[str, Any]:
    """The builder's pod. `trust`: ConfigMap with the bundle by which it knows the registry."""
    command = [
        "buildkitd",
        f"--addr=tcp://0.0.0.0:{PORT}",
        f"--addr={SOCKET}",
        "--root=/var/lib/buildkit",
        "--oci-worker-snapshotter=overlayfs",
        "--oci-worker-no-process-sandbox",
        "--oci-worker-net=host",
        "--oci-max-parallelism=4",
        "--oci-worker-gc",
        f"--oci-worker-gc-keepstorage={CACHE_GI * 700}",
    ]
    container = {
        "name": "buildkit",
        "image": image,
        "imagePullPolicy": pull_policy(image),
        "command": command,
        "env": [{"name": "SSL_CERT_FILE", "value": "/etc/roost/trust/bundle.crt"}],
        "ports": [{"name": "buildkit", "containerPort": PORT, "protocol": "TCP"}],
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "capabilities": {"add": ["SYS_ADMIN"]},
            "seccompProfile": {"type": "Unconfined"},
        },
        # Asked by the kubelet itself: no program is started in the pod for it.
        "readinessProbe": {"grpc": {"port": PORT}, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 10},
        "resources": {
            "requests": {"cpu": "100m", "memory": "512Mi", "ephemeral-storage": "1Gi"},
            "limits": {"memory": f"{MEMORY_GI}Gi", "ephemeral-storage": f"{CACHE_GI + 2}Gi"},
        },
        "volumeMounts": [
            {"name": "cache", "mountPath": "/var/lib/buildkit"},
            {"name": "run", "mountPath": "/run/buildkit"},
            {"name": "scratch", "mountPath": "/tmp"},
            {"name": "trust", "mountPath": "/etc/roost/trust", "readOnly": True},
        ],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(tenant),
        "spec": {
            "hostUsers": False,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 5,
            "containers": [container],
            "volumes": [
                {"name": "cache", "emptyDir": {"sizeLimit": f"{CACHE_GI}Gi"}},
                {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
                {"name": "scratch", "emptyDir": {"sizeLimit": "2Gi"}},
                {"name": "trust", "configMap": {"name": trust}},
            ],
        },
    }
