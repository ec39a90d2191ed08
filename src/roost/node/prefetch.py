"""Images of applications on every node of the control plane, before they are needed there. Used by `tend`.

The registry is on one node. When that node dies, an instance can start elsewhere only where its image is already: so
each of these nodes fetches what tenants' Deployments name, while the registry is there.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from roost.model.names import REGISTRY
from roost.node import cgroups, install, machine
from roost.node.kubectl import Kubectl
from roost.node.run import CommandFailed, run

MANAGED = "io.cri-containerd.image=managed"  # So that the kubelet collects it like any other when the disk is full.
PULL_S = 600


def wanted(deployments: Iterable[Mapping[str, Any]]) -> set[str]:
    """Images in the cluster's registry that Deployments with instances name."""
    return {
        container["image"]
        for item in deployments
        if item["spec"].get("replicas", 1) > 0
        for container in item["spec"]["template"]["spec"].get("containers", [])
        if container["image"].startswith(f"{REGISTRY}/")
    }


def fetch(kubectl: Kubectl) -> list[str]:
    """Fetch what is missing here; what was fetched. An image that cannot be had now is tried again the next time."""
    if len(kubectl.list("nodes")) < 2:
        return []
    held = set(install.ctr("images", "list", "--quiet").split())
    done = []
    for image in sorted(wanted(kubectl.list("deployments")) - held):
        arguments = ("images", "pull", f"--hosts-dir={machine.CONFIG / 'certs.d'}", f"--label={MANAGED}", "--local")
        base = (str(machine.BIN / "ctr"), f"--address={machine.CONTAINERD_SOCKET}", f"--namespace={install.NAMESPACE}")
        try:
            # In the control group that reaches cluster addresses: the registry has one.
            run((*base, *arguments, image), cgroup=cgroups.hierarchies().host, timeout_s=PULL_S)
        except CommandFailed:
            continue
        done.append(image)
    return done
