"""The gateway: Traefik on every node's own network, speaking the Gateway API on ports 80 and 443.

Its file carries the capability to bind these ports, so it runs as nobody; the kernel honours that only where privilege
escalation is allowed. It reads Secrets of all namespaces because Traefik lists them where routes may be;
docs/decisions tells.
"""

import json
from typing import Any, Final

from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.model.names import TENANT
from roost.node.machine import Node
from roost.node.manifests.common import (
    LOST_SERVERS_ARE_NOTICED,
    NODE_CRITICAL,
    Manifest,
    binding,
    certificates,
    config_map,
    container,
    http_probe,
    metadata,
    mount,
    pod_template,
    resources,
    role,
    rule,
    selector,
    service_account,
)

NAME: Final = "traefik"
GATEWAY: Final = "roost"
CLASS: Final = "roost"
TLS_SECRET: Final = "gateway-tls"
HEALTH_PORT: Final = 9180
READY: Final = "/ready"  # On the health port; `ready` tells why.
OFF: Final = "roost.dev/gateway-off"  # Label of a node whose gateway is to end: it is about to leave.
SETTINGS: Final = "traefik-settings"
RETRIES: Final = 15  # Each takes the next instance: with one of two dead, all of them fail once in 30,000 requests.
BUCKETS: Final = "0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10"  # Seconds; what latencies can be told apart by.
LONG_S: Final = 3600  # Pushes and streams may last this long.
VIEW_PORT: Final = 9181  # Where roost-drain, by its certificate, asks what a gateway leads to and what it counted.
VIEW_NAME: Final = f"gateway.{HERE}.svc"
VIEW_SECRET: Final = "gateway-view-tls"
VIEW_FILES: Final = "/etc/traefik-view"
# A connection to an instance that rests so long is closed: sooner than servers close theirs, which would race with the
# next request; and roost-drain knows then that a connection that is still there carries something.
REST_S: Final = 1


def rights() -> list[Manifest]:
    """What Traefik's Gateway provider reads, and the status that it writes."""
    kinds = "gatewayclasses gateways httproutes grpcroutes tcproutes tlsroutes referencegrants backendtlspolicies"
    status = (
        "gatewayclasses/status gateways/status httproutes/status grpcroutes/status tcproutes/status tlsroutes/status"
    )
    rules = [
        rule("-", "namespaces nodes", "get list watch"),
        rule("-", "services secrets configmaps", "get list watch"),
        rule("discovery.k8s.io", "endpointslices", "list watch"),
        rule("gateway.networking.k8s.io", kinds, "get list watch"),
        rule("gateway.networking.k8s.io", f"{status} backendtlspolicies/status", "update"),
    ]
    name = "roost-gateway"
    return [service_account(NAME, HERE), role(name, rules), binding(name, "ClusterRole", (HERE, NAME))]


