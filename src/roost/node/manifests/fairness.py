"""API Priority and Fairness: no tenant's requests starve another's, and none starve the platform.

People's requests queue by namespace, which is by tenant and environment; the platform's own have their own seats.
"""

from roost.model.names import PEOPLE_NAMESPACE, SYSTEM_NAMESPACE
from roost.node.manifests.common import Manifest, metadata

API_VERSION = "flowcontrol.apiserver.k8s.io/v1"
EVERYTHING: Manifest = {
    "resourceRules": [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
    ],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
}


def level(name: str, shares: int, queues: int) -> Manifest:
    """A level with its share of kube-apiserver's seats; requests beyond it wait, shuffled over `queues`."""
    queuing = {"queues": queues, "handSize": 4, "queueLengthLimit": 50}
    return {
        "apiVersion": API_VERSION,
        "kind": "PriorityLevelConfiguration",
        "metadata": metadata(name),
        "spec": {
            "type": "Limited",
            "limited": {
                "nominalConcurrencyShares": shares,
                "lendablePercent": 50,
                "limitResponse": {"type": "Queue", "queuing": queuing},
            },
        },
    }


def flow(name: str, precedence: int, namespace: str, distinguisher: str) -> Manifest:
    """Requests of a namespace's ServiceAccounts go to the level of the same name."""
    subject = {"kind": "Group", "group": {"name": f"system:serviceaccounts:{namespace}"}}
    return {
        "apiVersion": API_VERSION,
        "kind": "FlowSchema",
        "metadata": metadata(name),
        "spec": {
            "priorityLevelConfiguration": {"name": name},
            "matchingPrecedence": precedence,
            "distinguisherMethod": {"type": distinguisher},
            "rules": [{**EVERYTHING, "subjects": [subject]}],
        },
    }


def everything() -> list[Manifest]:
    """Levels and what leads to them. The platform's come first; both before the cluster's own `service-accounts`."""
    return [
        level("roost-platform", 40, 16),
        level("roost-people", 30, 64),
        flow("roost-platform", 500, SYSTEM_NAMESPACE, "ByUser"),
        flow("roost-people", 600, PEOPLE_NAMESPACE, "ByNamespace"),
    ]
