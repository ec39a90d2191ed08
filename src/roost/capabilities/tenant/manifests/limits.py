"""ResourceQuota and LimitRange: enforced at admission, never summed up afterwards."""

from typing import Any

from roost.capabilities.tenant.manifests.namespace import metadata
from roost.model.kinds.tenant import Quota

# Objects that cost no CPU cost etcd and the API server: a flood of them is bounded as well.
COUNTS = {
    "count/configmaps": "1000",
    "count/cronjobs.batch": "50",
    "count/deployments.apps": "200",
    "count/httproutes.gateway.networking.k8s.io": "200",
    "count/channels.roost.dev": "20",
    "count/notices.roost.dev": "1000",
    "count/imports.roost.dev": "1500",
    "count/commitstatuses.roost.dev": "4500",
    "count/previews.roost.dev": "500",
    "count/jobs.batch": "200",
    "count/poddisruptionbudgets.policy": "200",
    "count/promotions.roost.dev": "2000",
    "count/approvals.roost.dev": "5000",
    "count/apps.roost.dev": "100",
    "count/projects.roost.dev": "100",
    "count/releases.roost.dev": "5500",
    "count/runs.roost.dev": "2000",
    "count/secrets": "1000",
    "count/services": "200",
    "count/tasks.roost.dev": "200",
    "count/waivers.roost.dev": "2000",
    "persistentvolumeclaims": "100",
    "services.loadbalancers": "0",
    "services.nodeports": "0",
}


def quota(tenant: str, environment: str, given: Quota) -> dict[str, Any]:
    """What all pods of the namespace may add up to."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": metadata(tenant, environment, "roost-quota"),
        "spec": {
            "hard": {
                "requests.cpu": given.cpu,
                "requests.memory": given.memory,
                "limits.memory": given.memory,
                "pods": str(given.pods),
                "requests.storage": given.storage,
                # Layers and writable files of containers live on the node's disk, which all tenants share.
                "limits.ephemeral-storage": f"{given.pods * 4}Gi",
                **COUNTS,
            }
        },
    }


def limits(tenant: str, environment: str) -> dict[str, Any]:
    """What a container gets that asks for nothing; with a quota, a pod without requests could not start at all."""
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": metadata(tenant, environment, "roost-limits"),
        "spec": {
            "limits": [
                {
                    "type": "Container",
                    "default": {"memory": "256Mi", "ephemeral-storage": "2Gi"},
                    "defaultRequest": {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "100Mi"},
                }
            ]
        },
    }
