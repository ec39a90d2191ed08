"""`roost node join BUNDLE`: this machine becomes a node of a cluster that another one began; and `up` on such a node.

The same steps as on the first node, without what belongs to the cluster as a whole: containerd and kubelet under the
supervisor, images from this machine's own cache, then kubeadm. All may be repeated: a join that was interrupted goes
on, a node that lost its power comes back with `up`, and a fresh bundle renews the certificates that the node cannot
sign itself.
"""

import json
import shutil
from collections.abc import Sequence
from functools import partial

from roost.node import (
    control_plane,
    images,
    install,
    kubeadm,
    machine,
    pki,
    spread,
    steps,
    trust,
    up,
)
from roost.node.bundle import Bundle, BundleInvalid, discovery
from roost.node.kubectl import Kubectl, wait_until
from roost.node.machine import Node
from roost.node.steps import Run

DISCOVERY = machine.MARKS / "discovery.conf"
KUBELET_CONFIG = machine.KUBERNETES / "kubelet.conf"
CONTROL_PLANE_ONLY = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}


def role() -> str | None:
    """`worker` or `control-plane` on a node that joined, else None."""
    return str(json.loads(machine.MEMBER.read_text())["role"]) if machine.MEMBER.exists() else None


def this_machine(bundle: Bundle) -> Node:
    """This machine as the bundle has it. BundleInvalid where it is for another one."""
    node = machine.this_node(bundle.domain)
    if (node.name, node.address) != (bundle.name, str(bundle.address)):
        raise BundleInvalid(
            f"The bundle is for {bundle.name} at {bundle.address}; this machine is {node.name} at {node.address}. Make "
            f"one for it: `roost node add {node.name} --address {node.address}`."
        )
    if node.device != bundle.device:
        raise BundleInvalid(
            f"This machine's address is on {node.device}; the cluster's network is set to {bundle.device} everywhere. "
            f"Rename the device: `ip link set {node.device} name {bundle.device}`, and so in its network configuration."
        )
    if control_plane.initialised() is not None and role() is None:
        raise BundleInvalid("This machine is the first node of a cluster already. `roost node wipe` removes that one.")
    return machine.with_addresses(node, bundle.api_address, bundle.entry_address)


def credentials(bundle: Bundle, run: Run) -> str:
    """What the kubelet and containerd show, whom they believe; for the control plane what its API server reads."""
    pki.write_private(control_plane.SERVING[0], bundle.serving.certificate)
    pki.write_private(control_plane.SERVING[1], bundle.serving.key)
    pki.write_private(trust.NODE_FILES / "ca.crt", bundle.registry_authority, mode=0o644)
    pki.write_private(trust.NODE_FILES / "node.key", bundle.registry.key)
    pki.write_private(trust.NODE_FILES / "node.crt", bundle.registry.certificate)
    if bundle.control_plane is not None:
        pki.write_private(control_plane.ENCRYPTION, bundle.control_plane.encryption)
    control_plane.write_policy()
    return ""


def preload(member_role: str, named: Sequence[str], run: Run) -> str:
    """The images that pods on this node may need: this checkout's, and those `named` that the cluster runs now."""
    assert run.images is not None
    wanted = {image.reference: image for image in run.images.images.values() if not image.offered}
    for reference in named:
        name, tag = reference.removeprefix(f"{images.REPOSITORY}/").split(":", 1)
        found = wanted.get(reference) or images.cached(name, tag)
        if found is None:
            raise BundleInvalid(
                f"The cluster runs {reference}, which this checkout does not make and the cache does not hold. Use the "
                "checkout that the cluster was made from, or bring the first node to this one with `roost node up`."
            )
        wanted[reference] = found
    needed = [i for i in wanted.values() if member_role == "control-plane" or i.name not in CONTROL_PLANE_ONLY]
    done = install.preload(needed)
    return f"{len(done)} imported" if done else ""


def become_node(bundle: Bundle, run: Run) -> str:
    """kubeadm join, once. What an interrupted one left is cleared first."""
    assert run.engine is not None
    if machine.MEMBER.exists():
        return ""
    if bundle.version != run.engine.version("kubernetes"):
        raise BundleInvalid(
            f"The cluster runs Kubernetes {bundle.version} and this checkout makes {run.engine.version('kubernetes')}. "
            "Use the checkout that the cluster was made from."
        )
    forget_half()
    key = bundle.control_plane.certificate_key if bundle.control_plane else ""
    pki.write_private(DISCOVERY, control_plane.text(discovery(bundle)))
    pki.write_private(
        control_plane.CONFIG, control_plane.text(kubeadm.join(run.node, str(DISCOVERY), bundle.token, key))
    )
    try:
        control_plane.kubeadm_run("join", timeout_s=420)
    finally:
        DISCOVERY.unlink(missing_ok=True)
    pki.write_private(machine.MEMBER, json.dumps({"role": bundle.role, "version": bundle.version}))
    return "joined"


def forget_half() -> None:
    """Remove what an interrupted join left; the kubelet's serving certificate and the policies stay."""
    for path in (machine.KUBERNETES / "manifests", machine.PKI, machine.ETCD):
        shutil.rmtree(path, ignore_errors=True)
    for path in (
        *machine.KUBERNETES.glob("*.conf"),
        machine.KUBELET / "config.yaml",
        *(machine.KUBELET / "pki").glob("kubelet-client-*"),
    ):
        path.unlink(missing_ok=True)


def wait_for_node(run: Run) -> str:
    """The network's agent here is well and the node takes pods."""
    run.kubectl = Kubectl(KUBELET_CONFIG)  # A worker knows no administrator; its own identity may see its own node.
    wait_until("Cilium's agent", steps.agent_healthy, within_s=300, explain=lambda: steps.tail("kubelet"))
    steps.wait_until_ready(run, lambda: steps.tail("kubelet"))
    if role() == "control-plane":
        wait_until("The API server here", Kubectl(machine.ADMIN).api_answers, within_s=240)
        spread.platform(Kubectl(machine.ADMIN))
    return ""


def parts(bundle: Bundle) -> Sequence[up.Step]:
    """The steps of a join."""
    return (
        up.Step("machine", steps.prepare_host),
        up.Step("credentials", partial(credentials, bundle)),
        up.Step("containerd", steps.start_runtime),
        up.Step("preload images", partial(preload, bundle.role, bundle.images)),
        up.Step("join", partial(become_node, bundle)),
        up.Step("node is ready", wait_for_node),
    )


def join(bundle: Bundle) -> None:
    """All of it."""
    run = Run(node=this_machine(bundle), control_plane=bundle.role == "control-plane")
    up.bring(run, parts(bundle))


def again() -> None:
    """`up` on a node that joined earlier: after a power cut, or with a newer checkout."""
    joined = role()
    assert joined is not None
    run = Run(node=machine.known_node(), control_plane=joined == "control-plane")
    up.bring(
        run,
        (
            up.Step("machine", steps.prepare_host),
            up.Step("containerd", steps.start_runtime),
            up.Step("preload images", partial(preload, joined, ())),
            up.Step("node is ready", wait_for_node),
        ),
    )
