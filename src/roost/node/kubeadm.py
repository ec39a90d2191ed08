"""What kubeadm and the control plane are told, as data. Pure; `control_plane` writes it down and runs kubeadm.

The native walls of the cluster are turned on here: encryption at rest, audit, no anonymous access but health, node
restriction, Pod Security defaults, bound tokens only, verified kubelets.
"""

from dataclasses import dataclass
from typing import Any

from roost.node import machine
from roost.node.machine import Node

Document = dict[str, Any]

REPOSITORY = "roost.internal"
AUDIT_LOG = "/var/log/kubernetes/audit"
CIPHERS = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,"
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,"
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
)


@dataclass(frozen=True)
class Patience:
    """How long what may be dead is waited for. Pods are replaced less than 30 s after their node died.

    With several members of the control plane the leading controller manager may die with the node: another one must
    lead first and counts from there, so each part is shorter.
    """

    node_s: int = 16  # Silence of a node until it counts as lost.
    pods_s: int = 10  # How long pods stay on a node that is lost.
    leader: tuple[int, int, int] = (15, 10, 2)  # Lease, renewal deadline, retry; as Kubernetes has them.

    @classmethod
    def of(cls, node: Node) -> "Patience":
        """By whether the API has an address that moves."""
        return cls(node_s=9, pods_s=2, leader=(6, 4, 1)) if node.api_address else cls()

    @property
    def leadership(self) -> dict[str, str]:
        """Arguments of controller manager and scheduler."""
        names = ("leader_elect_lease_duration", "leader_elect_renew_deadline", "leader_elect_retry_period")
        return {name: f"{value}s" for name, value in zip(names, self.leader, strict=True)}


ADMISSION = "NodeRestriction,DenyServiceExternalIPs,OwnerReferencesPermissionEnforcement"
PREFLIGHT = (
    "SystemVerification",
    "NumCPU",
    "Mem",
    "ImagePull",
    "Service-Kubelet",
    "FileExisting-crictl",
    "Hostname",
)


def arguments(**values: str) -> list[Document]:
    """kubeadm's list form of extra arguments; an underscore stands for a hyphen."""
    return [{"name": name.replace("_", "-"), "value": value} for name, value in sorted(values.items())]


def init(node: Node) -> Document:
    """InitConfiguration: this node, without taints, images never pulled, kubelet-start left to the supervisor."""
    return {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "InitConfiguration",
        "localAPIEndpoint": {"advertiseAddress": node.address, "bindPort": machine.API_PORT},
        "nodeRegistration": {
            "name": node.name,
            "criSocket": f"unix://{machine.CONTAINERD_SOCKET}",
            "imagePullPolicy": "Never",
            "taints": [],
            "ignorePreflightErrors": list(PREFLIGHT),
        },
        "skipPhases": ["addon/kube-proxy", "addon/coredns", "show-join-command"],
        "patches": {"directory": str(machine.POLICY / "patches")},
        "timeouts": {"controlPlaneComponentHealthCheck": "3m0s", "kubeletHealthCheck": "2m0s"},
    }


def join(node: Node, discovery: str, token: str, certificate_key: str) -> Document:
    """JoinConfiguration. `discovery` is the path of a kubeconfig; with a key, the node serves the control plane too."""
    found: Document = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "JoinConfiguration",
        "discovery": {"file": {"kubeConfigPath": discovery}, "tlsBootstrapToken": token},
        "nodeRegistration": {
            "name": node.name,
            "criSocket": f"unix://{machine.CONTAINERD_SOCKET}",
            "imagePullPolicy": "Never",
            "taints": [],
            "ignorePreflightErrors": list(PREFLIGHT),
        },
        "patches": {"directory": str(machine.POLICY / "patches")},
        "timeouts": {"controlPlaneComponentHealthCheck": "3m0s", "kubeletHealthCheck": "2m0s"},
    }
    if certificate_key:
        endpoint = {"advertiseAddress": node.address, "bindPort": machine.API_PORT}
        found["controlPlane"] = {"localAPIEndpoint": endpoint, "certificateKey": certificate_key}
    return found


