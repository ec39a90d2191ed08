"""P15: what the idle platform takes on top of the bare cluster with its network engine: memory, CPU.

    make bench B=P15 [ARGS="--windows 10 --window-s 12"]

A is what the pods of the platform take (namespace roost-system), B what the bare cluster takes: the pods of
kube-system (control plane, Cilium, DNS, metrics), containerd with its shims and the kubelet. Memory is the working set:
what the control group holds without the page cache that can go at once. Nothing is pushed meanwhile.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.measure import last_line, machine, ratio, say, table
from roost.node import cgroups

KUBECTL = ("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf")
PLATFORM, BARE = "roost-system", "kube-system"
MEMORY_GOAL, CPU_GOAL = 0.5, 0.05
MIB = float(1 << 20)


@dataclass(frozen=True)
class Pod:
    """A pod and its control groups: of memory, and of CPU time (the same one in version 2)."""

    name: str
    memory: Path
    cpu: Path

    def working_set(self) -> float:
        """Bytes."""
        held = self.memory / "memory.usage_in_bytes"
        version_1 = held.exists()
        used = int((held if version_1 else self.memory / "memory.current").read_text())
        words = (line.split() for line in (self.memory / "memory.stat").read_text().splitlines())
        idle = {key: int(value) for key, value in words}["total_inactive_file" if version_1 else "inactive_file"]
        return float(used - idle)

    def cpu_s(self) -> float:
        """CPU seconds since it was made."""
        version_1 = self.cpu / "cpuacct.usage"
        if version_1.exists():
            return int(version_1.read_text()) / 1e9
        words = (line.split() for line in (self.cpu / "cpu.stat").read_text().splitlines())
        return {key: int(value) for key, value in words}["usage_usec"] / 1e6


def find(uid: str) -> tuple[Path, Path]:
    """(memory, CPU) control groups of the pod with that uid."""
    found = cgroups.hierarchies()
    at: dict[str, Path] = {}
    for top in found.all:
        for path in top.glob(f"kubepods/**/*{uid}*"):
            if path.is_dir() and ("/kubepods/pod" in str(path) or path.name.startswith(("pod", "kubepods-"))):
                at[top.parent.name] = path
                break
    unified = at.get("unified") or at.get(found.unified.name)
    memory, cpu = at.get("memory") or unified, at.get("cpuacct") or unified
    assert memory and cpu, f"no control group for pod {uid}"
    return memory, cpu


def pods(namespace: str) -> list[Pod]:
    """The running pods of a namespace."""
    told = subprocess.run(
        [*KUBECTL, "-n", namespace, "get", "pods", "-o", "json"], capture_output=True, check=True, text=True
    ).stdout
    made = []
    for item in json.loads(told)["items"]:
        if item["status"]["phase"] == "Running":
            meta = item["metadata"]
            uid = (meta.get("annotations") or {}).get("kubernetes.io/config.hash", meta["uid"])  # Static pods.
            made.append(Pod(meta["name"], *find(uid)))
    return made


def daemons() -> tuple[float, float]:
    """(bytes, CPU seconds) of containerd, its shims and the kubelet: resident memory that is not of files."""
    memory = spent = 0.0
    for pid in (cgroups.hierarchies().host / "cgroup.procs").read_text().split():
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # A short-lived helper of runc.
        memory += sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon"))
        spent += (int(stat[11]) + int(stat[12])) / 100
    return memory, spent


@dataclass(frozen=True)
class Sample:
    """Both sides at one moment: bytes, CPU seconds so far."""

    at_s: float
    memory: tuple[float, float]
    cpu_s: tuple[float, float]


def sample(platform: list[Pod], bare: list[Pod]) -> Sample:
    """Look once."""
    memory, spent = daemons()
    return Sample(
        time.monotonic(),
        (sum(pod.working_set() for pod in platform), sum(pod.working_set() for pod in bare) + memory),
        (sum(pod.cpu_s() for pod in platform), sum(pod.cpu_s() for pod in bare) + spent),
    )


def main() -> int:
    """0 when both goals are met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.P15", description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=10)
    parser.add_argument("--window-s", type=float, default=12.0)
    chosen = parser.parse_args()
    platform, bare, where = pods(PLATFORM), pods(BARE), machine()
    seen = [sample(platform, bare)]
    for number in range(chosen.windows):
        time.sleep(chosen.window_s)
        seen.append(sample(platform, bare))
        say(f"{number + 1}/{chosen.windows}: {seen[-1].memory[0] / MIB:.0f} and {seen[-1].memory[1] / MIB:.0f} MiB")
    memory = ratio([item.memory for item in seen[1:]])
    cores = [
        [(late.cpu_s[side] - early.cpu_s[side]) / (late.at_s - early.at_s) for early, late in itertools.pairwise(seen)]
        for side in (0, 1)
    ]
    control = ratio([(late.memory[0], early.memory[0]) for early, late in itertools.pairwise(seen[1:])])
    of_core = statistics.median(cores[0])
    table(("pod", "MiB"), [(pod.name, f"{pod.working_set() / MIB:.0f}") for pod in platform])
    print()
    table(
        ("side", "median MiB", "median % of a core"),
        [
            (name, f"{statistics.median(item.memory[side] for item in seen) / MIB:.0f}", f"{of * 100:.1f}")
            for name, side, of in (
                ("platform", 0, of_core),
                ("bare cluster", 1, statistics.median(cores[1])),
            )
        ],
    )
    met = memory.high <= MEMORY_GOAL and of_core <= CPU_GOAL
    last_line(
        bench="P15",
        ratio=round(memory.value, 3),
        ci=memory.interval,
        control=control.interval,
        platform_mib=round(statistics.median(item.memory[0] for item in seen) / MIB),
        bare_mib=round(statistics.median(item.memory[1] for item in seen) / MIB),
        cores=round(of_core, 4),
        cores_most=round(max(cores[0]), 4),
        met=met,
        machine=where,
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
