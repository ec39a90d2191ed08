"""`roost node wipe`: gives the machine back as it was before the first `up`. The cache of compiled things stays."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from roost.node import install, machine, prepare, runtime, teardown
from roost.node.run import run

# In the order of removal; `machine.STATE` last, because it holds what to give back.
DIRECTORIES = (
    machine.KUBERNETES,
    machine.KUBELET,
    machine.ETCD,
    Path("/var/lib/cni"),
    Path("/var/lib/cilium"),
    Path("/var/log/pods"),
    Path("/var/log/containers"),
    Path("/var/log/kubernetes"),
    machine.CONFIG,
    machine.LOGS,
    machine.RUN,
)
KERNELS_OWN = {"maps.debug", "progs.debug"}  # What the kernel itself puts into every bpffs.
FAMILY_TABLES = ("filter", "nat", "mangle", "raw", "security")


def restore_sysctls(values: Mapping[str, object]) -> None:
    """Give kernel settings back."""
    prepare.set_sysctls({name: str(value) for name, value in values.items()})


def remove_new_tables(before: object) -> None:
    """Remove nftables' tables that iptables made for us and that hold no rule any more."""
    held = set(before) if isinstance(before, list) else set()
    for line in run(["nft", "list", "tables"], check=False).splitlines():
        _, family, name = line.split()
        if line in held or family not in ("ip", "ip6") or name not in FAMILY_TABLES:
            continue
        body = run(["nft", "list", "table", family, name], check=False)
        rules = [
            text
            for text in (row.strip() for row in body.splitlines())
            if text and text != "}" and not text.startswith(("table ", "chain ", "type ", "#"))
        ]
        if not rules:
            run(["nft", "delete", "table", family, name], check=False)


def unmount_what_we_mounted(before: Mapping[str, object]) -> None:
    """bpffs and the namespaces' directory, where they were not mounted before us and nobody else uses them."""
    for path in (prepare.BPF, prepare.NETNS):
        busy = {item.name for item in path.iterdir()} - KERNELS_OWN
        if before.get(str(path)) or not prepare.mounted(path) or busy:
            continue
        run(["umount", str(path)], check=False)


def remove_directories(before: Mapping[str, object]) -> None:
    """Our directories, and shared places that were not there before us."""
    for directory in DIRECTORIES:
        shutil.rmtree(directory, ignore_errors=True)
    for path in prepare.SHARED:
        if before.get(str(path), True):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    shutil.rmtree(machine.STATE, ignore_errors=True)


def wipe() -> bool:
    """Everything, idempotent, safe to repeat after an interruption. False where nothing on the machine is ours.

    `up` notes what was there before it touches anything. Without that note, /etc/kubernetes and the like are another
    cluster's, and stay.
    """
    if not prepare.BEFORE.exists():
        return False
    before = prepare.before()
    runtime.stop()
    teardown.everything()
    remove_new_tables(before.get("tables", []))
    unmount_what_we_mounted(before["mounts"])
    restore_sysctls(before["sysctls"])
    install.remove_command()
    remove_directories(before["paths"])
    return True
