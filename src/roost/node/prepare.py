"""What the machine must have before containerd starts: control groups, mounts, kernel settings. And taking it back.

`machine_for_pods` is called by `up` and, where systemd runs, before the supervisor's unit; it may be repeated. What it
changes it notes under /var/lib/roost/node, so that `wipe` gives back what was there before.
"""

import json
import os
from pathlib import Path

from roost.node import cgroups, machine
from roost.node.pki import write_private
from roost.node.run import run

CGROUP_ROOT = machine.RUN / "cgroupv2"  # A bind of this cluster's cgroup2 directory: Cilium's cgroup-root.
BPF = Path("/sys/fs/bpf")
NETNS = Path("/run/netns")
BEFORE = machine.MARKS / "before.json"

# Shared places that programs of ours make; removed by `wipe` where they were not there before.
SHARED = (
    NETNS,
    Path("/etc/cni"),
    Path("/opt/cni"),
    Path("/run/containerd"),
    Path("/run/xtables.lock"),
    Path("/var/lib/containers"),
)
# The kubelet insists on the first block (protectKernelDefaults), pods and Cilium need the second.
SYSCTLS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
    "net/ipv4/ip_forward": "1",
    "fs/inotify/max_user_instances": "8192",
    "fs/inotify/max_user_watches": "524288",
}
# Cilium's agent changes these by itself; they are noted to be given back.
CHANGED_BY_OTHERS = (
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/default/rp_filter",
    "net/ipv4/fib_multipath_use_neigh",
    "net/core/bpf_jit_enable",
    "kernel/unprivileged_bpf_disabled",
    "kernel/timer_migration",
    "net/ipv6/conf/all/forwarding",
    "net/ipv4/conf/all/forwarding",
)


def mounted(where: Path) -> bool:
    """Whether something is mounted exactly there."""
    return any(line.split()[1] == str(where) for line in Path("/proc/self/mounts").read_text().splitlines())


def note_before() -> None:
    """Note, once, what the machine had before us."""
    if BEFORE.exists():
        return
    values = {}
    for name in (*SYSCTLS, *CHANGED_BY_OTHERS):
        path = Path("/proc/sys") / name
        if path.exists():
            values[name] = path.read_text().strip()
    before = {
        "sysctls": values,
        "mounts": {str(path): mounted(path) for path in (BPF, NETNS, machine.STATE, machine.KUBELET)},
        "paths": {str(path): path.exists() for path in SHARED},
        "tables": run(["nft", "list", "tables"]).splitlines(),
    }
    write_private(BEFORE, json.dumps(before, indent=1))


def set_sysctls(values: dict[str, str]) -> None:
    """Write kernel settings that differ; what the kernel lacks or refuses is left (the kubelet says it better)."""
    for name, value in values.items():
        path = Path("/proc/sys") / name
        if path.exists() and path.read_text().strip() != value:
            try:
                path.write_text(value)
            except OSError:
                continue


def make_mounts(found: cgroups.Hierarchies) -> None:
    """bpffs, the network namespaces' directory, kubelet's own shared directory, Cilium's cgroup root."""
    if not mounted(BPF):
        run(["mount", "-t", "bpf", "bpf", str(BPF)])
    if not mounted(NETNS):
        # The first `ip netns add` makes /run/netns a shared mount. If a pod came first, its namespaces would be
        # invisible to the agent.
        run(["ip", "netns", "add", "roost-first"])
        run(["ip", "netns", "delete", "roost-first"])
    if not mounted(machine.KUBELET):
        machine.KUBELET.mkdir(parents=True, exist_ok=True)
        run(["mount", "--bind", str(machine.KUBELET), str(machine.KUBELET)])
        run(["mount", "--make-rshared", str(machine.KUBELET)])
    if not mounted(CGROUP_ROOT):
        CGROUP_ROOT.mkdir(parents=True, exist_ok=True)
        run(["mount", "--bind", str(found.root), str(CGROUP_ROOT)])


def machine_for_pods() -> None:
    """Everything, in order."""
    for path in (machine.STATE, machine.RUN, machine.LOGS, machine.MARKS):
        path.mkdir(parents=True, exist_ok=True)
    os.chmod(machine.MARKS, 0o700)
    note_before()
    set_sysctls(SYSCTLS)
    found = cgroups.hierarchies()
    cgroups.prepare(found)
    make_mounts(found)


def before() -> dict[str, dict[str, object]]:
    """What `note_before` wrote; empty parts where it never ran."""
    if not BEFORE.exists():
        return {"sysctls": {}, "mounts": {}, "paths": {}}
    loaded: dict[str, dict[str, object]] = json.loads(BEFORE.read_text())
    return loaded


if __name__ == "__main__":
    machine_for_pods()
