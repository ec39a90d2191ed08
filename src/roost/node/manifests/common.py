"""Pieces that every manifest here shares: metadata, containers with safe defaults, probes, services, RBAC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from roost.model.names import MANAGED_BY, PLATFORM, pull_policy

Manifest = dict[str, Any]

SYSTEM: Final = "kube-system"
UID: Final = 65532
COMMON_LABELS: Final = {MANAGED_BY: "roost", "app.kubernetes.io/part-of": "roost"}

SAFE_CONTAINER: Final[Manifest] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
SAFE_POD: Final[Manifest] = {
    "runAsNonRoot": True,
    "runAsUser": UID,
    "runAsGroup": UID,
    "fsGroup": UID,
    "seccompProfile": {"type": "RuntimeDefault"},
}
# Kubernetes' client library asks an API server that has been silent for this long, and leaves it when it says nothing:
# else whoever watches would miss for 45 s that the server's node is dead.
LOST_SERVERS_ARE_NOTICED: Final[list[Manifest]] = [
    {"name": "HTTP2_READ_IDLE_TIMEOUT_SECONDS", "value": "5"},
    {"name": "HTTP2_PING_TIMEOUT_SECONDS", "value": "5"},
]
CRITICAL: Final = "system-cluster-critical"
NODE_CRITICAL: Final = "system-node-critical"


def metadata(name: str, namespace: str = "", labels: Mapping[str, str] | None = None, **more: Any) -> Manifest:
    """Metadata with the labels that everything of the platform carries."""
    found: Manifest = {"name": name, "labels": {**COMMON_LABELS, "app.kubernetes.io/name": name, **(labels or {})}}
    if namespace:
        found["namespace"] = namespace
    return {**found, **more}


def selector(name: str) -> dict[str, str]:
    """The labels that a workload of this name selects its pods by."""
    return {"app.kubernetes.io/name": name}


def resources(cpu: str, memory: str, memory_limit: str = "", cpu_limit: str = "") -> Manifest:
    """Requests, and limits: memory at `memory_limit` (the request where none is given), CPU where given."""
    limits = {"memory": memory_limit or memory} | ({"cpu": cpu_limit} if cpu_limit else {})
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": limits}


def http_probe(path: str, port: int | str, **more: Any) -> Manifest:
    """A probe by HTTP; `scheme` and `host` among `more` go into the request, the rest into the probe."""
    request = {key: more.pop(key) for key in ("scheme", "host") if key in more}
    return {"httpGet": {"path": path, "port": port, **request}, **more}


def container(name: str, image: str, **fields: Any) -> Manifest:
    """A container of one of our images, with safe defaults that `fields` may widen."""
    policy = pull_policy(image)
    base: Manifest = {"name": name, "image": image, "imagePullPolicy": policy, "securityContext": SAFE_CONTAINER}
    return {**base, "terminationMessagePolicy": "FallbackToLogsOnError", **fields}


def pod_template(name: str, spec: Mapping[str, Any], annotations: Mapping[str, str] | None = None) -> Manifest:
    """The template of a workload's pods. `spec` is completed with the platform's pod security where it has none."""
    body: Manifest = {"securityContext": SAFE_POD, "enableServiceLinks": False, **spec}
    found: Manifest = {"metadata": {"labels": {**COMMON_LABELS, PLATFORM: "true", **selector(name)}}, "spec": body}
    if annotations:
        found["metadata"]["annotations"] = dict(annotations)
    return found


def deployment(name: str, namespace: str, replicas: int, template: Mapping[str, Any], **spec: Any) -> Manifest:
    """A Deployment; `spec` adds to its specification."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(name, namespace),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 3,
            "selector": {"matchLabels": selector(name)},
            "template": template,
            **spec,
        },
    }


def service(name: str, namespace: str, ports: Mapping[str, tuple[int, int]], **spec: Any) -> Manifest:
    """A Service: ports by name as (port, target)."""
    listed = [
        {"name": key, "port": port, "targetPort": target, "protocol": "UDP" if key.endswith("udp") else "TCP"}
        for key, (port, target) in ports.items()
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, namespace),
        "spec": {"selector": selector(name), "ports": listed, **spec},
    }