def arguments(node: Node, view: bool = False) -> list[str]:
    """Traefik's static configuration. `view`: roost-drain may ask it."""
    values: dict[str, Any] = {
        "global.checknewversion": "false",
        "global.sendanonymoususage": "false",
        "entrypoints.web.address": ":80",
        "entrypoints.websecure.address": ":443",
        # X_Forwarded_For must not pass for X-Forwarded-For behind a server that treats them alike.
        "entrypoints.web.http.aliasheadersstrategy": "delete",
        "entrypoints.websecure.http.aliasheadersstrategy": "delete",
        "entrypoints.health.address": f"127.0.0.1:{HEALTH_PORT}",
        "ping": "true",
        "ping.entrypoint": "health",
        "metrics.prometheus": "true",
        "metrics.prometheus.entrypoint": "health",
        "providers.kubernetesgateway": "true",
        "providers.kubernetesgateway.statusaddress.ip": node.address,
        # It takes what changed in at most this long after another change; as it comes (2 s), a new instance would be
        # Ready well before requests reach it.
        "providers.providersthrottleduration": "250ms",
        "log.level": "INFO",
        "log.format": "json",
        "accesslog": "true",
        "accesslog.format": "json",
        "accesslog.fields.headers.defaultmode": "drop",
        # An instance on a dead node takes no connection: after this long the request goes to another one.
        "serverstransport.forwardingtimeouts.dialtimeout": "500ms",
        "serverstransport.forwardingtimeouts.idleconntimeout": f"{REST_S}s",
        "providers.file.filename": "/etc/traefik/settings.yaml",
    }
    if view:
        values |= {"api": "true", "api.dashboard": "false", "entrypoints.view.address": f":{VIEW_PORT}"}
        values["metrics.prometheus.buckets"] = BUCKETS
    for entry in ("web", "websecure", "health"):
        # What gives the address of this node to another one looks once a second, later on a busy machine: so long, it
        # is told that this one ends, and requests are served.
        values[f"entrypoints.{entry}.transport.lifecycle.requestacceptgracetimeout"] = "5s"
    for entry in ("web", "websecure"):
        base = f"entrypoints.{entry}.transport"
        values |= {
            f"entrypoints.{entry}.http.middlewares": "retry@file",
            f"{base}.respondingtimeouts.readtimeout": f"{LONG_S}s",
            f"{base}.respondingtimeouts.idletimeout": "180s",
            f"{base}.lifecycle.gracetimeout": "20s",
        }
    return [f"--{key}={value}" for key, value in values.items()]


def _view() -> Manifest:
    """The door of roost-drain: whoever has no certificate of ours for it gets no connection. It only reads."""
    only = {"entryPoints": ["view"], "tls": {"options": "view"}}
    rule = f"Host(`{VIEW_NAME}`) && Method(`GET`)"
    return {
        "routers": {
            "services": {**only, "rule": f"{rule} && Path(`/api/http/services`)", "service": "api@internal"},
            "metrics": {**only, "rule": f"{rule} && Path(`/metrics`)", "service": "prometheus@internal"},
        },
        "tls": {
            "certificates": [{"certFile": f"{VIEW_FILES}/tls.crt", "keyFile": f"{VIEW_FILES}/tls.key"}],
            "options": {
                "view": {
                    "minVersion": "VersionTLS13",
                    "clientAuth": {
                        "caFiles": [f"{VIEW_FILES}/ca.crt"],
                        "clientAuthType": "RequireAndVerifyClientCert",
                    },
                }
            },
        },
    }


def settings(view: bool = False) -> str:
    """Traefik's own configuration beside what it reads from the cluster, for every route.

    A request whose connection to an instance fails is tried with the next one. That is safe whatever the method: once
    an instance has been sent anything, Traefik does not try again.
    """
    retry = {"retry": {"attempts": RETRIES, "initialInterval": "20ms"}}
    found: Manifest = {"http": {"middlewares": {"retry": retry}}}
    if view:
        door = _view()
        found["http"]["routers"], found["tls"] = door["routers"], door["tls"]
    return json.dumps(found)


