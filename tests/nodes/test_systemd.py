"""The unit that `up` writes where systemd runs: systemd itself judges it, starts it and heals it, in a test host."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from roost.node import packages, runtime
from roost.node.run import CommandFailed, run
from roost.node.testbed.bed import Bed

pytestmark = pytest.mark.full
SYSTEMD = "/lib/systemd/systemd"
# systemd with nothing of the machine's: no service that it has, and none that would touch the kernel that both share.
TARGETS = ("sysinit", "local-fs", "multi-user", "sockets", "timers")
EMPTY = (
    "/etc/systemd/system",
    "/lib/systemd/system-generators",
    *(f"/lib/systemd/system/{name}.target.wants" for name in TARGETS),
)
BOOT = "".join(f"if [ -d {path} ]; then mount -t tmpfs tmpfs {path}; fi; " for path in EMPTY)
INIT = ["/bin/sh", "-c", f"{BOOT} exec {SYSTEMD} --unit=slices.target --log-target=null"]
UNIT = runtime.UNIT.name
KEEP = """\
from roost.node import runtime
from roost.node.daemons import Daemon

runtime.keep([Daemon(name="sleeper", argv=("/bin/sleep", "infinity"))])
"""


@pytest.fixture(scope="module")
def installed() -> None:
    """systemd's programs are there; it need not run this machine."""
    if not Path(SYSTEMD).exists() or shutil.which("systemd-analyze") is None:
        packages.ensure(["systemd"])


def test_systemd_finds_nothing_wrong_with_the_unit(installed: None, tmp_path: Path) -> None:
    file = tmp_path / UNIT
    file.write_text(runtime.unit_text())
    run(["systemd-analyze", "verify", str(file)])
    file.write_text(runtime.unit_text().replace("ExecStart=", "ExecStart=/nowhere/"))
    with pytest.raises(CommandFailed, match="/nowhere/"):
        run(["systemd-analyze", "verify", str(file)])


class Machine:
    """A test host that systemd runs."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.name = next(iter(bed.hosts))

    def run(self, *argv: str, check: bool = True) -> str:
        return self.bed.run(self.name, argv, check=check)

    def python(self, text: str) -> str:
        return self.run(sys.executable, "-c", text)

    def of_unit(self, name: str) -> str:
        return self.run("systemctl", "show", "--value", f"--property={name}", UNIT).strip()

    @property
    def supervisor(self) -> int:
        return int(self.of_unit("MainPID"))

    def sleeper(self) -> int:
        """Its process, as the supervisor noted it; 0: there is none."""
        text = self.run("cat", "/run/roost/sleeper.pid", check=False)
        pid = int(text.split()[0]) if text.strip() else 0
        return pid if pid and self.run("ps", "-o", "comm=", "-p", str(pid), check=False).strip() == "sleep" else 0


def until(holds: Callable[[], Any], what: str, within_s: float = 30) -> Any:
    deadline = time.monotonic() + within_s
    while not (found := holds()):
        assert time.monotonic() < deadline, f"Waited {within_s:.0f} s for {what}."
        time.sleep(0.2)
    return found


def _is_another(host: Machine, before: int) -> bool:
    return host.supervisor not in (0, before)


@pytest.fixture(scope="module")
def host(installed: None) -> Iterator[Machine]:
    """Switched on, with the supervisor as `up` starts it and one program that it keeps."""
    bed = Bed.named("sysd", hosts=1)
    made = Machine(bed)
    try:
        bed.up(INIT)
        until(lambda: made.run("systemctl", "is-system-running", check=False).strip() == "running", "systemd")
        made.python(KEEP)
        until(made.sleeper, "what it keeps")
        yield made
    finally:
        bed.down()


def test_the_supervisor_is_systemds_to_start_and_comes_with_the_machine(host: Machine) -> None:
    assert (host.of_unit("ActiveState"), host.of_unit("SubState")) == ("active", "running")
    assert host.of_unit("UnitFileState") == "enabled"
    assert host.run("cat", f"/proc/{host.supervisor}/comm").strip().startswith("python")


def test_a_killed_supervisor_is_there_again_and_what_it_keeps_runs_on(host: Machine) -> None:
    kept = host.sleeper()
    before = host.supervisor
    host.run("kill", "-KILL", str(before))
    until(lambda: host.supervisor not in (0, before), "systemd to start it again")
    assert host.sleeper() == kept
    host.run("kill", "-KILL", str(kept))
    until(lambda: host.sleeper() not in (0, kept), "the supervisor to start what it keeps")


def test_however_often_it_is_killed_it_is_started_again(host: Machine) -> None:
    for _ in range(8):
        before = until(lambda: host.supervisor, "systemd to start it again")
        host.run("kill", "-KILL", str(before))
        until(partial(_is_another, host, before), "systemd to start it again")
    assert host.of_unit("ActiveState") == "active"


def test_down_stops_it_and_leaves_no_unit(host: Machine) -> None:
    kept = host.sleeper()
    host.python("from roost.node import runtime; runtime.stop()")
    until(lambda: not host.sleeper(), "the end of what it keeps")
    assert host.run("systemctl", "is-active", UNIT, check=False).strip() in ("inactive", "unknown", "failed")
    assert not host.run("ls", str(runtime.UNIT), check=False).strip()
    assert kept
    host.python(KEEP)
    assert until(host.sleeper, "what it keeps, anew") != kept
