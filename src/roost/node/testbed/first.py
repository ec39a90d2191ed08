"""The first process of a test host: makes its private view of the machine, says `ready`, then collects dead children.

Started by `bed` inside fresh namespaces as `python -m roost.node.testbed.first DISK NAME [INIT...]`, with the host's
control groups as its own. With INIT it becomes that program instead. When it is killed the kernel ends everything else
in the host.
"""

import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from roost.node import cgroups, machine
from roost.node.run import run

# Seen as on the machine, written to the host's own disk.
LAYERED = ("/etc", "/opt", "/usr/local/bin", "/var")
# Empty at first, and the host's alone.
PRIVATE = (
    machine.KUBERNETES,
    machine.CONFIG,
    machine.STATE,
    machine.KUBELET,
    machine.ETCD,
    Path("/etc/cni"),
    Path("/opt/cni"),
    Path("/var/lib/cni"),
    Path("/var/lib/cilium"),
    Path("/var/lib/containerd"),
    Path("/var/log"),
)
FOREIGN = ("/sys", "/run", *(str(path) for path in PRIVATE))
NO_CONTROLLER = {"rw", "ro", "relatime", "noatime", "nosuid", "nodev", "noexec", "xattr", "clone_children"}


def hierarchy_mounts(text: str) -> list[tuple[str, str, str]]:
    """(type, mount point, options) of every control group hierarchy in the text of /proc/mounts, each once."""
    found: dict[tuple[str, str], str] = {}
    for line in text.splitlines():
        _, where, kind, options, *_ = line.split()
        if kind not in ("cgroup", "cgroup2"):
            continue
        chosen = [item for item in options.split(",") if item not in NO_CONTROLLER and not item.startswith("release")]
        named = any(item.startswith("name=") for item in chosen)
        key = (kind, ",".join((["none"] if named else []) + chosen) if kind == "cgroup" else "")
        found.setdefault(key, where)
    return [(kind, where, options) for (kind, options), where in found.items()]


def foreign_mounts(text: str) -> list[str]:
    """What is mounted below the places that the host has for itself, deepest first."""
    points = [line.split()[1].replace("\\040", " ") for line in text.splitlines()]
    return [point for point in reversed(points) if any(point == top or point.startswith(f"{top}/") for top in FOREIGN)]


def mount(kind: str, where: str, options: str = "", source: str = "none") -> None:
    """One mount."""
    Path(where).mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", kind, *(("-o", options) if options else ()), source, where])


def system_mounts(hierarchies: list[tuple[str, str, str]]) -> None:
    """/proc of the host's processes, /sys of its network with control groups and BPF, an empty /run."""
    mount("proc", "/proc", source="proc")
    mount("sysfs", "/sys", source="sysfs")
    mount("tmpfs", "/run", "mode=755,size=1g", "tmpfs")
    if any(where != "/sys/fs/cgroup" for _, where, _ in hierarchies):
        mount("tmpfs", "/sys/fs/cgroup", "mode=755", "tmpfs")
    for kind, where, options in hierarchies:
        mount(kind, where, options, "cgroup")
    mount("bpf", "/sys/fs/bpf", source="bpf")


def own_disk(disk: Path) -> None:
    """The machine's directories with a layer of the host's own, and the places that are the host's alone."""
    for path in LAYERED:
        layer = disk / "layers" / path.strip("/").replace("/", "-")
        for part in ("upper", "work"):
            (layer / part).mkdir(parents=True, exist_ok=True)
        mount("overlay", path, f"lowerdir={path},upperdir={layer}/upper,workdir={layer}/work", "overlay")
    for own in PRIVATE:
        inside = disk / "own" / str(own).strip("/").replace("/", "-")
        inside.mkdir(parents=True, exist_ok=True)
        own.mkdir(parents=True, exist_ok=True)
        run(["mount", "--bind", str(inside), str(own)])


def leave_the_top(found: cgroups.Hierarchies) -> None:
    """Where only version 2 is mounted, a group with processes cannot give controllers to its children."""
    if not found.controllers:
        (found.unified / "first").mkdir(exist_ok=True)
        (found.unified / "first" / "cgroup.procs").write_text("0")


def main(disk: Path, name: str, init: Sequence[str] = ()) -> None:
    """Make the view, then wait for ever, or become `init`, which takes a container's way to start by the variable."""
    text = Path("/proc/mounts").read_text()
    for point in foreign_mounts(text):
        run(["umount", "--lazy", point], check=False)
    system_mounts(hierarchy_mounts(text))
    own_disk(disk)
    run(["mount", "--make-rshared", "/"])  # As a machine's own init has it: pods' mounts depend on it.
    socket.sethostname(name)
    run(["ip", "link", "set", "lo", "up"])
    leave_the_top(cgroups.hierarchies())
    os.write(1, b"ready\n")
    silent = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(silent, descriptor)
    if init:
        os.execve(init[0], list(init), {**os.environ, "container": "roost-testbed"})
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        signal.sigwait({signal.SIGCHLD})
        collect()


def collect() -> None:
    """Take the exit status of every child that has ended."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
