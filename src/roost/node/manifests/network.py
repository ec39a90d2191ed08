"""Who reaches whom inside `roost-system`: everything is refused that is not named here. Tenants' walls stand with the
tenant capability.
"""

from collections.abc import Sequence
from typing import Final

from roost.model.names import ENVIRONMENT, TENANT
from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node.manifests import advisories, drain, platform, registry
from roost.node.manifests.common import Manifest, metadata, selector

BUILDS: Final[Manifest] = {
    "namespaceSelector": {
        "matchExpressions": [{"key": TENANT, "operator": "Exists"}],
        "matchLabels": {ENVIRONMENT: "build"},
    }
}


ENVIRONMENTS: Final[Manifest] = {
    "namespaceSelector": {
        "matchExpressions": [
            {"key": TENANT, "operator": "Exists"},
            {"key": ENVIRONMENT, "operator": "NotIn", "values": ["build"]},
        ]
    }
}


def _policy(name: str, pods: Manifest, ingress: list[Manifest]) -> Manifest:
    # An empty list would be written anew at each apply: the API server drops it.
    allowed = {"ingress": ingress} if ingress else {}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(name, HERE),
        "spec": {"podSelector": pods, "policyTypes": ["Ingress"], **allowed},
    }


def _ours(name: str) -> Manifest:
    return {"podSelector": {"matchLabels": selector(name)}}


def _ports(*ports: int) -> list[Manifest]:
    return [{"port": port, "protocol": "TCP"} for port in ports]


def _from_nodes(name: str, workload: str, port: int, networks: Sequence[str] | None) -> Manifest:
    """Processes on the nodes' own network (gateway, containerd) reach a port.

    Cilium knows them as such, whatever their address. Elsewhere (`networks` is not None) their addresses must do.
    """
    if networks is not None:
        peers = [{"ipBlock": {"cidr": network}} for network in networks]
        return _policy(name, {"matchLabels": selector(workload)}, [{"from": peers, "ports": _ports(port)}])
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": metadata(name, HERE),
        "spec": {
            "endpointSelector": {"matchLabels": selector(workload)},
            "ingress": [
                {
                    "fromEntities": ["host", "remote-node"],
                    "toPorts": [{"ports": [{"port": str(port), "protocol": "TCP"}]}],
                }
            ],
        },
    }


def policies(nodes: Sequence[str] | None = None) -> list[Manifest]:
    """Default deny, and the ways that are needed. `nodes`: the nodes' networks, where the cluster has no Cilium."""
    own = [_ours(platform.CONTROLLER), _ours(platform.API)]
    judging = _ours(advisories.NAME)
    return [
        _policy("default-deny", {}, []),
        _policy(
            "registry",
            {"matchLabels": selector(registry.NAME)},
            [{"from": [BUILDS, *own, judging], "ports": _ports(registry.PORT)}],
        ),
        _policy(
            "git",
            {"matchLabels": selector(platform.GIT)},
            [{"from": [BUILDS, *own], "ports": _ports(8080)}],
        ),
        _policy(
            "drain",
            {"matchLabels": selector(drain.NAME)},
            [
                {"from": [ENVIRONMENTS], "ports": _ports(drain.INSTANCES_PORT)},
                {"from": [_ours(platform.CONTROLLER)], "ports": _ports(drain.CONTROLLER_PORT)},
            ],
        ),
        # Only the gateway: the API believes what it says of a caller's address. Builds bring their token along.
        _from_nodes("api-from-gateway", platform.API, 8080, nodes),
        _from_nodes("registry-from-nodes", registry.NAME, registry.NODE_PORT, nodes),
        # `up` pushes the offered bases from the node.
        _from_nodes("registry-from-setup", registry.NAME, registry.PORT, nodes),
    ]
