"""Whom the fault tests kill: the processes of a part of the platform, found when the blow falls."""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

from roost.node import cgroups
from tests.e2e.conftest import kubectl_json

HERE = "roost-system"
LEASE = "roost-controller"


def text(pid: int, name: str) -> str:
    """A file of /proc about a process; empty where the process is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text().strip()
    except OSError:
        return ""


def of_pods(namespace: str, *selector: str) -> set[int]:
    """Processes in the containers of the running pods that the selector finds."""
    pods = kubectl_json("-n", namespace, "get", "pods", *selector)["items"]
    uids = [pod["metadata"]["uid"] for pod in pods if pod["status"]["phase"] == "Running"]
    found = cgroups.processes(cgroups.hierarchies())
    mine = {pid for pid in found if any(uid in text(pid, "cgroup") for uid in uids)}
    return {pid for pid in mine if text(pid, "comm") != "pause"}


def of_part(name: str) -> set[int]:
    """Processes of a workload of the platform."""
    return of_pods(HERE, "-l", f"app.kubernetes.io/name={name}")


def named(name: str) -> set[int]:
    """Processes of the cluster that bear the name; the kernel keeps its first 15 characters."""
    return {pid for pid in cgroups.processes(cgroups.hierarchies()) if text(pid, "comm") == name[:15]}


def leader() -> str:
    """The pod that leads."""
    return str(kubectl_json("-n", HERE, "get", "lease", LEASE)["spec"].get("holderIdentity") or "")


def of_leader() -> set[int]:
    """Processes of the controller that leads."""
    return of_pods(HERE, "--field-selector", f"metadata.name={leader()}")


def of_builder(tenant: str) -> set[int]:
    """Processes of the tenant's builder."""
    return of_pods(f"{tenant}-build", "--field-selector", "metadata.name=builder")


def of_spare(tenant: str) -> set[int]:
    """Processes of the pod that waits for the tenant's next run."""
    return of_pods(f"{tenant}-build", "-l", "roost.dev/spare")


# For each victim: its processes, found just before a push begins, because finding them takes kube-apiserver.
VICTIMS: dict[str, Callable[[str], set[int]]] = {
    "controller": lambda tenant: of_leader(),
    "api": lambda tenant: of_part("roost-api"),
    "git": lambda tenant: of_part("roost-git"),
    "builder": of_builder,
    "spare": of_spare,
    "registry": lambda tenant: named("registry"),
    "kube-apiserver": lambda tenant: named("kube-apiserver"),
}


def kill(pids: set[int]) -> None:
    """SIGKILL to each."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
