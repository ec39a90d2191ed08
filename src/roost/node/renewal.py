"""Certificates before they end: `roost node renew` by hand, `tend` by itself. Runs on nodes of the control plane.

kubeadm's certificates, the kubelet's serving certificate, what containerd shows the registry, and what registry and
metrics-server show are signed anew when they have less than 60 days, or when asked. The static pods then start one
after the other, so that a control plane of three members goes on. The kubelet renews its own client certificate.
Workers hold two certificates that only the control plane can sign: a fresh bundle brings them (`roost node add`,
`roost node join`).
"""

from datetime import datetime

import yaml

from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node import control_plane, machine, pki, runtime, trust
from roost.node.kubectl import Kubectl, wait_until
from roost.node.machine import Node
from roost.node.manifests import drain, gateway, platform, registry

MANIFESTS = machine.KUBERNETES / "manifests"
ANNOTATION = "roost.dev/certificates-of"
ORDER = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def start_anew(name: str, now: datetime) -> None:
    """Have the kubelet start a static pod again, and wait until the API answers."""
    path = MANIFESTS / f"{name}.yaml"
    manifest = yaml.safe_load(path.read_text())
    manifest["metadata"].setdefault("annotations", {})[ANNOTATION] = now.isoformat(timespec="seconds")
    pki.write_private(path, yaml.safe_dump(manifest, sort_keys=False))

    def runs() -> bool:
        pods = Kubectl().list("pods", "kube-system", f"component={name}")
        return any(
            pod["metadata"].get("annotations", {}).get(ANNOTATION) == now.isoformat(timespec="seconds")
            and all(item["ready"] for item in pod["status"].get("containerStatuses", [{"ready": False}]))
            for pod in pods
        )

    wait_until(f"The new start of {name}", runs, within_s=240)


def in_cluster(kubectl: Kubectl, authority: pki.Pair, now: datetime, asked: bool) -> list[str]:
    """The certificates of servers that run as pods; whose were renewed. The gateway's are the controller's to sign."""
    done = []
    if trust.metrics_certificate(kubectl, authority, now, asked):
        done.append("metrics-server's")
    if kubectl.get("secret", gateway.VIEW_SECRET, HERE) and trust.view_certificates(kubectl, authority, now, asked):
        # Both read theirs when they start; a gateway that ends by intention fails no request.
        for workload in (f"daemonset/{gateway.NAME}", f"deployment/{drain.NAME}"):
            kubectl.call("rollout", "restart", workload, f"--namespace={HERE}")
        done.append("the gateways' and roost-drain's")
    if trust.registry_certificate(kubectl, authority, [machine.REGISTRY_ADDRESS], now, asked):
        # It reads its certificate when it starts.
        kubectl.call("rollout", "restart", f"deployment/{registry.NAME}", f"--namespace={HERE}")
        done.append("the registry's")
    return done


def renew(kubectl: Kubectl, node: Node, now: datetime, asked: bool) -> list[str]:
    """What is to be renewed; the names of what was. MachineUnfit on a worker."""
    if not (machine.PKI / "ca.key").exists():
        raise machine.MachineUnfit(
            "This node does not serve the control plane, so it can sign nothing. Make a bundle there, "
            f"`roost node add {node.name} --address {node.address}`, and run `roost node join` with it here: that "
            "renews its certificates."
        )
    done = []
    if asked:
        for path in (*control_plane.SERVING, trust.NODE_FILES / "node.crt"):
            path.unlink(missing_ok=True)
    if control_plane.serving_certificate(node, now):
        runtime.restart("kubelet")
        done.append("the kubelet's")
    authority, nodes = (trust.authority_of(kubectl, name) for name in (platform.AUTHORITY, trust.NODE_AUTHORITY))
    if trust.node_certificate(node.name, authority, nodes, now):
        done.append("containerd's")
    done += in_cluster(kubectl, authority, now, asked)
    if control_plane.renew(now, asked):
        for name in ORDER:
            start_anew(name, now)
        done.append("the control plane's")
    return done
