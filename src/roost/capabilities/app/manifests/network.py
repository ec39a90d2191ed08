"""Service, HTTPRoute and disruption budget of an App."""

from collections.abc import Sequence
from typing import Any

from roost.capabilities.app.manifests.pod import CANDIDATE, labels
from roost.model import names
from roost.model.kinds.app import App, Process

GATEWAY = "roost"
WEB = "web"


def _metadata(app: App, name: str, process: str = "") -> dict[str, Any]:
    selected = labels(app.metadata.name, process) if process else {names.APP: app.metadata.name}
    return {"name": name, "namespace": app.metadata.namespace, "labels": {**selected, names.MANAGED_BY: "roost"}}


def service(app: App, process: Process) -> dict[str, Any]:
    """`<app>-<process>`, port 80: how other applications of the environment reach a process that has a port."""
    name = app.metadata.name
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(app, f"{name}-{process.name}", process.name),
        "spec": {
            "type": "ClusterIP",
            "selector": labels(name, process.name),
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def disruption_budget(app: App, process: Process, away: int = 1) -> dict[str, Any]:
    """How many instances at a time may be taken away for maintenance."""
    name = app.metadata.name
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(app, f"{name}-{process.name}", process.name),
        "spec": {
            "maxUnavailable": away,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": labels(name, process.name)},
        },
    }


def _backend(app: App, called: str, weight: int) -> dict[str, Any]:
    return {"group": "", "kind": "Service", "name": f"{app.metadata.name}-{called}", "port": 80, "weight": weight}


def route(app: App, hostnames: Sequence[str], candidate: int = 0) -> dict[str, Any]:
    """From the gateway (HTTP and HTTPS alike) to the process `web`, and so many percent to a version on trial."""
    name = app.metadata.name
    # First the one on trial: the gateway names what it counts by the place, and that one's counts must go on.
    weights = {CANDIDATE: candidate, WEB: 100 - candidate} if candidate else {WEB: 1}
    # A service that gets nothing is not named: it may be gone.
    backends = [_backend(app, called, weight) for called, weight in weights.items() if weight]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": _metadata(app, name),
        "spec": {
            "parentRefs": [
                {
                    "group": "gateway.networking.k8s.io",
                    "kind": "Gateway",
                    "name": GATEWAY,
                    "namespace": names.SYSTEM_NAMESPACE,
                }
            ],
            "hostnames": list(hostnames),
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                    "backendRefs": backends,
                }
            ],
        },
    }
