"""The node under SIGKILL: any process of the cluster may die, or all at once, and it comes back by itself.

Only processes in the cluster's own control groups are killed, each by its pid. Runs on the embedded cluster.
"""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from roost.node import cgroups, demo, supervisor
from roost.node.status import look

pytestmark = pytest.mark.full

DEMO = demo.url("roost.localhost")
COME_BACK_S = 150.0


def name_of(pid: int) -> str:
    """The program's name as the kernel has it; empty where the process is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def pids(name: str) -> set[int]:
    """Processes of the cluster that bear the name; the kernel keeps its first 15 characters."""
    return {pid for pid in cgroups.processes(cgroups.hierarchies()) if name_of(pid) == name[:15]}


def until(what: str, ready: Callable[[], bool], within_s: float = COME_BACK_S) -> None:
    """Wait, and fail with the words."""
    deadline = time.monotonic() + within_s
    while not ready():
        assert time.monotonic() < deadline, f"{what} took longer than {within_s:.0f} s"
        time.sleep(0.5)


def answers() -> bool:
    """Whether the demo answers through the gateway."""
    host = DEMO.removeprefix("http://")
    request = urllib.request.Request("http://127.0.0.1", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=3) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def all_well() -> bool:
    """Whether `roost node status` finds nothing wrong."""
    return all(line.well is not False for line in look())


@pytest.fixture(autouse=True)
def healthy() -> Iterator[None]:
    """Each case starts and ends with a cluster that is well."""
    until("the cluster's health before the case", lambda: all_well() and answers())
    yield
    until("the cluster's health after the case", lambda: all_well() and answers())


@pytest.mark.parametrize("name", ["containerd", "kubelet"])
def test_a_killed_daemon_comes_back_and_the_application_never_stops(name: str) -> None:
    first = pids(name)
    assert first
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    served = []

    def back() -> bool:
        served.append(answers())
        return bool(pids(name) - first)

    until(f"{name}'s return", back, within_s=45)
    assert all(served)


def test_a_killed_supervisor_is_replaced_and_its_daemons_stay() -> None:
    first, kept = supervisor.running(), pids("containerd") | pids("kubelet")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until("a new supervisor", lambda: supervisor.running() not in (None, first), within_s=15)
    assert pids("containerd") | pids("kubelet") == kept


@pytest.mark.parametrize(
    "name",
    [
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "etcd",
        "cilium-agent",
        "cilium-operator",
        "coredns",
        "traefik",
        "registry",
    ],
)
def test_a_killed_part_of_the_cluster_comes_back(name: str) -> None:
    first = pids(name)
    assert first, f"no process is called {name}"
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    until(f"{name}'s return", lambda: bool(pids(name) - first))


def test_after_a_power_cut_one_command_brings_everything_back() -> None:
    found = cgroups.hierarchies()
    for _ in range(50):
        for pid in cgroups.processes(found):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if not cgroups.processes(found):
            break
        time.sleep(0.1)
    assert not answers()
    began = time.monotonic()
    up = subprocess.run(
        [sys.executable, "-m", "roost.node.commands", "up"], capture_output=True, text=True, check=False, timeout=600
    )
    assert up.returncode == 0, up.stderr[-2000:]
    until("the demo", answers, within_s=60)
    assert time.monotonic() - began < 300
