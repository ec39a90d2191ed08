"""Nodes come and go: `roost node add`, `drain`, `undrain`, `remove`, run on a node of the control plane.

Draining takes nothing away before its replacement serves: a Deployment of one replica is rolled over (its new instance
goes elsewhere, because the node takes no more; the controller does the same for applications), others are evicted one
by one as their disruption budgets allow; last, the gateway of the node ends, which hands the entry address over
(`addresses`).
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import Any

import yaml

from roost.model.names import APP, SYSTEM_NAMESPACE
from roost.node import control_plane, install, kubeadm, machine, pki, spread, trust
from roost.node.bundle import LIFE_HOURS, Bundle, ControlPlane, Credential, Role
from roost.node.kubectl import Kubectl, NotReady, wait_until
from roost.node.machine import MachineUnfit, Node
from roost.node.manifests import gateway, platform
from roost.node.run import CommandFailed, run

PREPARED = machine.MARKS / "add.yaml"
ETCD_PKI = machine.PKI / "etcd"
DRAIN_S = 600


class NoSuchNode(LookupError):
    """The cluster has no node of that name, or the command cannot be for it; the text says what there is."""


def cluster_configuration(kubectl: Kubectl) -> str:
    """What kubeadm was told about the cluster, as the cluster keeps it."""
    found = kubectl.get("configmap", "kubeadm-config", "kube-system")
    if found is None:
        raise MachineUnfit(
            "The cluster has no ConfigMap kube-system/kubeadm-config; it was not made by `roost node up`."
        )
    return str(found["data"]["ClusterConfiguration"])


def upload_authorities(kubectl: Kubectl, node: Node) -> str:
    """Have kubeadm keep the authorities in the cluster, encrypted, for two hours; the key."""
    key = secrets.token_hex(32)
    told = {**kubeadm.init(node), "certificateKey": key}
    text = control_plane.text(told) + "---\n" + cluster_configuration(kubectl)
    pki.write_private(PREPARED, text)
    try:
        program = str(machine.BIN / "kubeadm")
        run([program, "init", "phase", "upload-certs", "--upload-certs", f"--config={PREPARED}"])
    finally:
        PREPARED.unlink(missing_ok=True)
    return key


def new_token(now: datetime) -> tuple[dict[str, Any], str, datetime]:
    """(the Secret of a bootstrap token, the token, its end). It may ask for a node's certificate and nothing else."""
    alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
    part = ("".join(secrets.choice(alphabet) for _ in range(6)), "".join(secrets.choice(alphabet) for _ in range(16)))
    ends = now + timedelta(hours=LIFE_HOURS)
    values = {
        "token-id": part[0],
        "token-secret": part[1],
        "expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
        "description": "roost node add",
    }
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": f"bootstrap-token-{part[0]}", "namespace": "kube-system"},
        "stringData": values,
    }
    return manifest, ".".join(part), ends


def credential(pair: pki.Pair) -> Credential:
    """As the bundle has it."""
    return Credential(certificate=pair.certificate, key=pair.key)


def add(kubectl: Kubectl, node: Node, new: tuple[str, str], role: Role, now: datetime) -> Bundle:
    """A bundle for the machine `new` (name, address). MachineUnfit where this node holds no authorities."""
    name, address = new
    signer = pki.read_pair(machine.PKI / "ca.crt", machine.PKI / "ca.key")
    if signer is None:
        raise MachineUnfit("This node does not serve the control plane. Run `roost node add` on one that does.")
    configuration = yaml.safe_load(cluster_configuration(kubectl))
    check_endpoint(configuration["controlPlaneEndpoint"], kubectl, role)
    manifest, token, ends = new_token(now)
    kubectl.apply([manifest])
    authority = trust.authority_of(kubectl, platform.AUTHORITY)
    node_authority = trust.authority_of(kubectl, trust.NODE_AUTHORITY)
    own = None
    if role == "control-plane":
        key = upload_authorities(kubectl, node)
        own = ControlPlane(certificate_key=key, encryption=control_plane.ENCRYPTION.read_text())
    return Bundle(
        name=name,
        address=IPv4Address(address),
        device=node.device,
        domain=node.domain,
        role=role,
        version=configuration["kubernetesVersion"],
        server=f"https://{configuration['controlPlaneEndpoint']}",
        authority=signer.certificate,
        token=token,
        expires=ends,
        images=tuple(sorted(install.imported())),
        serving=credential(pki.leaf(signer, f"system:node:{name}", (name, address), now)),
        registry=credential(pki.leaf(node_authority, f"node:{name}", (), now, client=True)),
        registry_authority=authority.certificate,
        api_address=node.api_address,
        entry_address=node.entry_address,
        control_plane=own,
    )


def check_endpoint(endpoint: str, kubectl: Kubectl, role: Role) -> None:
    """Several members of the control plane are of use only behind an address that is none of theirs."""
    host = endpoint.rsplit(":", 1)[0]
    own = {item["address"] for node in kubectl.list("nodes") for item in node["status"].get("addresses", [])}
    if role == "control-plane" and host in own:
        raise MachineUnfit(
            f"Nodes reach the API at {host}, which is one node's own address: with that node they would all lose it. "
            "Give the API an address that can move: `roost node up --api-address FREE_ADDRESS` on that node, then add "
            "members."
        )


