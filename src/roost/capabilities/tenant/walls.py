"""Cilium's deny rules: what no policy of a tenant can widen. Pure builders.

`cluster_walls()` is installed with the platform; `between_tenants()` belongs to each Tenant. Deny wins over every allow
in Cilium. `enableDefaultDeny: false` keeps these from closing what they do not name (DNS, say). Entities and not
addresses: rules by the addresses of nodes leave holes (the node's other interfaces, the API server behind a service).
"""

from typing import Any, Final

from roost.model import names

_NAMESPACE: Final = "k8s:io.cilium.k8s.namespace.labels."
_TENANT: Final = f"{_NAMESPACE}{names.TENANT}"
_ENVIRONMENT: Final = f"{_NAMESPACE}{names.ENVIRONMENT}"
FIRST_WALL: Final = "roost-tenants-to-nodes"
METADATA: Final = ("169.254.0.0/16", "100.100.100.200/32")  # Metadata services of clouds, Alibaba's among them.


def _wall(name: str, description: str, spec: dict[str, Any], labels: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumClusterwideNetworkPolicy",
        "metadata": {"name": name, "labels": {names.PLATFORM: "walls", **(labels or {})}},
        "spec": {"description": description, "enableDefaultDeny": {"ingress": False, "egress": False}, **spec},
    }


def _exists(key: str) -> dict[str, Any]:
    return {"key": key, "operator": "Exists"}


def _other(key: str, value: str) -> list[dict[str, Any]]:
    """Labelled with `key`, with another value."""
    return [_exists(key), {"key": key, "operator": "NotIn", "values": [value]}]


def cluster_walls() -> list[dict[str, Any]]:
    """What holds for every tenant's pod."""
    tenants = {"matchExpressions": [_exists(_TENANT)]}
    return [
        _wall(
            FIRST_WALL,
            "Pods of tenants reach no node, no kubelet, no etcd and no kube-apiserver.",
            {"endpointSelector": tenants, "egressDeny": [{"toEntities": ["host", "remote-node", "kube-apiserver"]}]},
        ),
        _wall(
            "roost-tenants-to-metadata",
            "Pods of tenants reach no metadata service.",
            {"endpointSelector": tenants, "egressDeny": [{"toCIDR": list(METADATA)}]},
        ),
        _wall(
            "roost-builds-to-applications",
            "A build has no way to an application, of its own tenant neither.",
            {
                "endpointSelector": {"matchLabels": {_ENVIRONMENT: names.BUILD}},
                "egressDeny": [{"toEndpoints": [{"matchExpressions": _other(_ENVIRONMENT, names.BUILD)}]}],
            },
        ),
        _wall(
            "roost-gateway-to-applications",
            "The gateway runs on the nodes' own network and reaches the applications.",
            {
                "endpointSelector": {"matchExpressions": _other(_ENVIRONMENT, names.BUILD)},
                "ingress": [{"fromEntities": ["host", "remote-node"]}],
            },
        ),
    ]


def between_tenants(tenant: str) -> dict[str, Any]:
    """No way between this tenant's pods and those of any other, in either direction."""
    others = [{"matchExpressions": _other(_TENANT, tenant)}]
    return _wall(
        f"roost-tenant-{tenant}",
        f"Pods of {tenant} and those of other tenants do not reach each other.",
        {
            "endpointSelector": {"matchLabels": {_TENANT: tenant}},
            "egressDeny": [{"toEndpoints": others}],
            "ingressDeny": [{"fromEndpoints": others}],
        },
        {names.TENANT: tenant, names.MANAGED_BY: "roost"},
    )