def environment(policy_digest: str) -> list[Document]:
    """A variable that nobody reads: its change makes the kubelet start a static pod anew."""
    return [{"name": "ROOST_POLICY", "value": policy_digest}]


def api_server(node: Node, policy_digest: str) -> Document:
    """kube-apiserver's part of the ClusterConfiguration. `policy_digest` as in `environment`."""
    policy = str(machine.POLICY)
    return {
        "certSANs": list(dict.fromkeys(["127.0.0.1", "localhost", node.endpoint, node.address, node.name])),
        "extraArgs": arguments(
            admission_control_config_file=f"{policy}/admission.yaml",
            audit_log_maxage="30",
            audit_log_maxbackup="5",
            audit_log_maxsize="50",
            audit_log_path=f"{AUDIT_LOG}/audit.log",
            audit_policy_file=f"{policy}/audit.yaml",
            authentication_config=f"{policy}/authentication.yaml",
            default_not_ready_toleration_seconds=str(Patience.of(node).pods_s),
            default_unreachable_toleration_seconds=str(Patience.of(node).pods_s),
            enable_admission_plugins=ADMISSION,
            encryption_provider_config=f"{policy}/encryption.yaml",
            kubelet_certificate_authority=f"{machine.PKI}/ca.crt",
            kubelet_preferred_address_types="InternalIP,Hostname",
            profiling="false",
            service_account_extend_token_expiration="false",
            tls_cipher_suites=CIPHERS,
            tls_min_version="VersionTLS12",
        ),
        "extraEnvs": environment(policy_digest),
        "extraVolumes": [
            {
                "name": "roost-policy",
                "hostPath": policy,
                "mountPath": policy,
                "readOnly": True,
                "pathType": "Directory",
            },
            {"name": "audit", "hostPath": AUDIT_LOG, "mountPath": AUDIT_LOG, "pathType": "DirectoryOrCreate"},
        ],
    }


def cluster(node: Node, version: str, etcd_tag: str, policy_digest: str) -> Document:
    """ClusterConfiguration."""
    patience = Patience.of(node)
    return {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "clusterName": "roost",
        "kubernetesVersion": version,
        "imageRepository": REPOSITORY,
        "controlPlaneEndpoint": f"{node.endpoint}:{machine.API_PORT}",
        "networking": {
            "podSubnet": machine.POD_NETWORK,
            "serviceSubnet": machine.SERVICE_NETWORK,
            "dnsDomain": "cluster.local",
        },
        "apiServer": api_server(node, policy_digest),
        "controllerManager": {
            "extraEnvs": environment(policy_digest),
            "extraArgs": arguments(
                **patience.leadership,
                node_monitor_grace_period=f"{patience.node_s}s",
                node_monitor_period="2s",
                profiling="false",
                # A quota over a kind that was new to it stays uncounted until then, and refuses everything.
                resource_quota_sync_period="30s",
                terminated_pod_gc_threshold="200",
            ),
        },
        "scheduler": {
            "extraEnvs": environment(policy_digest),
            "extraArgs": arguments(**patience.leadership, profiling="false"),
        },
        "etcd": {
            "local": {
                "imageRepository": REPOSITORY,
                "imageTag": etcd_tag,
                "dataDir": str(machine.ETCD),
                "extraArgs": arguments(
                    auto_compaction_retention="5m",
                    # Members on busy machines must not take each other for dead; a dead leader is missed for 2 to 3 s.
                    election_timeout="2000",
                    heartbeat_interval="200",
                    quota_backend_bytes="4294967296",
                ),
            }
        },
    }


