"""Looking at this machine for `preflight`: reads files below /proc, /sys and /etc, and changes nothing."""

import gzip
import os
import platform
import re
import shutil
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from roost.node import cgroups, machine, paths
from roost.node.preflight_facts import Disk, Kernel, Listener, Machine, Protocol
from roost.node.prepare import BEFORE

GIB = 1024**3
# Measured on 2 cores with nothing cached, rounded up; see engine/README.md.
COMPILE_BYTES = 18 * GIB
IMAGES_BYTES = 6 * GIB
STATE_BYTES = 8 * GIB
WARM_STATE_BYTES = 2 * GIB
_LISTEN = {"tcp": "0A", "udp": "07"}


def _os_release(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name: value.strip().strip('"') for name, _, value in pairs}


def kernel_options(text: str) -> frozenset[str]:
    """The options that a kernel configuration sets to y or m, without CONFIG_."""
    return frozenset(re.findall(r"^CONFIG_(\w+)=[ym]$", text, re.MULTILINE))


def _options(release: str) -> frozenset[str] | None:
    packed, plain = Path("/proc/config.gz"), Path(f"/boot/config-{release}")
    if packed.exists():
        return kernel_options(gzip.decompress(packed.read_bytes()).decode())
    return kernel_options(plain.read_text()) if plain.exists() else None


def _number(path: Path, otherwise: int) -> int:
    return int(path.read_text()) if path.exists() else otherwise


def _kernel() -> Kernel:
    release = os.uname().release
    return Kernel(
        release=release,
        options=_options(release),
        btf=Path("/sys/kernel/btf/vmlinux").exists(),
        max_user_namespaces=_number(Path("/proc/sys/user/max_user_namespaces"), 0),
    )


def _memory() -> dict[str, int]:
    """/proc/meminfo in bytes."""
    found = re.findall(r"^(\w+):\s+(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {name: int(kib) * 1024 for name, kib in found}


def listening(table: str, protocol: Protocol) -> dict[int, int]:
    """{port: inode} of the sockets that wait for others, of the text of /proc/net/tcp and its kin."""
    result = {}
    for line in table.splitlines()[1:]:
        fields = line.split()
        unconnected = fields[2].endswith(":0000")
        if fields[3] == _LISTEN[protocol] and unconnected:
            result[int(fields[1].rpartition(":")[2], 16)] = int(fields[9])
    return result


def processes() -> Iterator[Path]:
    """The directories of all processes."""
    return (path for path in Path("/proc").iterdir() if path.name.isdigit())


def is_ours(cgroup: str) -> bool:
    """Whether the text of /proc/<pid>/cgroup lies in this cluster's control groups."""
    return any(f":/{cgroups.NAME}/" in line + "/" for line in cgroup.splitlines())


def _read(path: Path) -> str:
    """A process's file; empty where the process has just ended."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _owners(inodes: Iterable[int]) -> dict[int, Path]:
    """{inode of a socket: directory of a process that holds it}."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes if inode}
    result: dict[int, Path] = {}
    for process in processes():
        try:
            for handle in os.scandir(process / "fd"):
                if inode := wanted.get(os.readlink(handle.path)):
                    result.setdefault(inode, process)
        except OSError:
            continue  # It ended, or it is not ours to look into.
    return result


def _listeners() -> tuple[Listener, ...]:
    found: dict[tuple[int, Protocol], int] = {}
    protocols: tuple[Protocol, ...] = ("tcp", "udp")
    for protocol in protocols:
        for table in (Path(f"/proc/net/{protocol}"), Path(f"/proc/net/{protocol}6")):
            for port, inode in listening(_read(table), protocol).items():
                found.setdefault((port, protocol), inode)
    owners = _owners(found.values())
    result = []
    for (port, protocol), inode in sorted(found.items()):
        if owner := owners.get(inode):
            ours = is_ours(_read(owner / "cgroup"))
            result.append(Listener(port, protocol, int(owner.name), _read(owner / "comm").strip(), ours))
        else:
            result.append(Listener(port, protocol))
    return tuple(result)


def _existing(path: Path) -> Path:
    """The path or its nearest parent that exists."""
    return path if path.exists() else _existing(path.parent)


def _disk(path: Path, purpose: str, need: int) -> Disk:
    at = _existing(path)
    return Disk(str(path), purpose, need, shutil.disk_usage(at).free, at.stat().st_dev)


def needs(compiled: bool, installed: bool) -> tuple[int, int]:
    """Bytes needed for (compiling and images in the cache, the node's state)."""
    return (GIB if compiled else COMPILE_BYTES + IMAGES_BYTES, WARM_STATE_BYTES if installed else STATE_BYTES)


def looks_compiled(recipes: Path, cache: Path) -> bool:
    """Whether the cache has an entry for each component, current or not: what is left to compile then takes little.

    It asks no compiler for the exact keys, because there may be none yet and installing one changes the machine.
    """
    names = [path.parent.name for path in recipes.glob("*/component.toml")]
    return all(any(cache.glob(f"{name}-{'?' * 12}")) for name in names)


def foreign_traces(root: Path, names: Mapping[int, str]) -> list[str]:
    """Traces of a cluster that is not ours: files below `root`; of `names`, {pid: name} of others' processes, agents.

    A lone etcd or API server is none: tests start them, and where they are in the way their ports tell.
    """
    result = []
    for pattern in ("etc/kubernetes/*.conf", "etc/kubernetes/manifests/*.yaml", "var/lib/etcd/member"):
        result += [f"/{path.relative_to(root)}" for path in sorted(root.glob(pattern))]
    for path in ("etc/rancher/k3s", "var/snap/microk8s", "var/lib/k0s"):
        if (root / path).exists():
            result.append(f"/{path}")
    agents = ("kubelet", "k3s-server", "k3s", "k0s", "cilium-agent")
    result += [f"{name} runs as process {pid}" for pid, name in sorted(names.items()) if name in agents]
    return result


def _network(process: Path) -> str:
    """The network that a process is in. What has one of its own (a test host) is a machine of its own, and no trace."""
    try:
        return os.readlink(process / "ns/net")
    except OSError:
        return ""


def _foreign(ours: bool) -> tuple[str, ...]:
    if ours:
        return ()  # Everything that Kubernetes keeps here is of the cluster that Roost made.
    near = (path for path in processes() if _network(path) == _network(Path("/proc/self")))
    names = {int(path.name): _read(path / "comm").strip() for path in near if not is_ours(_read(path / "cgroup"))}
    return tuple(foreign_traces(Path("/"), names))


def observe() -> Machine:
    """Look at this machine."""
    system = _os_release(_read(Path("/etc/os-release")))
    ours = BEFORE.exists()
    memory = _memory()
    cache, state = needs(looks_compiled(paths.source() / "engine", paths.engine()), ours)
    version = re.match(r"\d+", system.get("VERSION_ID", ""))
    return Machine(
        root=machine.is_root(),
        architecture=platform.machine(),
        system_id=system.get("ID", ""),
        system_version=int(version[0]) if version else 0,
        system_name=system.get("PRETTY_NAME", ""),
        apt=shutil.which("apt-get") is not None,
        host_name=socket.gethostname(),
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=memory["MemTotal"],
        memory_available_bytes=memory["MemAvailable"],
        disks=(
            _disk(paths.cache(), "what is compiled and made once", cache),
            _disk(machine.STATE, "images, volumes and the cluster's state", state),
        ),
        listeners=_listeners(),
        kernel=_kernel(),
        foreign=_foreign(ours),
        ours=ours,
        lacks_sys_resource=machine.lacks_sys_resource(),
    )
