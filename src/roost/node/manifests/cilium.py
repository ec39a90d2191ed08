"""Cilium: agent (DaemonSet), operator, configuration and rights.

Several options below are silently ignored when misspelt; the tests hold their names, and the reasons stand here.
"""

import json
import re
from hashlib import sha256

from roost.model.names import RELEASE
from roost.node.machine import API_PORT, POD_NETWORK, Node
from roost.node.manifests.common import (
    LOST_SERVERS_ARE_NOTICED,
    NODE_CRITICAL,
    SYSTEM,
    Manifest,
    apart,
    binding,
    config_map,
    container,
    deployment,
    host_path,
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

CGROUP_ROOT = "/run/roost/cgroupv2"
HEALTH_PORT = 9879
HUBBLE_METRICS_PORT = 9965
CNI_CONFIG = "05-cilium.conflist"
# What the operator installs and the agent watches.
KINDS = (
    "ciliumbgpadvertisements",
    "ciliumbgpclusterconfigs",
    "ciliumbgpnodeconfigoverrides",
    "ciliumbgpnodeconfigs",
    "ciliumbgppeerconfigs",
    "ciliumcidrgroups",
    "ciliumclusterwideenvoyconfigs",
    "ciliumclusterwidenetworkpolicies",
    "ciliumdatapathplugins",
    "ciliumegressgatewaypolicies",
    "ciliumendpoints",
    "ciliumendpointslices",
    "ciliumenvoyconfigs",
    "ciliumgatewayclassconfigs",
    "ciliumidentities",
    "ciliuml2announcementpolicies",
    "ciliumloadbalancerippools",
    "ciliumlocalredirectpolicies",
    "ciliumnetworkpolicies",
    "ciliumnodeconfigs",
    "ciliumnodes",
    "ciliumpodippools",
)


def options(node: Node) -> dict[str, str]:
    """The agent's and the operator's options."""
    return {
        "cluster-name": "roost",
        "cluster-id": "0",
        "identity-allocation-mode": "crd",
        # A version is none of what walls tell pods apart by: with it each release would be an identity of its own, made
        # while its first instance starts, and told to every pod that may be reached from it.
        "labels": f"!{re.escape(RELEASE)}$",
        "ipam": "kubernetes",
        "k8s-require-ipv4-pod-cidr": "true",
        "enable-ipv4": "true",
        "enable-ipv6": "false",
        "routing-mode": "tunnel",
        "tunnel-protocol": "vxlan",
        "ipv4-native-routing-cidr": POD_NETWORK,
        "devices": node.device,
        "kube-proxy-replacement": "true",
        "enable-ipv4-masquerade": "true",
        "enable-bpf-masquerade": "true",
        "enable-tcx": "true",
        "bpf-lb-sock": "true",
        # Only this cluster's processes: sockets of everything beneath this directory are rewritten.
        "cgroup-root": CGROUP_ROOT,
        "bpf-root": "/sys/fs/bpf",
        "enable-source-ip-verification": "true",  # Else pods can spoof.
        "policy-cidr-match-mode": "nodes pods",  # Else ipBlock never matches pods or nodes.
        "identity-max-jitter": "0s",  # Else a revoked label still opens for many seconds.
        "identity-change-grace-period": "0s",
        "enable-policy": "default",
        "enable-k8s-networkpolicy": "true",
        "enable-non-default-deny-policies": "true",
        "enable-l7-proxy": "false",  # No Envoy in the agent: policy is by address, port and label.
        "enable-envoy-config": "false",
        "enable-host-firewall": "false",
        "enable-bandwidth-manager": "false",  # Its queueing discipline is missing in many kernels.
        "enable-endpoint-health-checking": "false",
        "enable-health-checking": "false",
        "agent-health-port": str(HEALTH_PORT),
        "write-cni-conf-when-ready": f"/host/etc/cni/net.d/{CNI_CONFIG}",
        "cni-exclusive": "true",
        "cni-log-file": "/var/run/cilium/cilium-cni.log",
        "auto-direct-node-routes": "false",
        "bpf-map-dynamic-size-ratio": "0.0025",
        "preallocate-bpf-maps": "false",
        "monitor-aggregation": "medium",
        "monitor-aggregation-interval": "5s",
        "monitor-aggregation-flags": "all",
        "enable-hubble": "true",
        "hubble-disable-tls": "true",
        "hubble-socket-path": "/var/run/cilium/hubble.sock",
        "hubble-metrics-server": f":{HUBBLE_METRICS_PORT}",
        "hubble-metrics": "drop:labelsContext=source_namespace,destination_namespace tcp flow",
        "prometheus-serve-addr": ":9962",
        "operator-prometheus-serve-addr": ":9963",
        "enable-metrics": "true",
        "remove-cilium-node-taints": "true",
        "set-cilium-node-taints": "true",
        "set-cilium-is-up-condition": "true",
        "unmanaged-pod-watcher-interval": "0",
        "cilium-endpoint-gc-interval": "5m0s",
        "nodes-gc-interval": "5m0s",
        "identity-gc-interval": "15m0s",
        "identity-heartbeat-timeout": "30m0s",
        "synchronize-k8s-nodes": "true",
        "debug": "false",
    }


def checksum(node: Node) -> str:
    """Changes when the options change, so that the agents are rolled."""
    return sha256(json.dumps(options(node), sort_keys=True).encode()).hexdigest()[:16]


def _environment(node: Node) -> list[Manifest]:
    """How both find the API before there are any services."""
    return [
        {"name": "K8S_NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "CILIUM_K8S_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "KUBERNETES_SERVICE_HOST", "value": node.endpoint},
        {"name": "KUBERNETES_SERVICE_PORT", "value": str(API_PORT)},
        *LOST_SERVERS_ARE_NOTICED,
    ]


def agent_rights() -> list[Manifest]:
    """What the agent may do: read policy and pods, keep its own kinds."""
    return [
        rule("networking.k8s.io", "networkpolicies", "get list watch"),
        rule("discovery.k8s.io", "endpointslices", "get list watch"),
        rule("-", "namespaces services pods nodes", "get list watch"),
        rule("-", "nodes/status", "patch"),
        rule("apiextensions.k8s.io", "customresourcedefinitions", "get list watch"),
        rule("cilium.io", " ".join(KINDS), "list watch"),
        rule("cilium.io", "ciliumidentities ciliumendpoints ciliumnodes", "create"),
        rule("cilium.io", "ciliumidentities", "update"),
        rule("cilium.io", "ciliumendpoints", "delete get"),
        rule("cilium.io", "ciliumnodes ciliumnodes/status", "get update"),
        rule("cilium.io", "ciliumendpoints/status ciliumendpoints ciliuml2announcementpolicies/status", "patch"),
    ]


def operator_rights() -> list[Manifest]:
    """What the operator may do: install Cilium's kinds, collect what nobody uses, take its Lease."""
    kinds = [f"{name}.cilium.io" for name in KINDS]
    return [
        rule("-", "pods", "get list watch"),
        rule("-", "configmaps", "patch", ["cilium-config"]),
        rule("-", "nodes", "list watch patch"),
        rule("-", "nodes/status services/status", "patch"),
        rule("-", "services/status", "update"),
        rule("discovery.k8s.io", "endpointslices", "get list watch"),
        rule("-", "namespaces serviceaccounts services", "get list watch"),
        rule("cilium.io", "ciliumnetworkpolicies ciliumclusterwidenetworkpolicies", "get list watch"),
        rule("cilium.io", "ciliumnetworkpolicies/status ciliumclusterwidenetworkpolicies/status", "patch update"),
        rule("cilium.io", "ciliumendpoints ciliumidentities", "delete list watch"),
        rule("cilium.io", "ciliumidentities", "update"),
        rule("cilium.io", "ciliumnodes", "create update get list watch delete"),
        rule("cilium.io", "ciliumnodes/status", "update"),
        rule(
            "cilium.io",
            "ciliumendpointslices ciliumenvoyconfigs ciliumcidrgroups",
            "create update get list watch delete patch deletecollection",
        ),
        rule("apiextensions.k8s.io", "customresourcedefinitions", "create get list watch"),
        rule("apiextensions.k8s.io", "customresourcedefinitions", "update", kinds),
        rule("apiextensions.k8s.io", "customresourcedefinitions/status", "update", kinds),
        rule("cilium.io", "ciliumloadbalancerippools ciliumpodippools ciliumdatapathplugins", "get list watch"),
        rule("cilium.io", "ciliumpodippools", "create"),
        rule("cilium.io", "ciliumloadbalancerippools/status", "patch"),
        rule("coordination.k8s.io", "leases", "create get update"),
    ]


def rights() -> list[Manifest]:
    """Accounts, roles and bindings of both."""
    found: list[Manifest] = []
    for name, rules in (("cilium", agent_rights()), ("cilium-operator", operator_rights())):
        account = (SYSTEM, name)
        found += [service_account(name, SYSTEM), role(name, rules), binding(name, "ClusterRole", account)]
    reads = [rule("-", "configmaps", "get list watch")]
    found += [
        role("cilium-config-agent", reads, SYSTEM),
        binding("cilium-config-agent", "Role", (SYSTEM, "cilium"), SYSTEM),
        # The operator looks whether an encryption part that is off left a DaemonSet behind.
        role("cilium-operator-looks", [rule("apps", "daemonsets", "get list watch")], SYSTEM),
        binding("cilium-operator-looks", "Role", (SYSTEM, "cilium-operator"), SYSTEM),
    ]
    return found


def agent(node: Node, image: str) -> Manifest:
    """The agent on every node. Root and privileged: it loads programs into the kernel."""
    probe = http_probe("/healthz", "health", host="127.0.0.1", periodSeconds=5, timeoutSeconds=5)
    probe["httpGet"]["httpHeaders"] = [{"name": "brief", "value": "true"}]
    body = container(
        "cilium-agent",
        image,
        command=["cilium-agent", "--config-dir=/tmp/cilium/config-map"],
        env=[
            *_environment(node),
            {"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
        ],
        securityContext={"privileged": True, "runAsUser": 0},
        startupProbe={**probe, "failureThreshold": 150, "periodSeconds": 2},
        livenessProbe={**probe, "periodSeconds": 30, "failureThreshold": 10},
        readinessProbe={**probe, "failureThreshold": 3},
        ports=[{"name": "health", "containerPort": HEALTH_PORT, "hostPort": HEALTH_PORT}],
        resources=resources("50m", "256Mi", "1Gi"),
        volumeMounts=[
            mount("config", "/tmp/cilium/config-map", readOnly=True),
            mount("bpf", "/sys/fs/bpf"),
            mount("cgroup", CGROUP_ROOT),
            mount("run", "/var/run/cilium"),
            mount("netns", "/var/run/cilium/netns", mountPropagation="HostToContainer"),
            mount("cni", "/host/etc/cni/net.d"),
            mount("modules", "/lib/modules", readOnly=True),
            mount("lock", "/run/xtables.lock"),
        ],
    )
    spec: Manifest = {
        "serviceAccountName": "cilium",
        "automountServiceAccountToken": True,
        "priorityClassName": NODE_CRITICAL,
        "hostNetwork": True,
        "dnsPolicy": "ClusterFirstWithHostNet",
        "securityContext": {"seccompProfile": {"type": "Unconfined"}},
        "terminationGracePeriodSeconds": 1,
        "tolerations": [{"operator": "Exists"}],
        "containers": [body],
        "volumes": [
            {"name": "config", "configMap": {"name": "cilium-config"}},
            host_path("bpf", "/sys/fs/bpf"),
            host_path("cgroup", CGROUP_ROOT),
            host_path("run", "/var/run/cilium"),
            host_path("netns", "/run/netns"),
            host_path("cni", "/etc/cni/net.d"),
            host_path("modules", "/lib/modules"),
            host_path("lock", "/run/xtables.lock", "FileOrCreate"),
        ],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata("cilium", SYSTEM),
        "spec": {
            "selector": {"matchLabels": selector("cilium")},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}},
            "template": pod_template("cilium", spec, {"roost.dev/options": checksum(node)}),
        },
    }