def apart(name: str) -> Manifest:
    """Affinity: replicas on different nodes where there are several."""
    term = {"labelSelector": {"matchLabels": selector(name)}, "topologyKey": "kubernetes.io/hostname"}
    preferred = [{"weight": 100, "podAffinityTerm": term}]
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}


def disruption_budget(name: str, namespace: str, max_unavailable: int = 1) -> Manifest:
    """At most so many pods go at once by intention."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(name, namespace),
        "spec": {"maxUnavailable": max_unavailable, "selector": {"matchLabels": selector(name)}},
    }


def service_account(name: str, namespace: str) -> Manifest:
    """A ServiceAccount whose token only goes to pods that ask for it."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(name, namespace),
        "automountServiceAccountToken": False,
    }


def rule(groups: str, kinds: str, verbs: str, names: Sequence[str] = ()) -> Manifest:
    """One RBAC rule; several groups, resources or verbs are separated by spaces, the core group is `-`."""
    found: Manifest = {
        "apiGroups": ["" if group == "-" else group for group in groups.split()],
        "resources": kinds.split(),
        "verbs": verbs.split(),
    }
    return found | ({"resourceNames": list(names)} if names else {})


def role(name: str, rules: Sequence[Manifest], namespace: str = "") -> Manifest:
    """A Role, or a ClusterRole without a namespace."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role" if namespace else "ClusterRole",
        "metadata": metadata(name, namespace),
        "rules": list(rules),
    }


def binding(name: str, role_kind: str, account: tuple[str, str], namespace: str = "", role_name: str = "") -> Manifest:
    """Bind a role to the ServiceAccount (namespace, name), in one namespace or in all."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": metadata(name, namespace),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role_name or name},
        "subjects": [{"kind": "ServiceAccount", "namespace": account[0], "name": account[1]}],
    }


def host_path(name: str, path: str, kind: str = "DirectoryOrCreate") -> Manifest:
    """A volume that is a path of the node."""
    return {"name": name, "hostPath": {"path": path, "type": kind}}


@dataclass(frozen=True)
class Disk:
    """Where a workload of the platform keeps its data: a path of one node, or a claim on the cluster's storage."""

    node: str = ""
    path: str = ""
    claim: str = ""  # A PersistentVolumeClaim's name; `node` and `path` do not count then.

    @property
    def placement(self) -> Manifest:
        """What of the pod's spec binds it to where its disk is. A claim binds by itself."""
        return {} if self.claim else {"nodeSelector": {"kubernetes.io/hostname": self.node}}

    def volume(self, name: str) -> Manifest:
        """The pod's volume."""
        if self.claim:
            return {"name": name, "persistentVolumeClaim": {"claimName": self.claim}}
        return host_path(name, self.path, "Directory")


def claim(name: str, namespace: str, size: str, storage_class: str) -> Manifest:
    """A PersistentVolumeClaim; without a class the cluster's default counts."""
    spec: Manifest = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    named = {"storageClassName": storage_class} if storage_class else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(name, namespace),
        "spec": {**spec, **named},
    }


def certificates(name: str, secret: str, authority: str = "roost-trust") -> Manifest:
    """A volume with `tls.crt` and `tls.key` of a Secret, and `ca.crt` of whom it believes."""
    own = {"secret": {"name": secret}}
    believed = {"configMap": {"name": authority, "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
    return {"name": name, "projected": {"defaultMode": 0o440, "sources": [own, believed]}}


def mount(name: str, path: str, **more: Any) -> Manifest:
    """Where a container sees a volume."""
    return {"name": name, "mountPath": path, **more}


def namespace(name: str, level: str, labels: Mapping[str, str] | None = None) -> Manifest:
    """A Namespace held to a Pod Security level."""
    security = {f"pod-security.kubernetes.io/{mode}": level for mode in ("enforce", "audit", "warn")}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {**COMMON_LABELS, **security, **(labels or {})}},
    }


def config_map(name: str, namespace: str, data: Mapping[str, str]) -> Manifest:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name, namespace), "data": dict(data)}


def secret(name: str, namespace: str, data: Mapping[str, str], kind: str = "Opaque") -> Manifest:
    """A Secret of texts."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(name, namespace),
        "type": kind,
        "stringData": dict(data),
    }
