"""Control groups, daemons, supervisor, mounts and rules: what is judged and written without a cluster."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from roost.node import cgroups, daemons, machine, supervisor, teardown
from roost.node.daemons import Daemon

HYBRID = """\
tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
"""


def test_hybrid_hierarchies_give_a_directory_in_each() -> None:
    found = cgroups.read_mounts(HYBRID)
    assert [str(path) for path in found.all] == [
        "/sys/fs/cgroup/cpu/roost",
        "/sys/fs/cgroup/memory/roost",
        "/sys/fs/cgroup/unified/roost",
    ]
    assert str(found.host) == "/sys/fs/cgroup/unified/roost/host"


def test_a_machine_without_cgroup2_is_refused_in_words() -> None:
    with pytest.raises(machine.MachineUnfit, match="cgroup2"):
        cgroups.read_mounts("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n")


def test_a_new_cpuset_group_gets_its_parents_processors(tmp_path: Path) -> None:
    cpuset, unified = tmp_path / "cpuset", tmp_path / "unified"
    for path in (cpuset / "roost", unified):
        path.mkdir(parents=True)
    for name, parent in (("cpuset.cpus", "0-1"), ("cpuset.mems", "0")):
        (cpuset / name).write_text(parent)
        (cpuset / "roost" / name).write_text("\n")
    cgroups.prepare(cgroups.Hierarchies((cpuset,), unified))
    assert (cpuset / "roost" / "cpuset.cpus").read_text() == "0-1"
    assert (cpuset / "roost" / "cpuset.mems").read_text() == "0"
    assert (unified / "roost" / "host").is_dir()


def test_stale_groups_go_deepest_first_and_busy_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "roost" / "kubepods" / "pod1").mkdir(parents=True)
    busy = tmp_path / "roost" / "host"
    busy.mkdir()
    (busy / "cgroup.procs").write_text("1")
    found = cgroups.Hierarchies((), tmp_path)
    assert cgroups.remove(found) == 2
    assert busy.exists() and not (tmp_path / "roost" / "kubepods").exists()


def test_processes_are_found_in_every_group_but_not_ourselves(tmp_path: Path) -> None:
    group = tmp_path / "roost" / "kubepods"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text(f"17\n{os.getpid()}\n23\n")
    assert cgroups.processes(cgroups.Hierarchies((), tmp_path)) == {17, 23}


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ('KUBELET_KUBEADM_ARGS="--node-ip=1.2.3.4 --v=2"\n', ("--node-ip=1.2.3.4", "--v=2")),
        ('KUBELET_KUBEADM_ARGS=""\n', ()),
        ("OTHER=1\n", ()),
    ],
)
def test_kubeadm_flags_are_read(text: str, flags: tuple[str, ...]) -> None:
    assert daemons.read_flags(text) == flags


def test_a_specification_reads_back_and_is_written_only_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "daemons.json"
    wanted = (Daemon("a", ("/bin/a", "-x"), needs=("/n",), env=(("PATH", "/bin"),)), Daemon("b", ("/bin/b",)))
    assert daemons.save(wanted, path)
    assert not daemons.save(wanted, path)
    assert daemons.read(path) == wanted


def test_the_kubelet_waits_for_what_kubeadm_writes() -> None:
    kubelet = daemons.kubelet(machine.Node("n", "1.2.3.4", "eth0"))
    assert str(machine.KUBELET / "config.yaml") in kubelet.needs
    assert str(machine.CONTAINERD_SOCKET) in kubelet.needs


def test_back_off_doubles_up_to_half_a_minute() -> None:
    assert [supervisor.back_off(deaths) for deaths in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 4.0]
    assert supervisor.back_off(1000) == 30.0


def test_a_large_log_is_set_aside_and_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old" * 10)
        assert supervisor.rotate(log, limit_bytes=10, keep=2)
        writer.write(b"new")
    assert log.read_bytes() == b"new"
    assert (tmp_path / "x.log.1").read_bytes() == b"old" * 10
    log.write_bytes(b"more" * 10)
    assert supervisor.rotate(log, limit_bytes=10, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.log", "x.log.1", "x.log.2"]
    assert not supervisor.rotate(log, limit_bytes=10, keep=2)


def test_a_process_is_known_by_pid_and_start_time() -> None:
    assert supervisor.started_at(os.getpid()) == supervisor.started_at(os.getpid()) is not None
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert supervisor.started_at(child.pid) is None


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(machine, "RUN", tmp_path)
    monkeypatch.setattr(machine, "LOGS", tmp_path)
    return tmp_path


def long_lived(places: Path, text: str = "") -> Daemon:
    return Daemon("worker", (sys.executable, "-c", f"import time; time.sleep(60) #{text}"))


def test_a_killed_daemon_starts_again_after_its_delay(places: Path) -> None:
    keeper = supervisor.Keeper(long_lived(places))
    now = time.monotonic()
    assert keeper.start(now)
    first = keeper.pid
    os.kill(first, signal.SIGKILL)
    keeper.dead(now + 1)
    assert keeper.pid == 0 and not keeper.start(now + 1.2)
    assert keeper.start(now + 1.6) and keeper.pid != first
    keeper.stop()
    assert supervisor.started_at(first) is None and not keeper.pidfile.exists()


def test_a_daemon_does_not_start_before_what_it_needs(places: Path) -> None:
    needed = places / "config"
    keeper = supervisor.Keeper(Daemon("worker", ("/bin/true",), needs=(str(needed),)))
    assert not keeper.start(0.0)
    needed.touch()
    assert keeper.start(1.0)
    keeper.stop()


def test_the_next_supervisor_adopts_a_running_daemon_and_replaces_a_changed_one(places: Path) -> None:
    first = supervisor.Keeper(long_lived(places))
    assert first.start(0.0)
    second = supervisor.Keeper(long_lived(places))
    assert second.adopt() and second.pid == first.pid
    changed = supervisor.Keeper(long_lived(places, "changed"))
    assert not changed.adopt()
    assert changed.start(1.0) and changed.pid != first.pid
    assert first.process is not None and first.process.wait() == -signal.SIGTERM
    changed.stop()


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    held = supervisor.hold(tmp_path / "lock", wait=False)
    assert held is not None
    assert supervisor.hold(tmp_path / "lock", wait=False) is None
    os.close(held)
    again = supervisor.hold(tmp_path / "lock", wait=False)
    assert again is not None
    os.close(again)


def test_only_our_mounts_are_taken_deepest_first() -> None:
    text = "\n".join(
        f"x {point} y rw 0 0"
        for point in (
            "/",
            "/var/lib/kubelet",
            "/var/lib/kubelet/pods/1/vol",
            "/var/lib/kubelet-of-another",
            "/run/netns/cni-1",
            "/run/netns/mine",
            "/run/roost/cgroupv2",
            "/run/roostery",
        )
    )
    assert teardown.our_mounts(text) == [
        "/run/roost/cgroupv2",
        "/run/netns/cni-1",
        "/var/lib/kubelet/pods/1/vol",
        "/var/lib/kubelet",
    ]
    assert "/var/lib/kubelet" not in teardown.our_mounts(text, before=["/var/lib/kubelet"])


def test_only_our_rules_and_chains_are_taken() -> None:
    saved = """\
*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
:CILIUM_PRE_nat - [0:0]
:KUBE-POSTROUTING - [0:0]
-A PREROUTING -m comment --comment "cilium-feeder: CILIUM_PRE_nat" -j CILIUM_PRE_nat
-A PREROUTING -j DOCKER
-A CILIUM_PRE_nat -j RETURN
COMMIT
"""
    rules, chains = teardown.without_ours(saved)
    assert rules == ['-A PREROUTING -m comment --comment "cilium-feeder: CILIUM_PRE_nat" -j CILIUM_PRE_nat']
    assert chains == ["CILIUM_PRE_nat", "KUBE-POSTROUTING"]


@pytest.mark.parametrize(
    ("name", "ours"),
    [("lxc12ab34cd56ef", True), ("cilium_host", True), ("lxc_health", True), ("lxcbr0", False), ("eth0", False)],
)
def test_only_cilium_links_are_taken(name: str, ours: bool) -> None:
    assert bool(teardown.LINKS.match(name)) is ours
