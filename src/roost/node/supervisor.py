"""The supervisor: keeps containerd and the kubelet alive where no systemd does (and as one unit where it does).

`python -m roost.node.supervisor` runs it; `up`, `down` and `status` talk to it with signals and files in /run/roost.
Two processes: the one that holds the lock works, the other waits for the lock, so `kill -9` of either is healed by the
other. Daemons outlive the supervisor: the next one finds them by pidfile and start time and waits on their pidfd.
"""

import contextlib
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from roost.node import cgroups, daemons, machine
from roost.node.daemons import Daemon

LOCK = machine.RUN / "supervisor.lock"
STANDBY_LOCK = machine.RUN / "standby.lock"
PIDFILE = machine.RUN / "supervisor.pid"
STOP = machine.RUN / "stop"  # While it exists nobody takes over: `down` is at work.

ROTATE_BYTES = 20 * 1024 * 1024
KEEP_LOGS = 3
ROUND_S = 1.0  # How often needs, logs and the standby are looked at; a death is noticed at once.
FIRST_DELAY_S = 0.5
LAST_DELAY_S = 30.0
STEADY_S = 60.0  # After running this long, a daemon's next death counts as its first.
STOP_S = 20.0


def started_at(pid: int) -> str | None:
    """The kernel's start time of a process, which with the pid names it for good; None where it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] in ("Z", "X") else fields[19]


def back_off(deaths: int) -> float:
    """Seconds to wait after so many deaths in a row: 0.5, 1, 2 ... 30."""
    return float(min(FIRST_DELAY_S * 2 ** min(max(deaths - 1, 0), 10), LAST_DELAY_S))


def rotate(log: Path, limit_bytes: int = ROTATE_BYTES, keep: int = KEEP_LOGS) -> bool:
    """Copy a log that has grown too large aside and empty it; whether it did. The writer keeps its open file."""
    if not log.exists() or log.stat().st_size < limit_bytes:
        return False
    for number in range(keep - 1, 0, -1):
        older = log.with_suffix(f".log.{number}")
        if older.exists():
            os.replace(older, log.with_suffix(f".log.{number + 1}"))
    shutil.copyfile(log, log.with_suffix(".log.1"))
    os.truncate(log, 0)
    return True


def say(text: str) -> None:
    """One line in the supervisor's log."""
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}", flush=True)


@dataclass
class Keeper:
    """One daemon and what is known of its process."""

    daemon: Daemon
    pid: int = 0
    pidfd: int = -1
    deaths: int = 0
    since: float = 0.0
    not_before: float = 0.0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pidfile(self) -> Path:
        """`<pid> <start time> <argv>`"""
        return machine.RUN / f"{self.daemon.name}.pid"

    def adopt(self) -> bool:
        """Take over the process that an earlier supervisor started; whether there is one."""
        try:
            pid_text, start, argv = self.pidfile.read_text().split(" ", 2)
            if started_at(int(pid_text)) != start or argv != "\0".join(self.daemon.command()):
                return False
            self.pidfd = os.pidfd_open(int(pid_text))
        except (OSError, ValueError):
            return False
        self.pid, self.since = int(pid_text), time.monotonic()
        say(f"{self.daemon.name}: found running as {self.pid}")
        return True

    def start(self, now: float) -> bool:
        """Start it if it may start now; whether it did."""
        if self.pid or now < self.not_before or not all(Path(path).exists() for path in self.daemon.needs):
            return False
        self.end_stale()
        argv = self.daemon.command()
        log = machine.LOGS / f"{self.daemon.name}.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, **dict(self.daemon.env)},
            )
        self.pid, self.since = self.process.pid, now
        self.pidfd = os.pidfd_open(self.pid)
        self.pidfile.write_text(f"{self.pid} {started_at(self.pid)} " + "\0".join(argv))
        if not self.daemon.every_s:
            say(f"{self.daemon.name}: started as {self.pid}")
        return True

    def end_stale(self) -> None:
        """End a process that an earlier supervisor started with other arguments."""
        with contextlib.suppress(OSError, ValueError):
            pid_text, start, _ = self.pidfile.read_text().split(" ", 2)
            if started_at(int(pid_text)) == start:
                say(f"{self.daemon.name}: ending {pid_text}, which runs with other arguments")
                end(int(pid_text), start)

    def dead(self, now: float) -> None:
        """Note that the process ended, and when it may start again."""
        code = self.process.wait() if self.process else None
        os.close(self.pidfd)
        if self.daemon.every_s:
            delay = self.daemon.every_s
        else:
            self.deaths = 1 if now - self.since > STEADY_S else self.deaths + 1
            delay = back_off(self.deaths)
        if code or not self.daemon.every_s:
            said = f" with {code}" if code is not None else ""
            say(f"{self.daemon.name}: {self.pid} ended{said}; again in {delay} s")
        self.pid, self.pidfd, self.process, self.not_before = 0, -1, None, now + delay

    def stop(self) -> None:
        """End the process and forget it."""
        if self.pid:
            end(self.pid, started_at(self.pid))
            if self.process:
                self.process.wait()
            os.close(self.pidfd)
            self.pid, self.pidfd, self.process = 0, -1, None
        self.pidfile.unlink(missing_ok=True)


