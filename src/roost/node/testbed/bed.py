"""A bed of test hosts: makes them, runs programs in them, cuts their power, clears everything away. See the package.

Used by tests of several nodes and of foreign clusters, and by `roost node testbed`.
"""

import ipaddress
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from roost.node import cgroups, machine, paths
from roost.node.kubectl import wait_until
from roost.node.machine import MachineUnfit
from roost.node.run import environment, run
from roost.node.supervisor import started_at
from roost.node.testbed import first

NAME = re.compile(r"[a-z0-9]{1,8}")
READY_S = 30.0
NAMESPACES = ("--net", "--mount", "--uts", "--ipc", "--pid", "--cgroup")
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
SHARE = 2  # Of the processors, for each host, where one process has 1: a host is more than one process.
REALTIME_US = 30_000  # Of each second, for a host.
_started: dict[int, subprocess.Popen[bytes]] = {}  # Outermost processes of this program's hosts, to be waited for.


@dataclass(frozen=True)
class Host:
    """One test host; `number` counts from 1."""

    name: str
    number: int
    address: str


def directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the disks of all beds lie. MachineUnfit where a test host would not see them."""
    chosen = Path(environ.get("ROOST_TESTBED") or paths.cache(environ).with_name("roost-testbed")).absolute()
    for top in (*first.LAYERED, "/run", "/sys", "/proc"):
        if chosen.is_relative_to(top):
            raise MachineUnfit(f"Test hosts cannot keep their disks in {chosen}: they have a {top} of their own.")
    return chosen


@dataclass(frozen=True)
class Bed:
    """Hosts that share a bridge. Everything about them can be found again by the bed's name."""

    name: str
    hosts: Mapping[str, Host]
    network: ipaddress.IPv4Network
    disks: Path

    @classmethod
    def named(cls, name: str, hosts: int = 3, network: str = "") -> "Bed":
        """The bed of this name; nothing is made yet. ValueError where the name or the number is none."""
        if not NAME.fullmatch(name) or not 1 <= hosts <= 9:
            raise ValueError(f"A bed has a name of 1 to 8 letters and digits and 1 to 9 hosts, not {name!r}, {hosts}.")
        chosen = ipaddress.IPv4Network(network or f"10.111.{zlib.crc32(name.encode()) % 254 + 1}.0/24")
        made = [Host(f"{name}-{number}", number, str(chosen[10 + number])) for number in range(1, hosts + 1)]
        return cls(name, {host.name: host for host in made}, chosen, directory() / name)

    @property
    def gateway(self) -> str:
        """The machine's own address on the bridge."""
        return str(self.network[1])

    @property
    def free_addresses(self) -> tuple[str, str]:
        """Two addresses on the bridge that no host has: to be moved between hosts."""
        return str(self.network[200]), str(self.network[201])

    @property
    def bridge(self) -> str:
        """The bridge's name."""
        return f"rt-{self.name}"

    @property
    def table(self) -> str:
        """The nftables table that leads the hosts out."""
        return f"roost_testbed_{self.name}"

    def groups(self, host: str = "") -> list[Path]:
        """Directories of the bed, or of one host, in every control group hierarchy of the machine."""
        found = cgroups.hierarchies()
        top = Path(f"roost-testbed-{self.name}") / host
        return [mount / top for mount in (*found.controllers, found.unified)]

    def up(self, init: Sequence[str] = ()) -> None:
        """Make the bed and start every host. What an earlier run of this name left is cleared first. `init`: the
        program that is the first process of each, e.g. systemd; without it, one of ours that only waits.
        """
        self.down()
        self.disks.mkdir(parents=True)
        (self.disks / "bed.json").write_text(json.dumps({"hosts": len(self.hosts), "network": str(self.network)}))
        (self.disks / "forwarding").write_text(FORWARDING.read_text())
        FORWARDING.write_text("1")
        run(["ip", "link", "add", self.bridge, "type", "bridge"])
        run(["ip", "address", "add", f"{self.gateway}/{self.network.prefixlen}", "dev", self.bridge])
        run(["ip", "link", "set", self.bridge, "mtu", str(mtu()), "up"])
        run(["nft", "-f", "-"], text=self.rules())
        for host in self.hosts:
            self.start(host, init)

    def rules(self) -> str:
        """The hosts reach the world in the machine's name; to each other they speak in their own, also to many."""
        return (
            f"table ip {self.table} {{\n"
            "  chain out {\n    type nat hook postrouting priority srcnat; policy accept;\n"
            f"    ip saddr {self.network} ip daddr != {{ {self.network}, 224.0.0.0/4 }} masquerade\n  }}\n}}\n"
        )

    def start(self, host: str, init: Sequence[str] = ()) -> None:
        """Switch a host on. MachineUnfit where its first process does not get ready."""
        for group in self.groups(host):
            make_group(group)
            give_share(group.parent, SHARE * len(self.hosts))
            allow_realtime(group)
        argv = ["unshare", *NAMESPACES, "--fork", "--kill-child=KILL", "--"]
        argv += [sys.executable, "-m", "roost.node.testbed.first", str(self.disk(host)), host, *init]
        self.disk(host).mkdir(parents=True, exist_ok=True)
        log = (self.disks / f"{host}.log").open("wb")
        outer = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env=environment(),
            preexec_fn=self.entering(host),
        )
        log.close()
        assert outer.stdout is not None
        readable, _, _ = select.select([outer.stdout], [], [], READY_S)
        said = os.read(outer.stdout.fileno(), 16) if readable else b""
        outer.stdout.close()
        if said != b"ready\n":
            outer.kill()
            outer.wait()
            raise MachineUnfit(f"The test host {host} did not start:\n{(self.disks / f'{host}.log').read_text()}")
        inner = int(Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()[0])
        _started[outer.pid] = outer
        state = {"outer": outer.pid, "inner": inner, "started": started_at(inner)}
        self.state(host).write_text(json.dumps(state))
        self.connect(self.hosts[host], inner)

    def connect(self, host: Host, inner: int) -> None:
        """Lead a pair of devices from the bridge into the host: eth0 there."""
        outside = f"{self.bridge}-{host.number}"
        run(
            [
                "ip",
                "link",
                "add",
                outside,
                "mtu",
                str(mtu()),
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                str(inner),
            ]
        )
        run(["ip", "link", "set", outside, "master", self.bridge, "up"])
        inside = ("nsenter", f"--net=/proc/{inner}/ns/net", "ip")
        run([*inside, "address", "add", f"{host.address}/{self.network.prefixlen}", "dev", "eth0"])
        run([*inside, "link", "set", "eth0", "mtu", str(mtu()), "up"])
        run([*inside, "route", "add", "default", "via", self.gateway])

    def disk(self, host: str) -> Path:
        """Where the host's disk lies; it stays over `cut` and `start`."""
        return self.disks / host

    def state(self, host: str) -> Path:
        """What is known of the host's first process."""
        return self.disks / f"{host}.json"

    def inner(self, host: str) -> int | None:
        """The host's first process as the machine counts, or None where the host is off."""
        try:
            state = json.loads(self.state(host).read_text())
        except (OSError, ValueError):
            return None
        return int(state["inner"]) if started_at(state["inner"]) == state["started"] else None

    def entering(self, host: str) -> "Entering":
        """For a process that is about to enter the host: its control groups."""
        return Entering([group / "cgroup.procs" for group in self.groups(host)])

    def command(self, host: str, argv: Sequence[str]) -> list[str]:
        """argv as run from outside; start it with `preexec_fn=bed.entering(host)`. MachineUnfit where it is off."""
        inner = self.inner(host)
        if inner is None:
            raise MachineUnfit(f"The test host {host} is off; start it first.")
        return ["nsenter", f"--target={inner}", *NAMESPACES, "--wd=/", "--", *argv]

    def run(
        self,
        host: str,
        argv: Sequence[str],
        *,
        text: str | None = None,
        timeout_s: float = 120,
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> str:
        """Run a program in a host and return its standard output. Fails as `roost.node.run.run` does."""
        return run(
            self.command(host, argv),
            text=text,
            timeout_s=timeout_s,
            env=env,
            enter=self.entering(host),
            check=check,
        )

    def popen(
        self, host: str, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program in a host; its output goes to `log`."""
        with log.open("ab") as output:
            return subprocess.Popen(
                self.command(host, argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(env),
                preexec_fn=self.entering(host),
            )

    def read(self, host: str, path: str) -> str:
        """The text of a file in a host."""
        return self.run(host, ["cat", path])

    def cut(self, host: str) -> None:
        """Cut the power: the kernel ends everything in the host at once. Its disk and stale control groups stay."""
        inner = self.inner(host)
        if inner is None:
            return
        os.kill(inner, signal.SIGKILL)
        wait_until(f"The end of {host}", lambda: started_at(inner) is None, within_s=30)
        # The other end went with the host's network; the kernel takes a moment for that.
        link = Path("/sys/class/net") / f"{self.bridge}-{self.hosts[host].number}"
        wait_until(f"The end of {host}'s network", lambda: not link.exists(), within_s=60)
        collect()

    def down(self) -> None:
        """Clear the bed away, also one that a killed run left: processes, groups, devices, rules, disks."""
        end_all(self.groups())
        collect()
        for group in self.groups():
            wait_until(f"The end of {group}", partial(remove_group, group), within_s=30)
        names = [item["ifname"] for item in json.loads(run(["ip", "-json", "link"]) or "[]")]
        for name in names:
            if name == self.bridge or name.startswith(f"{self.bridge}-"):
                run(["ip", "link", "delete", name], check=False)
        run(["nft", "delete", "table", "ip", self.table], check=False)
        noted = self.disks / "forwarding"
        if noted.exists() and not any(path != self.disks for path in directory().glob("*")):
            self.give_forwarding_back(noted.read_text())
        shutil.rmtree(self.disks, ignore_errors=True)

    @staticmethod
    def give_forwarding_back(value: str) -> None:
        """As it was before the first bed; a cluster of the machine itself needs it on."""
        if not machine.MARKS.exists():
            FORWARDING.write_text(value)


def existing(name: str) -> Bed:
    """The bed that was made under this name. MachineUnfit where there is none."""
    try:
        noted = json.loads((directory() / name / "bed.json").read_text())
    except (OSError, ValueError) as missing:
        raise MachineUnfit(
            f"There are no test hosts called {name}: `roost node testbed up --name {name}`."
        ) from missing
    return Bed.named(name, noted["hosts"], noted["network"])


@dataclass(frozen=True)
class Entering:
    """Called in a new process before its program starts: takes it into control groups."""

    files: Sequence[Path]

    def __call__(self) -> None:
        """Enter."""
        for file in self.files:
            file.write_text("0")


def mtu() -> int:
    """Of the machine's way out."""
    device, _ = machine.default_route()
    return int(Path(f"/sys/class/net/{device}/mtu").read_text())


def collect() -> None:
    """Take the exit status of outermost processes that have ended."""
    for pid, process in list(_started.items()):
        if process.poll() is not None:
            del _started[pid]


def give_share(group: Path, share: int) -> None:
    """Let a group have so many times the processor time that one process outside gets."""
    for name, value in (("cpu.shares", 1024 * share), ("cpu.weight", min(100 * share, 10_000))):
        if (group / name).exists():
            (group / name).write_text(str(value))


def allow_realtime(group: Path) -> None:
    """Let a few of a host's processes be served at once, where the kernel counts that by group: as on a machine."""
    for directory, microseconds in ((group.parent, 10 * REALTIME_US), (group, REALTIME_US)):
        if (directory / "cpu.rt_runtime_us").exists():
            (directory / "cpu.rt_runtime_us").write_text(str(microseconds))


def make_group(group: Path) -> None:
    """Make a control group and its parent. A cpuset of version 1 takes no process before it has CPUs and memory."""
    for directory in (group.parent, group):
        directory.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            ours = directory / name
            above = directory.parent / name
            if ours.exists() and above.exists() and not ours.read_text().strip() and above.read_text().strip():
                ours.write_text(above.read_text())
        controllers = directory / "cgroup.controllers"
        if controllers.exists() and directory != group:
            given = " ".join(f"+{name}" for name in controllers.read_text().split())
            (directory.parent / "cgroup.subtree_control").write_text(given)
            (directory / "cgroup.subtree_control").write_text(given)


def end_all(groups: Sequence[Path]) -> None:
    """End every process in control groups and below, until there is none."""
    for _ in range(100):
        pids = {
            int(pid)
            for top in groups
            for file in top.rglob("cgroup.procs")
            for pid in read_or_nothing(file).split()
            if pid != "0"
        }
        if not pids:
            return
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.1)
    raise MachineUnfit(
        f"Processes in {groups[-1]} do not end; the kernel holds them. Look at `ps -e -o pid,stat,wchan`."
    )


def read_or_nothing(path: Path) -> str:
    """The text of a file that may just have gone."""
    try:
        return path.read_text()
    except OSError:
        return ""


def remove_group(group: Path) -> bool:
    """Remove a control group with all below it; whether it is gone."""
    for directory, _, _ in os.walk(group, topdown=False):
        try:
            os.rmdir(directory)
        except OSError:
            continue
    return not group.exists()