def existing(kubectl: Kubectl, name: str) -> dict[str, Any]:
    """The node. NoSuchNode where there is none."""
    found = kubectl.get("node", name)
    if found is None:
        names = ", ".join(item["metadata"]["name"] for item in kubectl.list("nodes"))
        raise NoSuchNode(f"The cluster has no node called {name}. There are: {names}.")
    return found


def singles(deployments: Sequence[Mapping[str, Any]], pods: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(namespace, name) of Deployments of one replica whose pod is among `pods`, but for those bound to their node.

    Applications are none of them: their disruption budgets hold the drain until the controller has moved them.
    """
    owners = {
        (pod["metadata"]["namespace"], owner["name"].rsplit("-", 1)[0])
        for pod in pods
        for owner in pod["metadata"].get("ownerReferences", [])
        if owner["kind"] == "ReplicaSet"
    }
    return [
        (item["metadata"]["namespace"], item["metadata"]["name"])
        for item in deployments
        if item["spec"].get("replicas", 1) == 1
        and (item["metadata"]["namespace"], item["metadata"]["name"]) in owners
        and APP not in item["metadata"].get("labels", {})
        and "kubernetes.io/hostname" not in item["spec"]["template"]["spec"].get("nodeSelector", {})
    ]


def drain(kubectl: Kubectl, name: str, within_s: int = DRAIN_S) -> list[str]:
    """Take everything off a node but what belongs to it; the Deployments of one replica that were rolled over."""
    existing(kubectl, name)
    kubectl.call("cordon", name)
    here = [
        pod
        for pod in kubectl.list("pods")
        if pod["spec"].get("nodeName") == name and pod["status"]["phase"] == "Running"
    ]
    moved = singles(kubectl.list("deployments"), here)
    for namespace, deployment in moved:
        kubectl.call("rollout", "restart", "deployment", deployment, f"--namespace={namespace}")
    for namespace, deployment in moved:
        status = ("rollout", "status", "deployment", deployment, f"--namespace={namespace}")
        kubectl.call(*status, "--request-timeout=0", f"--timeout={within_s}s", timeout_s=within_s + 10)
    evict = ("drain", name, "--ignore-daemonsets", "--delete-emptydir-data", "--force", f"--timeout={within_s}s")
    kubectl.call(*evict, "--request-timeout=0", timeout_s=within_s + 10)
    end_gateway(kubectl, name)
    return [f"{namespace}/{deployment}" for namespace, deployment in moved]


def end_gateway(kubectl: Kubectl, name: str) -> None:
    """End the gateway of a node, for as long as the label stays: the entry address goes to another node."""
    kubectl.call("label", "node", name, f"{gateway.OFF}=true", "--overwrite")

    def gone() -> bool:
        pods = kubectl.list("pods", SYSTEM_NAMESPACE, f"app.kubernetes.io/name={gateway.NAME}")
        return all(pod["spec"].get("nodeName") != name for pod in pods)

    wait_until(f"The end of the gateway on {name}", gone, within_s=90)


def undrain(kubectl: Kubectl, name: str) -> None:
    """The node takes pods again, and its gateway serves."""
    existing(kubectl, name)
    kubectl.call("label", "node", name, f"{gateway.OFF}-")
    kubectl.call("uncordon", name)
    spread.platform(kubectl)


def remove(kubectl: Kubectl, name: str, own_name: str, gone: bool) -> str:
    """Drain a node, unless it is `gone` already, and forget it: the member of etcd first, so that it counts no more."""
    node = existing(kubectl, name)
    if name == own_name:
        raise NoSuchNode(f"{name} is this node. Remove it from another node of the control plane.")
    if not gone:
        if not spread.takes_pods(node) and not node["spec"].get("unschedulable"):
            raise NoSuchNode(f"{name} is not ready, so nothing can be drained. If it is lost: `--gone`.")
        drain(kubectl, name)
    member = "node-role.kubernetes.io/control-plane" in node["metadata"].get("labels", {})
    if member:
        remove_etcd_member(name)

    def forgotten() -> bool:
        kubectl.call("delete", "node", name, "--wait=false", "--ignore-not-found")
        return True

    # The API's address may have been on that node, whose API server has just lost its database.
    wait_until(f"The end of the node {name}", forgotten, within_s=90)
    return "with its member of etcd" if member else ""


def etcdctl(*arguments: str, timeout_s: float = 60) -> str:
    """One command to this node's member of etcd."""
    base = (
        str(machine.BIN / "etcdctl"),
        "--endpoints=https://127.0.0.1:2379",
        f"--cacert={ETCD_PKI}/ca.crt",
        f"--cert={ETCD_PKI}/healthcheck-client.crt",
        f"--key={ETCD_PKI}/healthcheck-client.key",
        "--command-timeout=20s",
    )
    return run((*base, *arguments), timeout_s=timeout_s)


def remove_etcd_member(name: str) -> None:
    """Forget a member of etcd by its node's name; nothing where there is none. NotReady where that fails."""
    found = json.loads(etcdctl("member", "list", "--write-out=json"))["members"]
    for member in found:
        if member.get("name") == name:
            try:
                etcdctl("member", "remove", f"{int(member['ID']):x}")
            except CommandFailed as failed:
                raise NotReady(
                    f"The member of etcd on {name} could not be removed; the node stays. Most members must be well for "
                    f"that: `roost node status`.\n{failed}"
                ) from failed
