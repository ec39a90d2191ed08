"""Copies the engine's programs to where the running cluster uses them, and preloads images into containerd.

Called by `up`. Programs are copied, not linked: a cache that is pruned or deleted never stops a cluster.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from roost.node import containerd, machine
from roost.node.pki import write_private
from roost.node.run import run

NAMESPACE = "k8s.io"
PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr", "runc", "etcdctl", "etcdutl", "cilium-dbg", "hubble")
KUBERNETES_NAMES = ("kubelet", "kubeadm", "kubectl")
PLUGINS = ("loopback", "portmap", "bandwidth", "host-local", "bridge", "cilium-cni")
COMMAND = Path("/usr/local/bin/kubectl")
IMPORTED = machine.MARKS / "images.json"  # What was preloaded: {reference: digest}.


class Engine(Protocol):
    """Where the engine's programs are."""

    def path(self, name: str) -> Path:
        """Path of a program or folder."""
        ...


class Image(Protocol):
    """What is needed of an image: where its archive is and what it is called."""

    @property
    def reference(self) -> str:
        """What pods name."""
        ...

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        ...

    @property
    def archive(self) -> Path:
        """The OCI archive."""
        ...


def copy_program(source: Path, target: Path) -> bool:
    """Copy unless size and time say it is the same; whether it copied. A running program keeps its old file."""
    if target.exists():
        here, there = target.stat(), source.stat()
        if (here.st_size, here.st_mtime_ns) == (there.st_size, there.st_mtime_ns):
            return False
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.new")
    shutil.copy2(source, fresh)
    os.chmod(fresh, 0o755)
    os.replace(fresh, target)
    return True


def programs(engine: Engine) -> set[str]:
    """Copy every program; the names of those that changed."""
    changed = {name for name in PROGRAMS if copy_program(engine.path(name).resolve(), machine.BIN / name)}
    changed |= {name for name in PLUGINS if copy_program(engine.path(name).resolve(), machine.CNI_BIN / name)}
    if copy_program(engine.path("kubernetes").resolve(), machine.BIN / "kubernetes"):
        changed |= set(KUBERNETES_NAMES)
    for name in KUBERNETES_NAMES:
        link = machine.BIN / name
        if not link.is_symlink():
            link.symlink_to("kubernetes")
    if not COMMAND.exists() and not COMMAND.is_symlink():
        COMMAND.symlink_to(machine.BIN / "kubectl")  # A person types it; one that was there before stays.
    return changed


def remove_command() -> None:
    """Take the link for people away again, if it is ours."""
    if COMMAND.is_symlink() and COMMAND.readlink() == machine.BIN / "kubectl":
        COMMAND.unlink()


def containerd_files(pause_image: str) -> bool:
    """Write containerd's configuration; whether containerd must be restarted for it."""
    changed = write_private(
        machine.CONFIG / "containerd.toml", containerd.toml(pause_image, machine.lacks_sys_resource()), mode=0o644
    )
    write_private(machine.CONFIG / "certs.d" / containerd.REGISTRY / "hosts.toml", containerd.hosts_toml(), mode=0o644)
    return changed


def ctr(*arguments: str, timeout_s: float = 300) -> str:
    """One command of containerd's own client."""
    base = (str(machine.BIN / "ctr"), f"--address={machine.CONTAINERD_SOCKET}", f"--namespace={NAMESPACE}")
    return run((*base, *arguments), timeout_s=timeout_s)


def imported() -> Mapping[str, str]:
    """What was preloaded before: digests by reference."""
    if not IMPORTED.exists():
        return {}
    found: dict[str, str] = json.loads(IMPORTED.read_text())
    return found


def preload(images: Iterable[Image]) -> list[str]:
    """Import the images that containerd lacks, and pin them so that the kubelet never collects them; their references.

    Older ones of ours stay until `forget_old`: a pod may still run on one.
    """
    held = set(ctr("images", "list", "--quiet").split())
    known = dict(imported())
    done = []
    for image in images:
        if image.reference in held and known.get(image.reference) == image.digest:
            continue
        ctr("images", "import", "--no-unpack=false", "--index-name", image.reference, str(image.archive))
        ctr("images", "label", image.reference, "io.cri-containerd.pinned=pinned")
        known[image.reference] = image.digest
        done.append(image.reference)
        write_private(IMPORTED, json.dumps(known, indent=1))
    return done


def forget_old(references: Iterable[str]) -> list[str]:
    """Remove images of ours that are not among `references` and that no container uses; what went."""
    wanted = set(references)
    used = {line.split()[1] for line in ctr("containers", "list").splitlines()[1:] if len(line.split()) > 1}
    known = dict(imported())
    gone = [reference for reference in known if reference not in wanted and reference not in used]
    for reference in gone:
        ctr("images", "remove", reference)
        del known[reference]
    if gone:
        write_private(IMPORTED, json.dumps(known, indent=1))
    return gone
