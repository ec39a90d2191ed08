"""roost-drain: asks the gateways what they lead to, and tells an instance that ends about itself. See engine/drain.

It reads which gateways there are, shows them its certificate, and has two doors: instances are told about the address
that they ask from, the controller what was counted of a service. It writes nothing.
"""

from typing import Final

from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node.manifests.common import (
    CRITICAL,
    Manifest,
    apart,
    binding,
    certificates,
    container,
    deployment,
    disruption_budget,
    http_probe,
    mount,
    pod_template,
    resources,
    role,
    rule,
    service,
    service_account,
)

NAME: Final = "roost-drain"
TLS_SECRET: Final = "roost-drain-tls"
INSTANCES_PORT: Final = 8082
CONTROLLER_PORT: Final = 8083
URL: Final = f"http://{NAME}.{HERE}.svc:{CONTROLLER_PORT}"  # For the controller.


def rights() -> list[Manifest]:
    """Where the gateways run, and which addresses their connections come from."""
    nodes = f"{NAME}-nodes"
    return [
        service_account(NAME, HERE),
        role(NAME, [rule("-", "pods", "list")], HERE),
        binding(NAME, "Role", (HERE, NAME), HERE),
        role(nodes, [rule("cilium.io", "ciliumnodes", "list")]),
        binding(nodes, "ClusterRole", (HERE, NAME)),
    ]


def everything(image: str) -> list[Manifest]:
    """All of it."""
    body = container(
        NAME,
        image,
        args=["serve"],
        ports=[
            {"name": "instances", "containerPort": INSTANCES_PORT},
            {"name": "controller", "containerPort": CONTROLLER_PORT},
        ],
        readinessProbe=http_probe("/healthz", INSTANCES_PORT, periodSeconds=2, timeoutSeconds=3),
        livenessProbe=http_probe("/healthz", INSTANCES_PORT, periodSeconds=10, timeoutSeconds=3),
        resources=resources("10m", "24Mi", "128Mi"),
        volumeMounts=[mount("tls", "/etc/drain", readOnly=True)],
    )
    spec: Manifest = {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": True,
        "priorityClassName": CRITICAL,
        "affinity": apart(NAME),
        "containers": [body],
        "volumes": [certificates("tls", TLS_SECRET)],
    }
    ports = {"instances": (80, INSTANCES_PORT), "controller": (CONTROLLER_PORT, CONTROLLER_PORT)}
    return [
        *rights(),
        deployment(NAME, HERE, 2, pod_template(NAME, spec)),
        service(NAME, HERE, ports),
        disruption_budget(NAME, HERE),
    ]
