"""What `preflight` judges: the facts about a machine, and the ports and kernel features that a node needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Protocol = Literal["tcp", "udp"]


@dataclass(frozen=True)
class Listener:
    """A socket that waits for others. `pid` is 0 and `program` empty where no process is found for it."""

    port: int
    protocol: Protocol
    pid: int = 0
    program: str = ""
    ours: bool = False  # Its process runs in the cluster's control groups.


@dataclass(frozen=True)
class Disk:
    """One use of a file system. `device` tells file systems apart."""

    path: str
    purpose: str
    need_bytes: int
    free_bytes: int
    device: int


@dataclass(frozen=True)
class Kernel:
    """The running kernel. `options` are the names of what is built in or a module, None where nothing tells them."""

    release: str
    options: frozenset[str] | None
    btf: bool
    max_user_namespaces: int


@dataclass(frozen=True)
class Machine:
    """All that is observed. `ours` says that Roost has made a node here; `foreign` names others' traces."""

    root: bool
    architecture: str
    system_id: str
    system_version: int  # 0 where it has none.
    system_name: str
    apt: bool
    host_name: str
    cpus: int
    memory_bytes: int
    memory_available_bytes: int
    disks: tuple[Disk, ...]
    listeners: tuple[Listener, ...]
    kernel: Kernel
    foreign: tuple[str, ...]
    ours: bool
    lacks_sys_resource: bool


@dataclass(frozen=True)
class Feature:
    """A kernel feature: its configuration options, and who needs it, as in `which <why>`."""

    name: str
    options: tuple[str, ...]
    why: str


FEATURES = (
    Feature("overlayfs", ("OVERLAY_FS",), "containers' file systems are made of"),
    Feature("BPF", ("BPF_SYSCALL", "BPF_JIT", "CGROUP_BPF", "NET_CLS_BPF", "NET_SCH_INGRESS"), "Cilium is made of"),
    Feature("VXLAN", ("VXLAN",), "carries the pods' network between nodes"),
    Feature("virtual Ethernet", ("VETH",), "connects pods"),
    Feature("user namespaces", ("USER_NS",), "builds and images that run as root need"),
    Feature("seccomp filters", ("SECCOMP_FILTER",), "fences containers in"),
    Feature("control groups", ("MEMCG", "CGROUP_PIDS", "CFS_BANDWIDTH"), "limits what pods may use"),
    Feature("policy routing", ("IP_MULTIPLE_TABLES",), "Cilium routes with"),
    Feature("iptables or nftables", ("NF_TABLES",), "Cilium masquerades with"),
    Feature("iptables matches", ("NETFILTER_XT_SET", "NETFILTER_XT_MARK", "IP_SET"), "Cilium's rules use"),
)

PORTS: Mapping[tuple[int, Protocol], str] = {
    (80, "tcp"): "the gateway (HTTP)",
    (443, "tcp"): "the gateway (HTTPS)",
    (2379, "tcp"): "etcd",
    (2380, "tcp"): "etcd",
    (2381, "tcp"): "etcd (metrics)",
    (4240, "tcp"): "Cilium (health)",
    (4244, "tcp"): "Hubble",
    (6443, "tcp"): "the Kubernetes API server",
    (8472, "udp"): "Cilium (VXLAN)",
    (9234, "tcp"): "Cilium's operator",
    (9879, "tcp"): "Cilium (health)",
    (10248, "tcp"): "the kubelet (health)",
    (10250, "tcp"): "the kubelet",
    (10257, "tcp"): "the controller manager",
    (10259, "tcp"): "the scheduler",
}
