"""Takes down what runs: processes of pods, mounts, network. Data stays. Used by `down`, `wipe`, and by `up` before a
cold start, because what a killed run left keeps a new one from coming up.

Only what is ours is touched: processes in our control groups, mounts beneath our directories, links, rules and kernel
objects with the names that Cilium and the kubelet give them.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from roost.node import cgroups, machine, prepare
from roost.node.run import CommandFailed, run

GRACE_S = 8.0
MOUNTS = (str(machine.RUN), str(machine.KUBELET), str(machine.STATE), "/run/cilium", "/var/run/cilium")
LINKS = re.compile(r"^(cilium_\w+|lxc_health|lxc[0-9a-f]{10,12})$")
CHAINS = re.compile(r"^:((?:OLD_)?CILIUM_\S+|KUBE-\S+) ")
RULES = re.compile(r"^-A (\S+) .*(?:CILIUM_|KUBE-)")
KERNEL_OBJECTS = (prepare.BPF / "cilium", prepare.BPF / "tc")


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to each that still lives."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def end_processes(found: cgroups.Hierarchies) -> int:
    """End everything in our control groups, gently and then not; how many there were."""
    first = cgroups.processes(found)
    signal_all(first, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while (left := cgroups.processes(found)) and time.monotonic() < deadline:
        time.sleep(0.2)
    for _ in range(50):
        signal_all(left, signal.SIGKILL)
        if not (left := cgroups.processes(found)):
            break
        time.sleep(0.1)
    return len(first)


def our_mounts(text: str, before: Collection[str] = ()) -> list[str]:
    """Mount points of ours in the text of /proc/mounts, deepest first, without the disks `before` us."""
    points = [line.split()[1].replace("\\040", " ") for line in text.splitlines()]
    return [
        point
        for point in reversed(points)
        if point not in before
        and (point.startswith("/run/netns/cni-") or any(point == top or point.startswith(f"{top}/") for top in MOUNTS))
    ]


def disks_before() -> list[str]:
    """Directories of ours that lie on disks of their own, which somebody mounted before the first `up`."""
    return [path for path, was_mounted in prepare.before()["mounts"].items() if was_mounted]


def unmount() -> int:
    """Unmount all of ours; how many."""
    points = our_mounts(Path("/proc/self/mounts").read_text(), disks_before())
    for point in points:
        run(["umount", "--lazy", point], check=False)
    return len(points)


def remove_namespaces() -> None:
    """Network namespaces of pods, as containerd names them."""
    for path in prepare.NETNS.glob("cni-*"):
        run(["umount", "--lazy", str(path)], check=False)
        path.unlink(missing_ok=True)


def remove_links() -> list[str]:
    """Network devices of Cilium; their names. The peer of a pair goes with it."""
    names = [item["ifname"] for item in json.loads(run(["ip", "-json", "link"]) or "[]")]
    ours = [name for name in names if LINKS.match(name)]
    for name in ours:
        run(["ip", "link", "delete", name], check=False)
    return ours


def remove_kernel_objects() -> None:
    """Pinned programs, maps and links: unpinning a link detaches its program."""
    for path in KERNEL_OBJECTS:
        shutil.rmtree(path, ignore_errors=True)


def without_ours(saved: str) -> tuple[list[str], list[str]]:
    """(rules to delete, chains to delete) out of the text of iptables-save for one table."""
    chains = [found[1] for line in saved.splitlines() if (found := CHAINS.match(line))]
    rules = [line for line in saved.splitlines() if (found := RULES.match(line)) and found[1] not in chains]
    return rules, chains


def remove_rules() -> None:
    """Our chains and the rules that lead to them, in both generations and families of iptables; our routing rules."""
    for program in ("iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy"):
        if shutil.which(program) is None:
            continue
        for table in ("filter", "nat", "mangle", "raw"):
            clear_table(program, table)
    for family in ("-4", "-6"):
        for line in run(["ip", family, "rule", "list"], check=False).splitlines():
            if "lookup 2004" in line or "lookup 2005" in line:
                run(["ip", family, "rule", "delete", *line.split(":", 1)[1].split()], check=False)
    for name in run(["ipset", "list", "-name"], check=False).split():
        if name.startswith("cilium_"):
            run(["ipset", "destroy", name], check=False)


def clear_table(program: str, table: str) -> None:
    """Remove what is ours from one table."""
    if program.endswith("legacy") and table not in legacy_tables(program):
        return  # Asking for it would make the kernel have it.
    try:
        saved = run([f"{program}-save", "-t", table])
    except CommandFailed:
        return  # This machine's kernel does not have it.
    rules, chains = without_ours(saved)
    if not rules and not chains:
        return
    lines = [f"*{table}", *(rule.replace("-A ", "-D ", 1) for rule in rules)]
    lines += [f"-F {chain}" for chain in chains] + [f"-X {chain}" for chain in chains]
    with contextlib.suppress(CommandFailed):
        run([f"{program}-restore", "--noflush"], text="\n".join([*lines, "COMMIT", ""]))


def legacy_tables(program: str) -> set[str]:
    """Tables of the older generation that the kernel has."""
    path = Path("/proc/net/ip6_tables_names" if program.startswith("ip6") else "/proc/net/ip_tables_names")
    return set(path.read_text().split()) if path.exists() else set()


def remove_addresses() -> None:
    """Addresses that move, where this machine held one, and the rule that keeps new connections off."""
    try:
        noted = json.loads(machine.ADDRESSES.read_text())
    except (OSError, ValueError):
        return
    for item in json.loads(run(["ip", "-json", "-4", "address"]) or "[]"):
        for held in item["addr_info"]:
            if held.get("local") in noted.values():
                run(["ip", "address", "delete", f"{held['local']}/32", "dev", item["ifname"]], check=False)
    run(["nft", "delete", "table", "ip", "roost_hold"], check=False)


def everything() -> None:
    """Down to a machine where nothing of ours runs; the supervisor must be stopped."""
    found = cgroups.hierarchies()
    end_processes(found)
    remove_addresses()
    remove_namespaces()
    unmount()
    remove_kernel_objects()
    remove_links()
    remove_rules()
    cgroups.remove(found)
    for name in ("cilium", "roost/containerd"):
        shutil.rmtree(Path("/run") / name, ignore_errors=True)
    (machine.CNI_CONFIG / "05-cilium.conflist").unlink(missing_ok=True)


def needed(stopping: bool) -> bool:
    """Whether a start without a supervisor must clear first. `stopping`: a `down` or `wipe` may not have ended.

    Where pods still run, their supervisor alone was killed: a new one finds the daemons, and applications go on.
    """
    return prepare.BEFORE.exists() and (stopping or not cgroups.processes(cgroups.hierarchies()))


def leftovers() -> bool:
    """Whether an earlier run left processes, mounts or groups."""
    found = cgroups.hierarchies()
    busy = any(directory.exists() and any(directory.glob("kubepods*")) for directory in found.all)
    return (
        busy
        or bool(cgroups.processes(found))
        or bool(our_mounts(Path("/proc/self/mounts").read_text(), disks_before()))
    )
