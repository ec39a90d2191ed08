"""Clusters of test hosts, made once for all tests of a run that need them."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from roost.node import demo
from roost.node.run import CommandFailed, environment
from roost.node.testbed.bed import Bed

NODE = [sys.executable, "-m", "roost.node.commands"]
KUBECONFIG = {"KUBECONFIG": "/etc/kubernetes/admin.conf"}
HOST = demo.url("roost.localhost").removeprefix("http://")
SPACE = f"{demo.TENANT}-{demo.ENVIRONMENT}"


class Cluster:
    """A cluster on a bed of test hosts, seen through whichever host still runs."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.api, self.entry = bed.free_addresses

    def node(self, host: str, *arguments: str, timeout_s: float = 900) -> str:
        """`roost node ...` in a host."""
        return self.bed.run(host, [*NODE, *arguments], timeout_s=timeout_s)

    def kubectl(self, *arguments: str, host: str = "", text: str | None = None) -> str:
        """kubectl as the administrator, in a host that runs."""
        chosen = host or next(name for name in self.bed.hosts if self.bed.inner(name))
        return self.bed.run(chosen, ["kubectl", "--request-timeout=15s", *arguments], env=KUBECONFIG, text=text)

    def get(self, *arguments: str) -> Any:
        """An object, or a list of them."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def first(self, *arguments: str) -> None:
        """Make the first node, with addresses that move, up to the demo application."""
        chosen = ("--api-address", self.api, "--entry-address", self.entry)
        self.node(f"{self.bed.name}-1", "up", *chosen, "--until", "demo", *arguments)

    def join(self, host: str, tmp_path: Path, *arguments: str) -> None:
        """Make a host a node of the cluster."""
        bundle = tmp_path / f"{host}.bundle"
        address = self.bed.hosts[host].address
        self.node(self.living(but=host), "add", host, "--address", address, "--output", str(bundle), *arguments)
        self.node(host, "join", str(bundle))

    def tend(self, host: str) -> str:
        """What the supervisor of a host has done every few minutes."""
        return self.bed.run(host, [sys.executable, "-m", "roost.node.tend"], timeout_s=300)

    def living(self, but: str = "") -> str:
        """A host that runs."""
        return next(name for name in self.bed.hosts if name != but and self.bed.inner(name))

    def holder(self, address: str) -> str | None:
        """The host that has an address now; None while none has it."""
        for host in self.bed.hosts:
            if self.bed.inner(host) and f" {address}/" in self.bed.run(host, ["ip", "-4", "-br", "address"]):
                return host
        return None

    def ready(self) -> set[str]:
        """Nodes that take pods."""
        return {
            node["metadata"]["name"]
            for node in self.get("nodes")["items"]
            if any(item["type"] == "Ready" and item["status"] == "True" for item in node["status"]["conditions"])
        }

    def serving(self) -> dict[str, str]:
        """Instances of the demo that are ready and not about to end: {pod: node}."""
        return {
            pod["metadata"]["name"]: pod["spec"]["nodeName"]
            for pod in self.get("pods", "-n", SPACE)["items"]
            if "deletionTimestamp" not in pod["metadata"]
            and any(
                item["type"] == "Ready" and item["status"] == "True" for item in pod["status"].get("conditions", [])
            )
        }

    def scale(self, replicas: int) -> None:
        """Have so many instances of the demo, and wait for them."""
        patch = [{"op": "replace", "path": "/spec/processes/0/replicas", "value": replicas}]
        self.kubectl("patch", "app", demo.APP, "-n", SPACE, "--type=json", "-p", json.dumps(patch))
        until(f"{replicas} instances", lambda: len(self.serving()) == replicas, 120)

    def all_well(self) -> bool:
        """Whether every pod of the system and the platform runs."""
        pods = [pod for space in ("kube-system", "roost-system") for pod in self.get("pods", "-n", space)["items"]]
        return all(
            all(item["ready"] for item in pod["status"].get("containerStatuses", [{"ready": False}]))
            for pod in pods
            if pod["status"].get("phase") != "Succeeded"
        )


def until(what: str, ready: Callable[[], bool], within_s: float) -> float:
    """Wait; the seconds it took. An API that does not answer counts as not yet."""
    began = time.monotonic()
    while True:
        try:
            if ready():
                return time.monotonic() - began
        except (CommandFailed, ValueError):
            pass
        assert time.monotonic() - began < within_s, f"{what} took longer than {within_s:.0f} s"
        time.sleep(0.3)


class Writer:
    """Writes objects one after the other, in a host, and notes each that was acknowledged."""

    LOOP = (
        'i=0; while :; do i=$((i+1)); kubectl --request-timeout=5s create configmap "$1-$i" -n default >/dev/null '
        '2>&1 && echo "$1-$i" >> "$0"; done'
    )

    def __init__(self, cluster: Cluster, host: str, notes: Path) -> None:
        self.notes = notes
        command = cluster.bed.command(host, ["sh", "-c", self.LOOP, str(notes), notes.stem])
        self.process = subprocess.Popen(
            command,
            env=environment(KUBECONFIG),
            preexec_fn=cluster.bed.entering(host),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> list[str]:
        """End it; what was acknowledged."""
        self.process.kill()
        self.process.wait()
        return self.notes.read_text().split() if self.notes.exists() else []


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three hosts, each a member of the control plane; the demo application on them."""
    cluster = Cluster(Bed.named("three", hosts=3))
    notes = tmp_path_factory.mktemp("three")
    cluster.bed.up()
    try:
        cluster.first()
        for number in (2, 3):
            cluster.join(f"three-{number}", notes, "--control-plane")
        for host in cluster.bed.hosts:
            cluster.tend(host)
        yield cluster
    finally:
        cluster.bed.down()
