"""The attacks that admission must refuse, each with its harmless twin.

An attack is a change of the twin: the same actor doing the harmless version succeeds, which shows that it is the
change that is refused. `ways` lists the write paths that can carry it (pods are immutable in most fields: there a
refusal by PUT would prove nothing). Read by `test_admission` and `test_sabotage`.
"""

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roost.model import names
from roost.model.kinds.tenant import Member, Tenant
from tests.attack.world import ADA, CONTROLLER, DEPLOYER, DOMAIN, MALLORY, MEMBERS, tenant_spec

DIGEST = "@sha256:" + "a" * 64
OWN = f"{names.REGISTRY}/acme/shop{DIGEST}"
ALL_WAYS = ("post", "put", "merge", "json", "apply", "apply-new")
MADE = ("post", "apply-new")


@dataclass(frozen=True)
class Attack:
    """`evil` differs from `twin` in one thing. guard: the policy that must refuse it; says: words of its message."""

    name: str
    actor: str
    twin: Mapping[str, Any]
    evil: Mapping[str, Any]
    guard: str
    says: str
    ways: tuple[str, ...] = ALL_WAYS
    twice: bool = False  # A second guard refuses it as well, so taking one away opens nothing.


def changed(manifest: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy with other values; keys are paths with `__` between their parts, `None` removes."""
    made = copy.deepcopy(dict(manifest))
    for path, value in changes.items():
        *parents, last = path.split("__")
        place: Any = made
        for part in parents:
            place = place[int(part)] if part.isdigit() else place.setdefault(part, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return made


def meta(name: str, space: str, **labels: str) -> dict[str, Any]:
    """ObjectMeta."""
    return {"name": name, "namespace": space, "labels": labels}


SAFE = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
RESOURCES = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "16Mi", "ephemeral-storage": "1Gi"}}

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": meta("harmless", "acme-dev"),
    "spec": {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "web", "image": OWN, "securityContext": SAFE, "resources": RESOURCES}],
    },
}
BUILD_POD = changed(POD, metadata=meta("run-1", "acme-build", **{names.RUN: "run-1"}))
BUILDER: dict[str, Any] = changed(
    POD,
    metadata=meta("builder", "acme-build", **{names.PLATFORM: "builder"}),
    spec__hostUsers=False,
    spec__securityContext={},
    spec__containers__0__image="roost.internal/buildkit:1",
    spec__containers__0__imagePullPolicy="Never",
    spec__containers__0__securityContext={
        "capabilities": {"add": ["SYS_ADMIN"]},
        "seccompProfile": {"type": "Unconfined"},
    },
)
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": meta("harmless", "acme-dev"),
    "spec": {"selector": {"a": "b"}, "ports": [{"port": 80, "protocol": "TCP"}]},
}
ROUTE: dict[str, Any] = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": meta("harmless", "acme-dev"),
    "spec": {
        "parentRefs": [{"name": "roost", "namespace": names.SYSTEM_NAMESPACE}],
        "hostnames": [f"shop-dev.acme.{DOMAIN}"],
        "rules": [{"backendRefs": [{"name": "shop-web", "port": 80}]}],
    },
}
SECRET: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": meta("harmless", "acme-dev")}
CONFIG: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("harmless", "acme-dev")}
CLAIM: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": meta("harmless", "acme-dev"),
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "mid",
        "resources": {"requests": {"storage": "1Gi"}},
    },
}


def _pod(name: str, says: str, **changes: Any) -> Attack:
    return Attack(name, MALLORY, POD, changed(POD, **changes), "roost-environment-pods", says, MADE)


def _image(name: str, image: str) -> Attack:
    evil = changed(POD, spec__containers__0__image=image)
    return Attack(name, MALLORY, POD, evil, "roost-environment-pods", "Images come from", (*MADE, "put", "json"))


def _extra(image: str) -> dict[str, Any]:
    return {"name": "extra", "image": image, "securityContext": SAFE, "resources": RESOURCES}


def _inside(**changes: Any) -> dict[str, Any]:
    """Changes of the first container, as `changed` takes them."""
    return {f"spec__containers__0__{key}": value for key, value in changes.items()}


OUTSIDE = f"docker.io/library/nginx{DIGEST}"
_VOLUME = {"name": "v", "image": {"reference": OUTSIDE}}
PODS = [
    _image("image-of-another-tenant", OWN.replace("/acme/", "/rival/")),
    _image("image-from-outside", OUTSIDE),
    _image("image-by-tag", f"{names.REGISTRY}/acme/shop:latest"),
    _image("image-climbing-out", f"{names.REGISTRY}/acme/../rival/shop{DIGEST}"),
    _image("image-with-a-prefix", f"evil.example/{names.REGISTRY}/acme/shop{DIGEST}"),
    _image("image-of-the-platform", f"roost.internal/platform:1{DIGEST}"),
    _image("image-named-like-the-helper", f"{names.DRAIN_IMAGE}0"),
    _image("image-of-a-similar-tenant", OWN.replace("/acme/", "/acme2/")),
    _pod("init-image-from-outside", "Images come from", spec__initContainers=[_extra(OUTSIDE)]),
    _pod("image-volume-from-outside", "Images come from", spec__volumes=[_VOLUME]),
    _pod("node-by-name", "scheduler", spec__nodeName="node-1"),
    _pod(
        "host-port",
        "hostPort",
        **_inside(ports=[{"containerPort": 80, "hostPort": 8080}]),
    ),
    _pod("host-network", "network", spec__hostNetwork=True),
    _pod("host-processes", "network", spec__hostPID=True),
    _pod("host-ipc", "network", spec__hostIPC=True),
    _pod("toleration", "Tolerations", spec__tolerations=[{"operator": "Exists"}]),
    _pod(
        "toleration-of-control-plane",
        "Tolerations",
        spec__tolerations=[{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}],
    ),
    _pod("system-priority", "Priorities", spec__priorityClassName="system-cluster-critical"),
    _pod("deployers-account", "ServiceAccount default", spec__serviceAccountName="roost-deployer"),
    _pod("own-token", "no token", spec__automountServiceAccountToken=True),
    _pod(
        "projected-token",
        "no token",
        spec__volumes=[{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}],
    ),
    _pod("host-path", "volume", spec__volumes=[{"name": "h", "hostPath": {"path": "/"}}]),
    _pod("inline-csi", "volume", spec__volumes=[{"name": "h", "csi": {"driver": "anything.example"}}]),
    _pod("other-scheduler", "Schedulers", spec__schedulerName="mine"),
    _pod("root-without-user-namespace", "user namespace", spec__securityContext__runAsNonRoot=None),
    _pod(
        "root-in-an-init-container",
        "user namespace",
        spec__initContainers=[{**_extra(OWN), "securityContext": {**SAFE, "runAsNonRoot": False}}],
    ),
]


def _build(
    name: str, says: str, base: Mapping[str, Any] = BUILD_POD, actor: str = CONTROLLER, **changes: Any
) -> Attack:
    return Attack(name, actor, base, changed(base, **changes), "roost-build-pods", says, MADE)


BUILDS = [
    _build("build-privileged", "restricted", **_inside(securityContext={"privileged": True})),
    _build(
        "build-with-capability",
        "restricted",
        **_inside(securityContext={**SAFE, "capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}),
    ),
    _build("build-as-root", "restricted", spec__securityContext__runAsNonRoot=None),
    _build("build-unconfined", "restricted", spec__securityContext__seccompProfile={"type": "Unconfined"}),
    _build("build-escalating", "restricted", **_inside(securityContext={**SAFE, "allowPrivilegeEscalation": True})),
    _build("build-host-network", "network", spec__hostNetwork=True),
    _build("build-host-path", "volume", spec__volumes=[{"name": "h", "hostPath": {"path": "/"}}]),
    _build("build-image-from-outside", "images", **_inside(image="docker.io/library/nginx")),
    _build("build-of-another-tenants-image", "images", **_inside(image=OWN.replace("/acme/", "/rival/"))),
    _build("builder-privileged", "one shape", BUILDER, **_inside(securityContext__privileged=True)),
    _build("builder-on-the-node", "one shape", BUILDER, spec__hostUsers=None),
    _build("builder-of-another-name", "one shape", BUILDER, metadata__name="builder2"),
    _build("builder-with-another-image", "one shape", BUILDER, **_inside(image="roost.internal/platform:1")),
    _build(
        "builder-with-more-capabilities",
        "one shape",
        BUILDER,
        **_inside(securityContext__capabilities={"add": ["SYS_ADMIN", "NET_ADMIN"]}),
    ),
    _build(
        "builder-with-a-second-container",
        "one shape",
        BUILDER,
        spec__initContainers=[_extra("roost.internal/buildkit:1")],
    ),
    _build("builder-with-a-token", "no token", BUILDER, spec__automountServiceAccountToken=True),
]


def _service(name: str, says: str, **changes: Any) -> Attack:
    return Attack(name, DEPLOYER, SERVICE, changed(SERVICE, **changes), "roost-services", says)


def _route(name: str, says: str, **changes: Any) -> Attack:
    return Attack(name, DEPLOYER, ROUTE, changed(ROUTE, **changes), "roost-routes", says)


def _host(name: str, host: str) -> Attack:
    return _route(name, "Host names", spec__hostnames=[host])


_MIRROR = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "spy", "port": 80}}}
_EXTENSION = {"type": "ExtensionRef", "extensionRef": {"group": "traefik.io", "kind": "Middleware", "name": "m"}}
OBJECTS = [
    _service("node-port", "ClusterIP", spec__type="NodePort"),
    _service("load-balancer", "ClusterIP", spec__type="LoadBalancer"),
    dataclasses.replace(
        _service("external-name", "ClusterIP", spec={"type": "ExternalName", "externalName": "metadata.internal"}),
        twice=True,
    ),
    _service("external-addresses", "externalIPs", spec__externalIPs=["10.0.0.1"]),
    _service("external-name-beside", "externalName", spec__externalName="metadata.internal"),
    _host("host-of-another-tenant", f"shop-dev.rival.{DOMAIN}"),
    _host("host-of-another-environment", f"shop-prod.acme.{DOMAIN}"),
    _host("host-of-the-api", f"api.{DOMAIN}"),
    _host("host-wildcard", f"*.acme.{DOMAIN}"),
    _host("host-of-a-similar-tenant", f"shop-dev.acme.evil.{DOMAIN}"),
    _host("host-with-the-dot-replaced", f"shop-dev.acmexroost.{DOMAIN.partition('.')[2]}"),
    _host("host-from-outside", "www.bank.example"),
    dataclasses.replace(
        _route("host-of-everybody", "Host names", spec__hostnames=None),
        ways=("post", "put", "merge", "json", "apply-new"),  # Applying removes only what the same manager has set.
    ),
    _route("route-from-another-gateway", "gateway", spec__parentRefs=[{"name": "other", "namespace": "roost-system"}]),
    _route("route-from-an-own-gateway", "gateway", spec__parentRefs=[{"name": "roost"}]),
    _route(
        "route-at-the-apis-listener",
        "gateway",
        spec__parentRefs=[{"name": "roost", "namespace": "roost-system", "sectionName": "api-https"}],
    ),
    _route(
        "route-to-another-namespace",
        "same namespace",
        spec__rules=[{"backendRefs": [{"name": "shop-web", "namespace": "rival-dev", "port": 80}]}],
    ),
    _route(
        "route-to-another-kind",
        "same namespace",
        spec__rules=[{"backendRefs": [{"group": "traefik.io", "kind": "TraefikService", "name": "api@internal"}]}],
    ),
    _route(
        "route-that-mirrors",
        "headers",
        spec__rules=[{"filters": [_MIRROR], "backendRefs": [{"name": "shop-web", "port": 80}]}],
    ),
    _route(
        "route-with-a-middleware",
        "headers",
        spec__rules=[{"filters": [_EXTENSION], "backendRefs": [{"name": "shop-web", "port": 80}]}],
    ),
    Attack(
        "token-secret",
        DEPLOYER,
        SECRET,
        changed(
            SECRET,
            type="kubernetes.io/service-account-token",
            metadata__annotations={"kubernetes.io/service-account.name": "roost-deployer"},
        ),
        "roost-secrets",
        "tokens",
        MADE,
    ),
    Attack(
        "claim-of-a-volume",
        DEPLOYER,
        CLAIM,
        changed(CLAIM, spec__volumeName="pv-of-rival"),
        "roost-volumes",
        "names no volume",
        MADE,
    ),
    Attack(
        "claim-by-labels",
        DEPLOYER,
        CLAIM,
        changed(CLAIM, spec__selector={"matchLabels": {"a": "b"}}),
        "roost-volumes",
        "selects no volume",
        MADE,
    ),
    Attack(
        "the-platforms-label",
        DEPLOYER,
        CONFIG,
        changed(CONFIG, metadata__labels={names.PLATFORM: "tenant"}),
        "roost-platform-objects",
        "are the platform's",
    ),
    Attack(
        "a-finalizer",
        DEPLOYER,
        CONFIG,
        changed(CONFIG, metadata__finalizers=["evil.example/forever"]),
        "roost-platform-objects",
        "Finalizers",
    ),
    Attack(
        "a-finalizer-on-an-app",
        DEPLOYER,
        {"apiVersion": names.API_VERSION, "kind": "App", "metadata": meta("harmless", "acme-dev"), "spec": {}},
        {
            "apiVersion": names.API_VERSION,
            "kind": "App",
            "metadata": {**meta("harmless", "acme-dev"), "finalizers": ["evil.example/forever"]},
            "spec": {},
        },
        "roost-platform-objects",
        "Finalizers",
    ),
]


def _kind(version: str, kind: str, spec: Mapping[str, Any] | None = None, **fields: Any) -> Attack:
    """Mallory may do everything in the namespace by RBAC, and still writes none of the platform's kinds."""
    manifest: dict[str, Any] = {"apiVersion": version, "kind": kind, "metadata": meta("mine", "acme-dev"), **fields}
    if spec is not None:
        manifest["spec"] = dict(spec)
    says = "the platform's in a tenant's namespace"
    return Attack(f"own-{kind.lower()}", MALLORY, CONFIG, manifest, "roost-platform-kinds", says, MADE)


_RBAC = "rbac.authorization.k8s.io/v1"
_REFERENCE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "roost-deployer"}
KINDS = [
    _kind("v1", "ServiceAccount"),
    _kind("v1", "ResourceQuota", {"hard": {"pods": "1000"}}),
    _kind("v1", "LimitRange", {"limits": [{"type": "Container", "default": {"memory": "1Ti"}}]}),
    _kind("v1", "Endpoints", subsets=[{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}]),
    _kind("discovery.k8s.io/v1", "EndpointSlice", addressType="IPv4", endpoints=[{"addresses": ["10.1.2.3"]}]),
    _kind("networking.k8s.io/v1", "NetworkPolicy", {"podSelector": {}, "egress": [{}], "policyTypes": ["Egress"]}),
    _kind("networking.k8s.io/v1", "Ingress", {"defaultBackend": {"service": {"name": "x", "port": {"number": 80}}}}),
    _kind(_RBAC, "Role", rules=[]),
    _kind(_RBAC, "RoleBinding", roleRef=_REFERENCE, subjects=[{"kind": "ServiceAccount", "name": "default"}]),
    _kind(
        "gateway.networking.k8s.io/v1",
        "Gateway",
        {"gatewayClassName": "roost", "listeners": [{"name": "x", "port": 80, "protocol": "HTTP"}]},
    ),
    _kind(
        "apps/v1",
        "DaemonSet",
        {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": POD["spec"]},
        },
    ),
]