def end(pid: int, start: str | None) -> None:
    """SIGTERM, then SIGKILL after STOP_S, for exactly the process that started at `start`; waits until it is gone."""
    with contextlib.suppress(OSError):
        pidfd = os.pidfd_open(pid)
        try:
            if started_at(pid) != start:
                return
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)
            if not select.select([pidfd], [], [], STOP_S)[0]:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                select.select([pidfd], [], [], STOP_S)
        finally:
            os.close(pidfd)


def hold(path: Path, wait: bool) -> int | None:
    """Take a lock: its descriptor, or None where somebody else holds it and `wait` is false."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def running() -> int | None:
    """The pid of the supervisor at work, or None."""
    try:
        pid_text, start = PIDFILE.read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid_text) if started_at(int(pid_text)) == start else None


class Supervisor:
    """The one that holds the lock."""

    def __init__(self) -> None:
        self.keepers: list[Keeper] = []
        self.stopping = False
        self.reload = True
        self.wake, self.waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def on_signal(self, number: int, _frame: object) -> None:
        """SIGHUP reads the specification again, SIGTERM and SIGINT stop everything."""
        if number == signal.SIGHUP:
            self.reload = True
        else:
            self.stopping = True

    def read_specification(self) -> None:
        """Take the wanted daemons: stop what is no longer wanted as it runs, keep what is."""
        self.reload = False
        wanted = {daemon.name: daemon for daemon in daemons.read()}
        for keeper in list(self.keepers):
            if wanted.get(keeper.daemon.name) != keeper.daemon:
                say(f"{keeper.daemon.name}: no longer wanted like this")
                keeper.stop()
                self.keepers.remove(keeper)
        for daemon in wanted.values():
            if all(keeper.daemon.name != daemon.name for keeper in self.keepers):
                keeper = Keeper(daemon)
                keeper.adopt()
                self.keepers.append(keeper)

    def round(self) -> None:
        """One look at everything; returns at the next death or after ROUND_S."""
        if self.reload:
            self.read_specification()
        now = time.monotonic()
        for keeper in self.keepers:
            keeper.start(now)
            rotate(machine.LOGS / f"{keeper.daemon.name}.log")
        rotate(machine.LOGS / "supervisor.log")
        descriptors = [keeper.pidfd for keeper in self.keepers if keeper.pid]
        ended, _, _ = select.select([*descriptors, self.wake], [], [], ROUND_S)
        for keeper in self.keepers:
            if keeper.pid and keeper.pidfd in ended:
                keeper.dead(time.monotonic())
        if self.wake in ended:
            os.read(self.wake, 4096)

    def run(self) -> None:
        """Work until told to stop."""
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.on_signal)
        signal.set_wakeup_fd(self.waker)
        PIDFILE.write_text(f"{os.getpid()} {started_at(os.getpid())}")
        standby: subprocess.Popen[bytes] | None = None
        while not self.stopping:
            if (standby is None or standby.poll() is not None) and not standby_present():
                standby = spawn("--standby")
            self.round()
        say("stopping")
        for keeper in reversed(self.keepers):
            keeper.stop()
        PIDFILE.unlink(missing_ok=True)


def standby_present() -> bool:
    """Whether somebody waits to take over."""
    descriptor = hold(STANDBY_LOCK, wait=False)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def spawn(*arguments: str) -> subprocess.Popen[bytes]:
    """Start a supervisor in the background."""
    machine.RUN.mkdir(parents=True, exist_ok=True)
    machine.LOGS.mkdir(parents=True, exist_ok=True)
    with (machine.LOGS / "supervisor.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "roost.node.supervisor", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )


def main(arguments: list[str]) -> None:
    """Wait for the lock if told to, then work, in the control group that reaches cluster addresses."""
    (cgroups.hierarchies().host / "cgroup.procs").write_text("0")
    if "--standby" in arguments:
        waiting = hold(STANDBY_LOCK, wait=False)
        if waiting is None:
            return
        hold(LOCK, wait=True)
        os.close(waiting)
    elif hold(LOCK, wait=False) is None:
        return
    if STOP.exists():
        return
    Supervisor().run()


if __name__ == "__main__":
    main(sys.argv[1:])