def operator(node: Node, image: str, replicas: int) -> Manifest:
    """The operator: one replica on a single node, two on more."""
    body = container(
        "cilium-operator",
        image,
        command=["cilium-operator", "--config-dir=/tmp/cilium/config-map"],
        env=[*_environment(node), {"name": "GOPS_CONFIG_DIR", "value": "/tmp/gops"}],
        ports=[{"name": "health", "containerPort": 9234, "hostPort": 9234}],
        livenessProbe=http_probe("/healthz", "health", host="127.0.0.1", initialDelaySeconds=60, timeoutSeconds=3),
        readinessProbe=http_probe("/healthz", "health", host="127.0.0.1", periodSeconds=5, timeoutSeconds=3),
        resources=resources("20m", "96Mi", "512Mi"),
        volumeMounts=[mount("config", "/tmp/cilium/config-map", readOnly=True), mount("scratch", "/tmp")],
    )
    spec: Manifest = {
        "serviceAccountName": "cilium-operator",
        "automountServiceAccountToken": True,
        "priorityClassName": "system-cluster-critical",
        "hostNetwork": True,
        "dnsPolicy": "ClusterFirstWithHostNet",
        "affinity": apart("cilium-operator"),
        "tolerations": [{"operator": "Exists"}],
        "containers": [body],
        "volumes": [
            {"name": "config", "configMap": {"name": "cilium-config"}},
            {"name": "scratch", "emptyDir": {"sizeLimit": "16Mi"}},
        ],
    }
    template = pod_template("cilium-operator", spec, {"roost.dev/options": checksum(node)})
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    return deployment("cilium-operator", SYSTEM, replicas, template, strategy=strategy)


def everything(node: Node, agent_image: str, operator_image: str, operators: int = 1) -> list[Manifest]:
    """All of Cilium, in the order of applying."""
    return [
        *rights(),
        config_map("cilium-config", SYSTEM, options(node)),
        agent(node, agent_image),
        operator(node, operator_image, operators),
    ]
