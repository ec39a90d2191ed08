"""Control groups: the one directory `roost` in every hierarchy under which everything of the cluster runs.

Cgroup v1, v2 and the hybrid of both occur. Used by `up` (prepare), the supervisor (its own place), `down` and `wipe`.
Cilium rewrites connections of every process beneath its cgroup2 root, so that root holds this cluster only, and the
host daemons that must reach ClusterIPs (containerd, kubelet) live in its child `host`.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from roost.node.machine import MachineUnfit

NAME = "roost"


@dataclass(frozen=True)
class Hierarchies:
    """Mount points of the cgroup hierarchies: `controllers` of version 1 (empty on a pure version 2), `unified`."""

    controllers: tuple[Path, ...]
    unified: Path

    @property
    def root(self) -> Path:
        """The cgroup2 directory that holds this cluster."""
        return self.unified / NAME

    @property
    def host(self) -> Path:
        """Where containerd and kubelet run."""
        return self.root / "host"

    @property
    def all(self) -> tuple[Path, ...]:
        """Every hierarchy's directory of this cluster."""
        return tuple(mount / NAME for mount in (*self.controllers, self.unified))


def read_mounts(text: str) -> Hierarchies:
    """The hierarchies out of the text of /proc/mounts. MachineUnfit where cgroup2 is not mounted at all."""
    controllers: list[Path] = []
    unified: Path | None = None
    for line in text.splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup":
            controllers.append(Path(where))
        elif kind == "cgroup2" and unified is None:
            unified = Path(where)
    if unified is None:
        raise MachineUnfit("No cgroup2 file system is mounted: mount one, e.g. at /sys/fs/cgroup/unified.")
    return Hierarchies(tuple(controllers), unified)


def hierarchies() -> Hierarchies:
    """The hierarchies of this machine."""
    return read_mounts(Path("/proc/mounts").read_text())


def prepare(found: Hierarchies) -> None:
    """Make the directories. A new cpuset group of version 1 takes no process before it has CPUs and memory nodes."""
    for directory in (*found.all, found.host):
        directory.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            ours = directory / name
            if ours.exists() and directory.parent not in found.controllers:
                continue
            if ours.exists() and not ours.read_text().strip():
                ours.write_text((directory.parent / name).read_text())
    if not found.controllers:
        available = (found.unified / "cgroup.controllers").read_text().split()
        for directory in (found.unified, found.root):
            (directory / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in available))


def processes(found: Hierarchies) -> set[int]:
    """Every process in this cluster's groups, this one left out."""
    pids: set[int] = set()
    for top in found.all:
        for directory, _, _ in os.walk(top):
            try:
                pids.update(int(line) for line in (Path(directory) / "cgroup.procs").read_text().split())
            except (FileNotFoundError, OSError):
                continue  # It vanished while we walked.
    pids.discard(os.getpid())
    return pids


def remove(found: Hierarchies, keep_top: bool = False) -> int:
    """Remove the empty directories, deepest first; the number that went. Stale ones keep a kubelet busy for minutes."""
    gone = 0
    for top in found.all:
        for directory, _, _ in os.walk(top, topdown=False):
            if keep_top and Path(directory) in (top, found.host):
                continue
            try:
                os.rmdir(directory)
                gone += 1
            except OSError:
                continue  # Still in use: whoever uses it is told about by `processes`.
    return gone
