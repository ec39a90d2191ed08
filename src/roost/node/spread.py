"""Replicas of the platform on different nodes, once there are several. Used after a join and by the regular tending.

Kubernetes places a pod once. What was placed while there was one node stays together there, and would end together:
where all replicas of a Deployment of ours share a node although another one could take one, they are placed anew.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from roost.model.names import SYSTEM_NAMESPACE
from roost.node.kubectl import Kubectl
from roost.node.manifests.common import SYSTEM

PINNED = {"registry"}  # Its disk is on one node.
SEVERAL = (("coredns", SYSTEM), ("cilium-operator", SYSTEM))  # One replica on one node, two on more.


def takes_pods(node: Mapping[str, Any]) -> bool:
    """Whether a node is ready and not to be drained."""
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in node["status"].get("conditions", []))
    return ready and not node["spec"].get("unschedulable", False)


def together(deployments: Sequence[Mapping[str, Any]], pods: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(namespace, name) of Deployments whose replicas, two or more, all run on one node."""
    nodes: dict[tuple[str, str], list[str]] = defaultdict(list)
    for pod in pods:
        meta = pod["metadata"]
        name = meta.get("labels", {}).get("app.kubernetes.io/name", "")
        if "deletionTimestamp" not in meta:
            nodes[(meta["namespace"], name)].append(pod["spec"].get("nodeName", ""))
    found = []
    for item in deployments:
        key = (item["metadata"]["namespace"], item["metadata"]["name"])
        where = nodes.get(key, [])
        if item["spec"].get("replicas", 1) > 1 and len(where) > 1 and len(set(where)) == 1 and key[1] not in PINNED:
            found.append(key)
    return found


def platform(kubectl: Kubectl) -> list[str]:
    """Have enough replicas and place those anew that share a node; the names of those that moved."""
    if sum(takes_pods(node) for node in kubectl.list("nodes")) < 2:
        return []
    for name, namespace in SEVERAL:
        kubectl.call("scale", "deployment", name, f"--namespace={namespace}", "--replicas=2")
    moved = []
    for namespace in (SYSTEM, SYSTEM_NAMESPACE):
        for where, name in together(kubectl.list("deployments", namespace), kubectl.list("pods", namespace)):
            kubectl.call("rollout", "restart", "deployment", name, f"--namespace={where}")
            moved.append(name)
    return moved
