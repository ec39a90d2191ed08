"""NetworkPolicies of a tenant's namespaces: nothing is open that is not named here.

Rules that a tenant's own policy could not widen are Cilium's deny rules, in `walls.py`. The gateway runs on the node's
own network, so its way in is a Cilium rule as well.
"""

from typing import Any

from roost.capabilities.tenant.manifests.namespace import metadata
from roost.capabilities.tenant.model import Platform
from roost.model import names

BUILDER_PORT = 1234
LINK_LOCAL = "169.254.0.0/16"  # Metadata services of clouds answer there.


def _policy(tenant: str, environment: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(tenant, environment, f"roost-{name}"),
        "spec": {"podSelector": {}, **spec},
    }


def _egress(to: list[dict[str, Any]], ports: list[tuple[str, int]] | None = None) -> dict[str, Any]:
    rule: dict[str, Any] = {"to": to}
    if ports:
        rule["ports"] = [{"protocol": protocol, "port": port} for protocol, port in ports]
    return {"policyTypes": ["Egress"], "egress": [rule]}


def _pods(namespace: str, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": labels},
    }


def _platform(name: str) -> dict[str, Any]:
    """A workload of the platform, by the label that all of them carry."""
    return _pods(names.SYSTEM_NAMESPACE, {"app.kubernetes.io/name": name})


def common(tenant: str, environment: str, platform: Platform) -> list[dict[str, Any]]:
    """Default deny, then names and the world outside. The world is what is neither the cluster nor link-local."""
    nodes = [] if platform.cilium else platform.node_networks  # Where no rule outranks this one, it must do.
    inside = [*platform.pod_networks, *platform.service_networks, *nodes, LINK_LOCAL]
    world = {"ipBlock": {"cidr": "0.0.0.0/0", "except": sorted(inside)}}
    dns = _pods("kube-system", {"k8s-app": "kube-dns"})
    return [
        _policy(tenant, environment, "default-deny", {"policyTypes": ["Ingress", "Egress"]}),
        _policy(tenant, environment, "dns", _egress([dns], [("UDP", 53), ("TCP", 53)])),
        _policy(tenant, environment, "world", _egress([world])),
    ]


def environment_policies(tenant: str, environment: str, platform: Platform) -> list[dict[str, Any]]:
    """An application's parts reach each other within the environment."""
    among = {
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": {}}]}],
        "egress": [{"to": [{"podSelector": {}}]}],
    }
    return [
        *common(tenant, environment, platform),
        _policy(tenant, environment, "same-namespace", among),
        # An instance that ends asks there whether the gateway still leads to it, and learns nothing else.
        _policy(tenant, environment, "drain", _egress([_platform("roost-drain")], [("TCP", 8082)])),
        *_from_gateway(tenant, environment, platform),
    ]


def _from_gateway(tenant: str, environment: str, platform: Platform) -> list[dict[str, Any]]:
    """The gateway is a process of the nodes; where Cilium does not know them as such, their addresses are let in."""
    if platform.cilium or not platform.node_networks:
        return []
    peers = [{"ipBlock": {"cidr": network}} for network in platform.node_networks]
    return [_policy(tenant, environment, "gateway", {"policyTypes": ["Ingress"], "ingress": [{"from": peers}]})]


def build_policies(tenant: str, platform: Platform) -> list[dict[str, Any]]:
    """Each sort of pod in a build namespace has walls of its own: beside names and the world it reaches what it works
    with, and nobody begins to talk to it but runs to the builder. What bears none of these labels reaches the world
    alone: a pod that tells a forge or a receiver how a run went.
    """
    runs, imports = _bears(names.RUN), _bears(names.IMPORT)
    builder = {"matchLabels": {names.PLATFORM: "builder"}}
    git, registry = (_platform("roost-git"), 8080), (_platform("registry"), 5000)
    answers = {"from": [{"podSelector": runs}], "ports": _tcp(BUILDER_PORT)}
    return [
        *common(tenant, names.BUILD, platform),
        # Steps share the pod's network, so this is what a step reaches.
        _reaches(tenant, "run", runs, [git, registry, ({"podSelector": builder}, BUILDER_PORT)]),
        # And this is what a RUN of a Containerfile reaches: it has no business with git.
        _reaches(tenant, "build", builder, [registry]),
        _reaches(tenant, "import", imports, [git, registry]),
        _policy(
            tenant, names.BUILD, "builder", {"podSelector": builder, "policyTypes": ["Ingress"], "ingress": [answers]}
        ),
    ]


def _bears(label: str) -> dict[str, Any]:
    """Who makes pods in a build namespace is the controller alone (admission), so a label there is its word."""
    return {"matchExpressions": [{"key": label, "operator": "Exists"}]}


def _tcp(port: int) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": port}]


def _reaches(tenant: str, name: str, who: dict[str, Any], there: list[tuple[dict[str, Any], int]]) -> dict[str, Any]:
    rules = [{"to": [peer], "ports": _tcp(port)} for peer, port in there]
    return _policy(tenant, names.BUILD, name, {"podSelector": who, "policyTypes": ["Egress"], "egress": rules})