def proxy(node: Node, image: str, view: bool = False) -> Manifest:
    """The DaemonSet."""
    shown = [mount("view", VIEW_FILES, readOnly=True)] if view else []
    body = container(
        NAME,
        image,
        args=arguments(node, view),
        securityContext={
            "allowPrivilegeEscalation": True,  # Else the file's capability would not count.
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
        },
        ports=[
            *([{"name": "view", "containerPort": VIEW_PORT, "hostPort": VIEW_PORT}] if view else []),
            {"name": "web", "containerPort": 80, "hostPort": 80},
            {"name": "websecure", "containerPort": 443, "hostPort": 443},
            {"name": "health", "containerPort": HEALTH_PORT, "hostPort": HEALTH_PORT},
        ],
        startupProbe=http_probe("/ping", HEALTH_PORT, host="127.0.0.1", periodSeconds=1, failureThreshold=60),
        livenessProbe=http_probe("/ping", HEALTH_PORT, host="127.0.0.1", periodSeconds=10, timeoutSeconds=3),
        readinessProbe=http_probe(READY, HEALTH_PORT, host="127.0.0.1", periodSeconds=3, timeoutSeconds=3),
        resources=resources("50m", "96Mi", "512Mi"),
        env=LOST_SERVERS_ARE_NOTICED,
        volumeMounts=[mount("scratch", "/tmp"), mount("settings", "/etc/traefik", readOnly=True), *shown],
    )
    stays = {"matchExpressions": [{"key": OFF, "operator": "DoesNotExist"}]}
    spec: Manifest = {
        "serviceAccountName": NAME,
        "affinity": {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [stays]}}
        },
        "automountServiceAccountToken": True,
        "priorityClassName": NODE_CRITICAL,
        "hostNetwork": True,
        "dnsPolicy": "ClusterFirstWithHostNet",
        "terminationGracePeriodSeconds": 30,
        "tolerations": [{"operator": "Exists"}],
        "containers": [body],
        "volumes": [
            {"name": "scratch", "emptyDir": {"sizeLimit": "16Mi"}},
            {"name": "settings", "configMap": {"name": SETTINGS}},
            *([certificates("view", VIEW_SECRET)] if view else []),
        ],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata(NAME, HERE),
        "spec": {"selector": {"matchLabels": selector(NAME)}, "template": pod_template(NAME, spec)},
    }


def _listener(name: str, port: int, namespaces: Manifest, hostname: str = "") -> Manifest:
    found: Manifest = {
        "name": name,
        "port": port,
        "protocol": "HTTPS" if port == 443 else "HTTP",
        "allowedRoutes": {"namespaces": namespaces},
    }
    if hostname:
        found["hostname"] = hostname
    if port == 443:
        found["tls"] = {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": TLS_SECRET}]}
    return found


def ready() -> Manifest:
    """The route by which a gateway shows that it has the routes.

    Its own ping answers before it has read the cluster, and then every application is a 404. This route is answered by
    the same ping, but comes with all others.
    """
    ping = {"group": "traefik.io", "kind": "TraefikService", "name": "ping@internal"}
    match = {"path": {"type": "Exact", "value": READY}}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata("gateway-ready", HERE),
        "spec": {
            "parentRefs": [{"name": GATEWAY, "sectionName": "ready"}],
            "rules": [{"matches": [match], "backendRefs": [ping]}],
        },
    }


def entrance(domain: str, foreign_class: str = "") -> list[Manifest]:
    """GatewayClass and Gateway. Tenants' routes meet `http` and `https`, ours have listeners of their own.

    `foreign_class`: a class of the cluster that serves the Gateway in place of ours.
    """
    tenants: Manifest = {"from": "Selector", "selector": {"matchExpressions": [{"key": TENANT, "operator": "Exists"}]}}
    ours: Manifest = {"from": "Same"}
    own_class = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": metadata(CLASS),
        "spec": {"controllerName": "traefik.io/gateway-controller"},
    }
    return [
        *([] if foreign_class else [own_class, ready()]),
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": metadata(GATEWAY, HERE),
            "spec": {
                "gatewayClassName": foreign_class or CLASS,
                "listeners": [
                    _listener("http", 80, tenants),
                    _listener("https", 443, tenants),
                    _listener("api-http", 80, ours, f"api.{domain}"),
                    _listener("api-https", 443, ours, f"api.{domain}"),
                    *([] if foreign_class else [_listener("ready", HEALTH_PORT, ours)]),
                ],
            },
        },
    ]


def everything(node: Node, image: str, view: bool = False) -> list[Manifest]:
    """All of it; the Gateway API's kinds must be there. `view`: roost-drain runs, and may ask."""
    told = config_map(SETTINGS, HERE, {"settings.yaml": settings(view)})
    return [*rights(), *entrance(node.domain), told, proxy(node, image, view)]
