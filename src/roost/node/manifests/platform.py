"""Roost itself: controller, API and git server, their accounts, services and the API's route."""

from dataclasses import dataclass
from typing import Any, Final

from roost.model.names import PEOPLE_NAMESPACE
from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node.manifests import drain, gateway, registry
from roost.node.manifests.common import (
    CRITICAL,
    Disk,
    Manifest,
    apart,
    container,
    deployment,
    disruption_budget,
    http_probe,
    metadata,
    mount,
    namespace,
    pod_template,
    resources,
    selector,
    service,
    service_account,
)

CONTROLLER: Final = "roost-controller"
API: Final = "roost-api"
GIT: Final = "roost-git"
GIT_SECRET: Final = "git-shared"
OIDC_SECRET: Final = "roost-oidc"
TRUST: Final = "roost-trust"
SMTP_SECRET: Final = "roost-smtp"
SITE: Final = "roost-site"  # ConfigMap with further settings of the controller.
AUTHORITY: Final = "roost-ca"
SIGNING: Final = "image-signing"  # A Secret, which the controller alone mounts, and a ConfigMap with its public part.
METRICS_PORT: Final = 9090
HTTP_PORT: Final = 8080


@dataclass(frozen=True)
class Platform:
    """What the platform's processes need to know."""

    domain: str
    image: str
    builder_image: str
    scanner_image: str
    repositories: Disk
    mirrors: str = ""  # The site's package mirrors for builds: `pip=URL npm=URL go=URL maven=URL`.
    proxy: str = ""  # The site's HTTP proxy for builds.
    kubernetes_url: str = ""  # Where people's kubectl reaches kube-apiserver.
    drain: bool = False  # Instances end as roost-drain says.


def namespaces() -> list[Manifest]:
    """`roost-system` is privileged for the gateway's host network and local volumes; `roost-people` holds no pods."""
    return [namespace(HERE, "privileged"), namespace(PEOPLE_NAMESPACE, "restricted")]


