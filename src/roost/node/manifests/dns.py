"""CoreDNS: names of services for pods; other names are passed on to the machine's own resolver."""

from roost.node.machine import DNS_ADDRESS
from roost.node.manifests.common import (
    CRITICAL,
    LOST_SERVERS_ARE_NOTICED,
    SAFE_CONTAINER,
    SYSTEM,
    Manifest,
    apart,
    binding,
    config_map,
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

# By this label cluster DNS is found everywhere, in tenants' policies too.
KNOWN_AS = {"k8s-app": "kube-dns"}
COREFILE = """\
.:53 {
    errors
    health {
        lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 10
    }
    prometheus :9153
    forward . /etc/resolv.conf {
        max_concurrent 1000
    }
    cache 30
    loop
    reload
    loadbalance
}
"""


def rights() -> list[Manifest]:
    """What CoreDNS reads."""
    rules = [
        rule("-", "services pods namespaces", "list watch"),
        rule("discovery.k8s.io", "endpointslices", "list watch"),
    ]
    return [
        service_account("coredns", SYSTEM),
        role("roost-coredns", rules),
        binding("roost-coredns", "ClusterRole", (SYSTEM, "coredns")),
    ]


def server(image: str, replicas: int) -> Manifest:
    """The Deployment. It may bind port 53 although it is nobody: containerd allows it inside the pod."""
    body = container(
        "coredns",
        image,
        args=["-conf", "/etc/coredns/Corefile"],
        env=LOST_SERVERS_ARE_NOTICED,
        ports=[
            {"name": "dns-udp", "containerPort": 53, "protocol": "UDP"},
            {"name": "dns", "containerPort": 53, "protocol": "TCP"},
            {"name": "metrics", "containerPort": 9153, "protocol": "TCP"},
        ],
        securityContext={**SAFE_CONTAINER, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
        livenessProbe=http_probe("/health", 8080, initialDelaySeconds=30, timeoutSeconds=5),
        readinessProbe=http_probe("/ready", 8181, periodSeconds=2, timeoutSeconds=3),
        resources=resources("30m", "48Mi", "192Mi"),
        volumeMounts=[mount("config", "/etc/coredns", readOnly=True)],
    )
    spec: Manifest = {
        "serviceAccountName": "coredns",
        "automountServiceAccountToken": True,
        "priorityClassName": CRITICAL,
        "dnsPolicy": "Default",
        "affinity": apart("coredns"),
        "containers": [body],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    template = pod_template("coredns", spec)
    template["metadata"]["labels"] |= KNOWN_AS
    return deployment("coredns", SYSTEM, replicas, template, strategy=strategy)


def everything(image: str, replicas: int = 1) -> list[Manifest]:
    """All of cluster DNS, in the order of applying. The Service keeps the name that tools look for."""
    named = service("coredns", SYSTEM, {"dns-udp": (53, 53), "dns": (53, 53)}, clusterIP=DNS_ADDRESS)
    named["metadata"]["name"] = "kube-dns"
    named["metadata"]["labels"] |= KNOWN_AS
    named["metadata"]["labels"]["kubernetes.io/name"] = "CoreDNS"
    return [
        *rights(),
        config_map("coredns", SYSTEM, {"Corefile": COREFILE}),
        server(image, replicas),
        named,
        disruption_budget("coredns", SYSTEM),
    ]
