"""`roost node wipe` gives the machine back: what the kernel and the file system hold afterwards is nobody's of ours.

It takes the cluster down and brings it up again, so it runs last.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, get, until

pytestmark = pytest.mark.full
DEMO = "http://hello-dev.demo.roost.localhost"
OURS = re.compile(r"roost|cilium|kube|containerd|lxc[0-9a-f]|lxc_|etcd|buildkit|traefik", re.IGNORECASE)
PATHS = (
    "/etc/kubernetes",
    "/etc/cni",
    "/opt/cni",
    "/etc/roost",
    "/var/lib/kubelet",
    "/var/lib/etcd",
    "/var/lib/roost",
    "/var/lib/cni",
    "/var/lib/cilium",
    "/var/log/pods",
    "/var/log/containers",
    "/var/log/kubernetes",
    "/var/log/roost",
    "/run/roost",
    "/run/roost.lock",
    "/run/cilium",
    "/run/containerd",
    "/run/xtables.lock",
)


def node(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`roost node ARGUMENTS`, and it went well."""
    command = [sys.executable, "-m", "roost.node.commands", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return done


def told(*command: str) -> set[str]:
    """The lines that a command prints, without counters; none where the program or the kernel lacks it."""
    if shutil.which(command[0]) is None:
        return set()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return {re.sub(r"\[\d+:\d+\]", "", line).strip() for line in done.stdout.splitlines() if not line.startswith("#")}


def processes() -> set[str]:
    """Programs that run, by their executable; kernel threads have none."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/exe"):
        try:
            found.add(str(path.readlink()))
        except OSError:
            continue  # A kernel thread, or it ended while we looked.
    return found


def groups() -> set[str]:
    """Directories of all cgroup hierarchies of this cluster."""
    return {str(path) for path in Path("/sys/fs/cgroup").glob("**/roost")}


def snapshot() -> dict[str, set[str]]:
    """What the machine holds of the kinds of things that a cluster leaves behind."""
    rules = set().union(*(told(f"{name}-save") for name in ("iptables-nft", "ip6tables-nft")))
    return {
        "mounts": {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()},
        "links": {line.split(":")[1].strip() for line in told("ip", "-oneline", "link")},
        "network namespaces": told("ip", "netns", "list"),
        "routes": told("ip", "route", "show", "table", "all") | told("ip", "-6", "route", "show", "table", "all"),
        "routing rules": told("ip", "rule") | told("ip", "-6", "rule"),
        "iptables": rules,
        "nftables": told("nft", "list", "tables"),
        "ipsets": told("ipset", "list", "-name"),
        "cgroups": groups(),
        "loop devices": told("losetup", "--list", "--noheadings", "--output", "BACK-FILE"),
        "pinned": {str(path) for path in Path("/sys/fs/bpf").glob("*")} - {"/sys/fs/bpf/maps.debug"},
        "paths": {path for path in PATHS if Path(path).exists()},
        "settings": {
            f"{name}={Path('/proc/sys', name).read_text().strip()}"
            for name in ("vm/overcommit_memory", "kernel/panic", "net/ipv4/ip_forward", "net/ipv4/conf/all/rp_filter")
        },
    }


@pytest.fixture
def brought_back() -> Iterator[None]:
    """Whatever the case finds, the cluster is there for others afterwards."""
    yield
    node("up")
    until(lambda: get(DEMO).status == 200, "the demo answers", 120)


@pytest.mark.usefixtures("brought_back")
def test_wipe_leaves_a_clean_machine() -> None:
    node("wipe", "--yes")
    clean, programs = snapshot(), processes()
    left = {kind: {item for item in items if OURS.search(item)} for kind, items in clean.items() if kind != "paths"}
    assert {kind: items for kind, items in left.items() if items} == {}
    assert clean["paths"] == set()
    assert not any("/var/lib/roost/" in program or "(deleted)" in program for program in programs), programs
    node("up")
    node("wipe", "--yes")
    assert snapshot() == clean
    node("wipe", "--yes")  # Again, on a machine with nothing on it.
    assert snapshot() == clean