def _environment(platform: Platform) -> list[Manifest]:
    values = {
        "ROOST_DOMAIN": platform.domain,
        "ROOST_REGISTRY": registry.SERVICE,
        "ROOST_BUILDER_IMAGE": platform.builder_image,
        "ROOST_SCANNER_IMAGE": platform.scanner_image,
        "ROOST_PLATFORM_IMAGE": platform.image,
        "SSL_CERT_FILE": "/etc/roost/trust/bundle.crt",
        "HOME": "/tmp",
        "PYTHONUNBUFFERED": "1",
    }
    values |= {"ROOST_MIRRORS": platform.mirrors} if platform.mirrors else {}
    values |= {"ROOST_HTTP_PROXY": platform.proxy} if platform.proxy else {}
    values |= {"ROOST_KUBERNETES_URL": platform.kubernetes_url} if platform.kubernetes_url else {}
    values |= {"ROOST_DRAIN_URL": drain.URL} if platform.drain else {}
    identity: Manifest = {"name": "ROOST_IDENTITY", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    return [identity, *({"name": name, "value": value} for name, value in values.items())]


_VOLUMES: Final[dict[str, tuple[str, Manifest]]] = {
    "trust": ("/etc/roost/trust", {"configMap": {"name": TRUST}}),
    "registry-token": ("/etc/roost/registry", {"secret": {"secretName": registry.TOKEN_SECRET}}),
    "image-signing": ("/etc/roost/signing", {"secret": {"secretName": SIGNING}}),
    "git-shared": ("/etc/roost/git", {"secret": {"secretName": GIT_SECRET}}),
    # What Roost is registered as at the site's OpenID provider; an operator makes it where there is one.
    "oidc": ("/etc/roost/oidc", {"secret": {"secretName": OIDC_SECRET, "optional": True}}),
    # Name and password at the site's mail server; an operator makes it where one is asked for.
    "smtp": ("/etc/roost/smtp", {"secret": {"secretName": SMTP_SECRET, "optional": True}}),
    "scratch": ("/tmp", {"emptyDir": {"sizeLimit": "1Gi"}}),
}


def _process(platform: Platform, name: str, volumes: tuple[str, ...], **fields: Any) -> tuple[Manifest, Manifest]:
    """(container, pod specification) of one of our processes. Secrets can be read by the process's group only."""
    main = name.removeprefix("roost-")
    health = METRICS_PORT if name == CONTROLLER else HTTP_PORT
    wanted = {key: _VOLUMES[key] for key in ("trust", *volumes, "scratch")}
    body = container(
        name,
        platform.image,
        command=["python", "-m", f"roost.mains.{main}"],
        env=_environment(platform),
        livenessProbe=http_probe("/healthz", health, periodSeconds=10, timeoutSeconds=5, failureThreshold=3),
        readinessProbe=http_probe("/readyz", health, periodSeconds=2, timeoutSeconds=3),
        startupProbe=http_probe("/healthz", health, periodSeconds=1, timeoutSeconds=3, failureThreshold=60),
        volumeMounts=[mount(key, path, readOnly=key != "scratch") for key, (path, _) in wanted.items()],
        **fields,
    )
    listed = []
    for key, (_, source) in wanted.items():
        kind, detail = next(iter(source.items()))
        listed.append({"name": key, kind: {**detail, "defaultMode": 0o440} if kind == "secret" else detail})
    spec: Manifest = {
        "serviceAccountName": name,
        "automountServiceAccountToken": True,
        "priorityClassName": CRITICAL,
        "containers": [body],
        "volumes": listed,
    }
    return body, spec


def controller(platform: Platform) -> list[Manifest]:
    """Two replicas, one of which leads."""
    ports = [{"name": "metrics", "containerPort": METRICS_PORT}]
    _, spec = _process(
        platform,
        CONTROLLER,
        ("registry-token", "git-shared", "image-signing", "smtp"),
        ports=ports,
        # What an operator decides of the site beside `up`: ROOST_SMTP, ROOST_MAIL_FROM, ROOST_NOTICE_NETWORKS ...
        envFrom=[{"configMapRef": {"name": SITE, "optional": True}}],
        resources=resources("50m", "128Mi", "512Mi"),
    )
    spec["affinity"] = apart(CONTROLLER)
    return [
        service_account(CONTROLLER, HERE),
        deployment(CONTROLLER, HERE, 2, pod_template(CONTROLLER, spec)),
        disruption_budget(CONTROLLER, HERE),
    ]


def api(platform: Platform) -> list[Manifest]:
    """Two replicas behind the gateway. TLS ends there; nothing else reaches the port."""
    ports = [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": METRICS_PORT}]
    _, spec = _process(
        platform,
        API,
        ("registry-token", "git-shared", "oidc"),
        ports=ports,
        resources=resources("50m", "160Mi", "512Mi"),
    )
    spec["affinity"] = apart(API)
    spec["terminationGracePeriodSeconds"] = 60
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    return [
        service_account(API, HERE),
        deployment(API, HERE, 2, pod_template(API, spec), strategy=strategy),
        service(API, HERE, {"http": (80, 8080)}),
        disruption_budget(API, HERE),
        route(platform.domain),
    ]


def route(domain: str) -> Manifest:
    """`api.<domain>` leads to the API."""
    parents = [{"name": gateway.GATEWAY, "sectionName": name} for name in ("api-http", "api-https")]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata(API, HERE),
        "spec": {
            "parentRefs": parents,
            "hostnames": [f"api.{domain}"],
            "rules": [{"backendRefs": [{"name": API, "port": 80}]}],
        },
    }


def git(platform: Platform) -> list[Manifest]:
    """The git server: one, because the repositories are on one disk. Only the API and run pods reach it."""
    ports = [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": METRICS_PORT}]
    body, spec = _process(platform, GIT, ("git-shared",), ports=ports, resources=resources("50m", "128Mi", "1Gi"))
    body["volumeMounts"].append(mount("repositories", "/repositories"))
    spec["volumes"].append(platform.repositories.volume("repositories"))
    spec |= platform.repositories.placement
    spec["terminationGracePeriodSeconds"] = 60
    workload: Manifest = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(GIT, HERE),
        "spec": {
            "replicas": 1,
            "serviceName": GIT,
            "selector": {"matchLabels": selector(GIT)},
            "template": pod_template(GIT, spec),
        },
    }
    return [service_account(GIT, HERE), service(GIT, HERE, {"http": (8080, 8080)}), workload]


def everything(platform: Platform) -> list[Manifest]:
    """All of it; CRDs, roles and Secrets must be there."""
    return [*controller(platform), *api(platform), *git(platform)]