NAMESPACE: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "harmless", "labels": {}}}
TENANT = Tenant.manifest("acme", tenant_spec(*MEMBERS))
# What an owner may do, by every way to write: another member.
WITH_ONE_MORE = Tenant.manifest("acme", tenant_spec(*MEMBERS, Member(person="mallory", role="viewer")))
CHANGES = ("put", "merge", "json", "apply")


def _tenant(name: str, says: str, **changes: Any) -> Attack:
    return Attack(name, ADA, TENANT, changed(TENANT, **changes), "roost-tenants", says, CHANGES)


CLUSTER = [
    Attack(
        "namespace-of-another-tenant",
        MALLORY,
        NAMESPACE,
        changed(NAMESPACE, metadata__labels={names.TENANT: "rival", names.ENVIRONMENT: "dev"}),
        "roost-namespaces",
        "by the platform",
    ),
    _tenant(
        "owner-raises-the-quota",
        "administrator",
        spec__environments=[{"name": "dev", "quota": {"cpu": "1000"}}, {"name": "prod"}],
    ),
    _tenant("owner-adds-an-environment", "administrator", spec__environments=[{"name": "dev"}, {"name": "more"}]),
    _tenant("owner-raises-the-build-quota", "administrator", spec__buildQuota={"cpu": "1000"}),
    dataclasses.replace(
        _tenant(
            "owner-opens-a-gate",
            "administrator",
            spec__environments=[{"name": "dev"}, {"name": "prod", "gates": {"approvals": 0}}],
        ),
        twin=WITH_ONE_MORE,
    ),
    _tenant("owner-labels-the-tenant", "Labels", metadata__labels={"a": "b"}),
    _tenant("owner-jams-the-deletion", "finalizers", metadata__finalizers=["evil.example/forever"]),
]
LATE = [
    _pod("runtime-class", "Runtime classes", spec__runtimeClassName="fast"),
    Attack(
        "builder-of-somebody-else",
        MALLORY,
        BUILD_POD,
        changed(BUILDER, metadata__labels={}),
        "roost-build-pods",
        "controller makes builders",
        MADE,
    ),
    _build("build-with-a-node", "scheduler", spec__nodeName="node-1"),
    _build("build-with-host-port", "hostPort", **_inside(ports=[{"containerPort": 1, "hostPort": 1}])),
    _build("build-with-toleration", "Tolerations", spec__tolerations=[{"operator": "Exists"}]),
    _build("build-with-priority", "Priorities", spec__priorityClassName="system-cluster-critical"),
    _build("build-as-another-account", "ServiceAccount default", spec__serviceAccountName="other"),
    _build("build-with-runtime-class", "Runtime classes", spec__runtimeClassName="fast"),
    _build("build-with-scheduler", "Schedulers", spec__schedulerName="mine"),
]

