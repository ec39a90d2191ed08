"""Who reaches whom in a build namespace, by the rules of NetworkPolicy: what no policy lets through is closed.

Source: Kubernetes documentation, "Network Policies": policies that select a pod add up.
"""

import ipaddress
from typing import Any

import pytest

from roost.capabilities.tenant.manifests.network import build_policies
from roost.capabilities.tenant.model import Platform
from roost.model import names

PLATFORM = Platform(pod_networks=("10.0.0.0/16",), service_networks=("10.96.0.0/16",), cilium=True)
HERE, SYSTEM = "acme-build", names.SYSTEM_NAMESPACE
PODS = {
    "run": {names.RUN: "shop-1-x"},
    "builder": {names.PLATFORM: "builder"},
    "import": {names.IMPORT: "shop-poll-1"},
    "commit status": {names.REPORT: "shop-1-x-success"},
    "notice": {names.NOTICE: "chat-1"},
    "unknown": {},
}
# Name -> (namespace, labels, port), or an address of none of the cluster's pods.
TARGETS: dict[str, tuple[str, dict[str, str], int] | str] = {
    "git": (SYSTEM, {"app.kubernetes.io/name": "roost-git"}, 8080),
    "git's metrics": (SYSTEM, {"app.kubernetes.io/name": "roost-git"}, 9090),
    "registry": (SYSTEM, {"app.kubernetes.io/name": "registry"}, 5000),
    "builder": (HERE, PODS["builder"], 1234),
    "run": (HERE, PODS["run"], 8080),
    "api": (SYSTEM, {"app.kubernetes.io/name": "roost-api"}, 8080),
    "controller": (SYSTEM, {"app.kubernetes.io/name": "roost-controller"}, 9090),
    "own application": ("acme-dev", {names.APP: "shop"}, 8080),
    "other tenant's builder": ("evil-build", PODS["builder"], 1234),
    "names": ("kube-system", {"k8s-app": "kube-dns"}, 53),
    "world": "93.184.215.14",
    "metadata": "169.254.169.254",
    "link": "169.254.0.1",
    "service": "10.96.0.1",
    "pod by address": "10.0.3.4",
}
EVERYBODY = {"names", "world"}


def selects(selector: dict[str, Any] | None, labels: dict[str, str]) -> bool:
    selector = selector or {}
    for wanted in selector.get("matchExpressions", ()):
        assert wanted["operator"] == "Exists"
        if wanted["key"] not in labels:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def lets_to(peer: dict[str, Any], target: tuple[str, dict[str, str], int] | str) -> bool:
    """Whether one peer of a rule is the target."""
    if isinstance(target, str):
        block, address = peer.get("ipBlock"), ipaddress.ip_address(target)
        if block is None or address not in ipaddress.ip_network(block["cidr"]):
            return False
        return not any(address in ipaddress.ip_network(item) for item in block.get("except", ()))
    namespace, labels, _ = target
    if "ipBlock" in peer:
        return False  # A pod of the cluster is none of the world: its networks are left out of it.
    there = {"kubernetes.io/metadata.name": namespace}
    own = "namespaceSelector" not in peer and namespace == HERE
    return (own or selects(peer.get("namespaceSelector", {"matchLabels": {"-": "-"}}), there)) and selects(
        peer.get("podSelector"), labels
    )


def lets(labels: dict[str, str], target: tuple[str, dict[str, str], int] | str, way: str) -> bool:
    """Whether the policies let a pod with these labels talk to the target (egress), or be talked to by it."""
    for policy in build_policies("acme", PLATFORM):
        spec = policy["spec"]
        if policy["metadata"]["namespace"] != HERE or not selects(spec["podSelector"], labels):
            continue
        for rule in spec.get(way, ()):
            ports = [item["port"] for item in rule.get("ports", ())]
            fits = isinstance(target, str) or not ports or target[2] in ports
            if fits and any(lets_to(peer, target) for peer in rule["to" if way == "egress" else "from"]):
                return True
    return False


@pytest.mark.parametrize(
    ("pod", "more"),
    [
        ("run", {"git", "registry", "builder"}),
        ("builder", {"registry"}),
        ("import", {"git", "registry"}),
        ("commit status", set[str]()),
        ("notice", set[str]()),
        ("unknown", set[str]()),
    ],
)
def test_each_sort_of_pod_reaches_what_it_works_with_and_nothing_else(pod: str, more: set[str]) -> None:
    assert {name for name, target in TARGETS.items() if lets(PODS[pod], target, "egress")} == EVERYBODY | more


@pytest.mark.parametrize("pod", PODS)
def test_only_the_builder_is_talked_to_and_by_runs_alone(pod: str) -> None:
    callers = {name for name, labels in PODS.items() if lets(PODS[pod], (HERE, labels, 1234), "ingress")}
    assert callers == ({"run"} if pod == "builder" else set())
    assert not lets(PODS[pod], ("evil-build", PODS["run"], 1234), "ingress")
    assert not lets(PODS[pod], "93.184.215.14", "ingress")