def kubelet(resolver: str) -> Document:
    """KubeletConfiguration: every node gets it from kubeadm."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "0.0.0.0",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True, "cacheTTL": "1m0s"},
            "x509": {"clientCAFile": f"{machine.PKI}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": "/roost",
        "failCgroupV1": False,
        "clusterDNS": [machine.DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": resolver,
        "containerLogMaxFiles": 3,
        "containerLogMaxSize": "10Mi",
        "containerRuntimeEndpoint": f"unix://{machine.CONTAINERD_SOCKET}",
        "enableServer": True,
        "eventRecordQPS": 50,
        "evictionHard": {"memory.available": "200Mi", "nodefs.available": "4%", "imagefs.available": "4%"},
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 90,
        "imageGCLowThresholdPercent": 85,
        "imagePullCredentialsVerificationPolicy": "NeverVerifyPreloadedImages",
        "maxPods": 200,
        "nodeLeaseDurationSeconds": 12,
        "nodeStatusUpdateFrequency": "4s",
        "podPidsLimit": 2048,
        "protectKernelDefaults": True,
        "readOnlyPort": 0,
        "rotateCertificates": True,
        "seccompDefault": True,
        "serializeImagePulls": False,
        "maxParallelImagePulls": 4,
        "staticPodPath": f"{machine.KUBERNETES}/manifests",
        "streamingConnectionIdleTimeout": "1h0m0s",
        "syncFrequency": "30s",
        "systemReserved": {"cpu": "100m", "memory": "512Mi"},
        "tlsCertFile": str(machine.KUBELET / "pki" / "serving.crt"),
        "tlsPrivateKeyFile": str(machine.KUBELET / "pki" / "serving.key"),
        "tlsMinVersion": "VersionTLS12",
        "tlsCipherSuites": CIPHERS.split(","),
    }


def audit() -> Document:
    """The audit policy: who wrote what, without the noise of the machinery and without any secret's content."""
    machinery = ["system:kube-controller-manager", "system:kube-scheduler", "system:apiserver"]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {
                "level": "None",
                "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version", "/openapi*", "/metrics"],
            },
            {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
            {"level": "None", "resources": [{"group": "", "resources": ["events"]}, {"group": "events.k8s.io"}]},
            {"level": "None", "users": machinery, "verbs": ["get", "list", "watch"]},
            {"level": "None", "userGroups": ["system:nodes"], "verbs": ["get", "list", "watch", "update", "patch"]},
            {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"], "verbs": ["get", "list", "watch"]},
            {
                "level": "Metadata",
                "resources": [
                    {"group": "", "resources": ["secrets", "configmaps", "serviceaccounts/token"]},
                    {"group": "authentication.k8s.io", "resources": ["tokenreviews"]},
                ],
            },
            {
                "level": "None",
                "users": ["system:serviceaccount:roost-system:roost-controller"],
                "verbs": ["list", "watch"],
            },
            {"level": "Request", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
            {"level": "Metadata"},
        ],
    }


def admission() -> Document:
    """Pod Security: restricted wherever a namespace does not say otherwise; kube-system is kubeadm's own."""
    defaults = {f"{mode}{suffix}": value for mode in ("enforce", "audit", "warn") for suffix, value in _RESTRICTED}
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [
            {
                "name": "PodSecurity",
                "configuration": {
                    "apiVersion": "pod-security.admission.config.k8s.io/v1",
                    "kind": "PodSecurityConfiguration",
                    "defaults": defaults,
                    "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": ["kube-system"]},
                },
            }
        ],
    }


_RESTRICTED = (("", "restricted"), ("-version", "latest"))


def authentication() -> Document:
    """Anonymous callers reach the health endpoints and nothing else."""
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {
            "enabled": True,
            "conditions": [{"path": path} for path in ("/livez", "/readyz", "/healthz")],
        },
    }


def encryption(key: str) -> Document:
    """Secrets are written encrypted with `key` (32 bytes, base64); what was written plainly can still be read."""
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [
            {
                "resources": ["secrets"],
                "providers": [{"secretbox": {"keys": [{"name": "first", "secret": key}]}}, {"identity": {}}],
            }
        ],
    }


def patches() -> dict[str, Document]:
    """Requests of the static pods by file name: small, because a control plane of one node shares it with its work."""
    sizes = {
        "kube-apiserver": ("100m", "384Mi"),
        "kube-controller-manager": ("30m", "96Mi"),
        "kube-scheduler": ("20m", "48Mi"),
        "etcd": ("50m", "128Mi"),
    }
    return {
        f"{name}0+strategic.yaml": {
            "spec": {"containers": [{"name": name, "resources": {"requests": {"cpu": cpu, "memory": memory}}}]}
        }
        for name, (cpu, memory) in sizes.items()
    }
