"""The supervisor and containerd from the outside: start, reload, stop. Used by `up`, `down` and `wipe`."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from roost.node import daemons, machine, prepare, supervisor
from roost.node.daemons import Daemon
from roost.node.kubectl import wait_until
from roost.node.pki import write_private
from roost.node.run import run, succeeds

UNIT = Path("/etc/systemd/system/roost-node.service")


def unit_text() -> str:
    """The one systemd unit: the supervisor, which finds running daemons again after its own restart."""
    return f"""\
[Unit]
Description=Roost node: container runtime and Kubernetes node agent
After=network-online.target
Wants=network-online.target
# However often it dies: a machine without it heals nothing. systemd would give up after five deaths in ten seconds.
StartLimitIntervalSec=0

[Service]
ExecStartPre={sys.executable} -m roost.node.prepare
ExecStart={sys.executable} -m roost.node.supervisor
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=1
KillMode=process
Delegate=yes
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"""


def keep(wanted: Sequence[Daemon]) -> None:
    """Have the supervisor keep these daemons: start it, or have it read the changed list."""
    supervisor.STOP.unlink(missing_ok=True)
    changed = daemons.save(wanted)
    pid = supervisor.running()
    if pid is not None:
        if changed:
            os.kill(pid, signal.SIGHUP)
        return
    prepare.machine_for_pods()
    if machine.has_systemd():
        write_private(UNIT, unit_text(), mode=0o644)
        run(["systemctl", "daemon-reload"])
        run(["systemctl", "enable", "--now", UNIT.name])
    else:
        supervisor.spawn()
    wait_until("The supervisor", lambda: supervisor.running() is not None, within_s=15)


def restart(name: str) -> None:
    """End a daemon whose program or configuration changed; the supervisor starts it anew."""
    try:
        pid_text, start, _ = (machine.RUN / f"{name}.pid").read_text().split(" ", 2)
    except (OSError, ValueError):
        return
    supervisor.end(int(pid_text), start)


def containerd_answers() -> bool:
    """Whether containerd serves."""
    return succeeds([str(machine.BIN / "ctr"), f"--address={machine.CONTAINERD_SOCKET}", "version"], timeout_s=5)


def stop() -> None:
    """Stop the supervisor with its daemons; pods' processes stay for `teardown`."""
    machine.RUN.mkdir(parents=True, exist_ok=True)
    supervisor.STOP.touch()
    if UNIT.exists():
        run(["systemctl", "disable", "--now", UNIT.name], check=False)
        UNIT.unlink()
        run(["systemctl", "daemon-reload"], check=False)
    pid = supervisor.running()
    if pid is not None:
        start = supervisor.started_at(pid)
        os.kill(pid, signal.SIGTERM)
        wait_until("The supervisor's end", lambda: supervisor.started_at(pid) != start, within_s=60)
    for name in ("kubelet", "containerd"):
        restart(name)  # Left over from a supervisor that was killed: ends it, and nobody starts it again.
        (machine.RUN / f"{name}.pid").unlink(missing_ok=True)