# Mallory has taken over the controller, and with it all its rights.
_TENANTS_OWN = changed(NAMESPACE, metadata__labels={names.TENANT: "acme", names.ENVIRONMENT: "more"})
_ROLE: dict[str, Any] = {
    "apiVersion": _RBAC,
    "kind": "ClusterRole",
    "metadata": {"name": "roost-tenant-harmless", "labels": {}},
    "rules": [],
}
_QUOTA: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": meta("harmless", "acme-prod"),
    "spec": {"hard": {"count/pods": "1000"}},
}
CONTROLLERS = [
    Attack(
        "controller-makes-a-namespace",
        CONTROLLER,
        _TENANTS_OWN,
        changed(_TENANTS_OWN, metadata__labels={}),
        "roost-controller-namespaces",
        "adopts none",
        MADE,
    ),
    Attack(
        "controller-makes-a-role",
        CONTROLLER,
        _ROLE,
        changed(_ROLE, metadata__name="harmless-to-look-at"),
        "roost-controller-roles",
        "cluster roles",
        MADE,
    ),
    Attack(
        "controller-bounds-the-platform",
        CONTROLLER,
        _QUOTA,
        changed(_QUOTA, metadata__namespace=names.SYSTEM_NAMESPACE, spec__hard={"count/pods": "0"}),
        "roost-controller-walls",
        "walls",
        MADE,
    ),
]
_SERVED: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "App",
    "metadata": meta("harmless", "acme-dev"),
    "spec": {"config": [{"name": "A", "value": "1"}]},
}
# What served once may serve again, past every gate: who writes that down by himself has opened them.
STATUSES = [
    Attack(
        "status-written-by-a-person",
        MALLORY,
        _SERVED,
        changed(_SERVED, status={"served": [OWN]}),
        "roost-statuses",
        "by Roost's controllers only",
        CHANGES,
    ),
]

ATTACKS = [*STATUSES, *PODS, *BUILDS, *OBJECTS, *KINDS, *CLUSTER, *LATE, *CONTROLLERS]
