"""What the supervisor keeps alive, as data: written by `up`, read by the supervisor. Pure but for reading and writing.

A daemon waits until the files it `needs` exist, so the kubelet starts the moment kubeadm has written its configuration.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from roost.node import machine
from roost.node.machine import Node

SPECIFICATION = machine.MARKS / "daemons.json"
KUBELET_FLAGS = machine.KUBELET / "kubeadm-flags.env"


@dataclass(frozen=True)
class Daemon:
    """One program that is kept alive, or that runs again `every_s` seconds after its end, where that is given.

    `flags_file` holds more arguments as kubeadm writes them: KUBELET_KUBEADM_ARGS="...".
    """

    name: str
    argv: tuple[str, ...]
    needs: tuple[str, ...] = ()
    flags_file: str = ""
    env: tuple[tuple[str, str], ...] = ()
    every_s: float = 0.0

    def command(self) -> tuple[str, ...]:
        """argv with what the flags file adds. OSError where that file cannot be read."""
        if not self.flags_file:
            return self.argv
        return (*self.argv, *read_flags(Path(self.flags_file).read_text()))


def read_flags(text: str) -> tuple[str, ...]:
    """The arguments in kubeadm's environment file; none where it has none."""
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and name == "KUBELET_KUBEADM_ARGS":
            return tuple(value.strip().strip('"').split())
    return ()


def containerd() -> Daemon:
    """The container runtime."""
    path = f"{machine.BIN}:/usr/sbin:/usr/bin:/sbin:/bin"
    return Daemon(
        name="containerd",
        argv=(str(machine.BIN / "containerd"), "--config", str(machine.CONFIG / "containerd.toml")),
        env=(("PATH", path),),
    )


def kubelet(node: Node) -> Daemon:
    """The node agent."""
    config = machine.KUBELET / "config.yaml"
    return Daemon(
        name="kubelet",
        argv=(
            str(machine.BIN / "kubelet"),
            f"--bootstrap-kubeconfig={machine.KUBERNETES}/bootstrap-kubelet.conf",
            f"--kubeconfig={machine.KUBERNETES}/kubelet.conf",
            f"--config={config}",
            f"--node-ip={node.address}",
            f"--hostname-override={node.name}",
        ),
        needs=(str(config), str(KUBELET_FLAGS), str(machine.CONTAINERD_SOCKET)),
        flags_file=str(KUBELET_FLAGS),
        env=(
            ("PATH", f"{machine.BIN}:/usr/sbin:/usr/bin:/sbin:/bin"),
            # An API server whose node is dead is left soon: else this node would count as dead too.
            ("HTTP2_READ_IDLE_TIMEOUT_SECONDS", "5"),
            ("HTTP2_PING_TIMEOUT_SECONDS", "5"),
        ),
    )


def save(daemons: Sequence[Daemon], path: Path = SPECIFICATION) -> bool:
    """Write the specification; whether it changed. A reader sees the old or the new one, never half of it."""
    text = json.dumps([asdict(daemon) for daemon in daemons], indent=1)
    if path.exists() and path.read_text() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)
    return True


def read(path: Path = SPECIFICATION) -> tuple[Daemon, ...]:
    """The specification. OSError or ValueError where it is missing or broken."""
    return tuple(
        Daemon(
            name=item["name"],
            argv=tuple(item["argv"]),
            needs=tuple(item["needs"]),
            flags_file=item["flags_file"],
            env=tuple((key, value) for key, value in item["env"]),
            every_s=float(item.get("every_s", 0.0)),
        )
        for item in json.loads(path.read_text())
    )
