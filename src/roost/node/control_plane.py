"""The control plane: writes what kubeadm and kube-apiserver read, runs kubeadm once, keeps its certificates fresh.

Called by `up`, after containerd runs and its images are there. The supervisor starts the kubelet by itself as soon as
kubeadm has written the kubelet's configuration.
"""

import base64
import json
import secrets
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import yaml

from roost.node import kubeadm, machine, pki
from roost.node.kubectl import Kubectl, wait_until
from roost.node.machine import Node
from roost.node.run import run

CONFIG = machine.MARKS / "kubeadm.yaml"
MARK = machine.MARKS / "control-plane.json"  # {"digest": of what kubeadm was told, "version": ...}
RENEWED = machine.MARKS / "renewed"  # When kubeadm's certificates were last renewed; missing until then.
ENCRYPTION = machine.POLICY / "encryption.yaml"
SERVING = (machine.KUBELET / "pki" / "serving.crt", machine.KUBELET / "pki" / "serving.key")


def text(*documents: Mapping[str, Any]) -> str:
    """Documents as one YAML text."""
    return yaml.safe_dump_all([dict(document) for document in documents], sort_keys=False)


def write_policy() -> str:
    """Write what kube-apiserver reads, the encryption key once and for all; a digest of what, when it
    changes, needs the control plane to start anew: these files, and certificates that were renewed.
    """
    files = {
        "audit.yaml": text(kubeadm.audit()),
        "admission.yaml": text(kubeadm.admission()),
        "authentication.yaml": text(kubeadm.authentication()),
        **{f"patches/{name}": text(patch) for name, patch in kubeadm.patches().items()},
    }
    for name, body in files.items():
        pki.write_private(machine.POLICY / name, body)
    if not ENCRYPTION.exists():
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        pki.write_private(ENCRYPTION, text(kubeadm.encryption(key)))
    renewed = RENEWED.read_text() if RENEWED.exists() else ""
    return sha256(json.dumps([files, renewed] if renewed else files).encode()).hexdigest()[:16]


def documents(node: Node, version: str, etcd_tag: str, policy_digest: str) -> str:
    """Everything that kubeadm is told."""
    cluster = kubeadm.cluster(node, version, etcd_tag, policy_digest)
    return text(kubeadm.init(node), cluster, kubeadm.kubelet(machine.resolver_file()))


def initialised() -> dict[str, str] | None:
    """What was noted after kubeadm had finished, or None where it never did."""
    if MARK.exists() and machine.ADMIN.exists():
        noted: dict[str, str] = json.loads(MARK.read_text())
        return noted
    return None


def half_made() -> bool:
    """Whether kubeadm began and never finished here."""
    return initialised() is None and (machine.PKI.exists() or (machine.KUBERNETES / "manifests").exists())


def forget_half() -> None:
    """Remove what an interrupted kubeadm left. Only called where none ever finished, so nothing of value is there."""
    # The kubelet's own certificate too: the next authority would not know it, and the node would never register.
    for path in (machine.KUBERNETES / "manifests", machine.PKI, machine.ETCD, machine.KUBELET / "pki"):
        shutil.rmtree(path, ignore_errors=True)
    for path in (*machine.KUBERNETES.glob("*.conf"), machine.KUBELET / "config.yaml"):
        path.unlink(missing_ok=True)


def serving_certificate(node: Node, now: datetime) -> bool:
    """Sign the kubelet's serving certificate with the cluster's authority; whether a new one was made."""
    signer = pki.read_pair(machine.PKI / "ca.crt", machine.PKI / "ca.key")
    if signer is None:
        return False
    names = (node.name, node.address)
    held = pki.read_pair(*SERVING)
    if held and pki.still_good(held, signer, names, now):
        return False
    fresh = pki.leaf(signer, f"system:node:{node.name}", names, now)
    pki.write_private(SERVING[0], fresh.certificate)
    pki.write_private(SERVING[1], fresh.key)
    return True


def start(node: Node, version: str, etcd_tag: str) -> str:
    """Make or update the control plane and wait until it answers; a word on what was done."""
    noted = initialised()
    if noted is not None:
        renew(datetime.now(UTC))
    told = documents(node, version, etcd_tag, write_policy())
    digest = sha256(told.encode()).hexdigest()
    pki.write_private(CONFIG, told)
    done = "unchanged"
    if noted is None:
        done = "made"
        first_time(node)
    elif noted["digest"] != digest:
        done = "updated"
        update(node)
    serving_certificate(node, datetime.now(UTC))
    wait_until("The Kubernetes API", Kubectl().api_answers, within_s=240)
    pki.write_private(MARK, json.dumps({"digest": digest, "version": version}))
    return done


def kubeadm_run(*arguments: str, timeout_s: float = 120) -> None:
    """One kubeadm command. It dies with us: one that lived on would work against the next `up`."""
    program = ("setpriv", "--pdeathsig", "KILL", str(machine.BIN / "kubeadm"))
    run((*program, *arguments, f"--config={CONFIG}"), timeout_s=timeout_s)


def first_time(node: Node) -> None:
    """kubeadm init: first the authority, so that the kubelet's serving certificate exists before the kubelet starts."""
    kubeadm_run("init", "phase", "certs", "ca")
    serving_certificate(node, datetime.now(UTC))
    kubeadm_run("init", timeout_s=420)


def names_endpoint(node: Node) -> bool:
    """Whether the API server's certificate is for the address that nodes reach it by."""
    held = pki.read_pair(machine.PKI / "apiserver.crt", machine.PKI / "apiserver.key")
    return held is not None and pki.names_address(held, node.endpoint)


def update(node: Node) -> None:
    """Bring a running control plane to the present configuration: manifests, the kubelet's file, the stored copy."""
    wait_until("The Kubernetes API", Kubectl().api_answers, within_s=240)
    if not names_endpoint(node):
        for suffix in ("crt", "key"):
            (machine.PKI / f"apiserver.{suffix}").unlink(missing_ok=True)
        kubeadm_run("init", "phase", "certs", "apiserver")
    for phase in (("upload-config", "all"), ("kubelet-start",), ("control-plane", "all"), ("etcd", "local")):
        kubeadm_run("init", "phase", *phase)


def near_end(now: datetime) -> bool:
    """Whether a certificate of kubeadm's has less than 60 days; authorities have ten years."""
    paths = [path for path in machine.PKI.rglob("*.crt") if not path.stem.endswith("ca")]
    held = [pki.read_pair(path, path.with_suffix(".key")) for path in paths]
    return any(pair.parsed.not_valid_after_utc - now < pki.RENEW_BEFORE for pair in held if pair)


def renew(now: datetime, asked: bool = False) -> bool:
    """Renew kubeadm's certificates when they near their end, or when asked; whether it did. Needs no API."""
    if not asked and not near_end(now):
        return False
    # A node that joined has a configuration for joining only; its certificates say themselves what they are for.
    told = () if machine.MEMBER.exists() else (f"--config={CONFIG}",)
    run([str(machine.BIN / "kubeadm"), "certs", "renew", "all", *told])
    pki.write_private(RENEWED, now.isoformat())
    return True


def authority_digest() -> str:
    """Of the cluster's authority, by which two clusters are told apart; empty where this machine has none."""
    path = machine.PKI / "ca.crt"
    return sha256(path.read_bytes()).hexdigest() if path.exists() else ""
