"""Preflight judges a described machine; nothing here looks at the real one."""

from dataclasses import replace

import pytest

from roost.node.preflight import GIB, Finding, MachineRefused, judge, kernel_version, require
from roost.node.preflight_facts import FEATURES, Disk, Kernel, Listener, Machine

OPTIONS = frozenset(option for feature in FEATURES for option in feature.options)
FIT = Machine(
    root=True,
    architecture="x86_64",
    system_id="debian",
    system_version=12,
    system_name="Debian GNU/Linux 12 (bookworm)",
    apt=True,
    host_name="alpha",
    cpus=2,
    memory_bytes=24 * GIB,
    memory_available_bytes=20 * GIB,
    disks=(Disk("/root/.cache/roost", "compiling", 10 * GIB, 50 * GIB, 1), Disk("/var/lib/roost", "state", GIB, 50, 2)),
    listeners=(Listener(22, "tcp", 7, "sshd"),),
    kernel=Kernel("6.18.4-amd64", OPTIONS, btf=True, max_user_namespaces=1000),
    foreign=(),
    ours=False,
    lacks_sys_resource=False,
)
FIT = replace(FIT, disks=(FIT.disks[0], replace(FIT.disks[1], free_bytes=50 * GIB)))


def refusals(machine: Machine) -> list[Finding]:
    return [finding for finding in judge(machine) if finding.verdict == "refuse"]


def only_refusal(machine: Machine) -> Finding:
    (finding,) = refusals(machine)
    return finding


def test_a_fit_machine_passes_without_a_word() -> None:
    assert {finding.verdict for finding in judge(FIT)} == {"ok"}
    assert require(judge(FIT)) == []


@pytest.mark.parametrize(
    ("changes", "check", "words"),
    [
        ({"root": False}, "root", ("not root", "sudo")),
        ({"architecture": "aarch64"}, "system", ("aarch64", "x86_64")),
        ({"apt": False, "system_name": "Fedora 43"}, "system", ("Fedora 43", "apt-get", "Debian 12")),
        ({"cpus": 1}, "processors", ("1 processor core", "2")),
        ({"memory_bytes": 2 * GIB}, "memory", ("2.0 GiB", "4 GiB")),
        ({"host_name": "my_host"}, "host name", ("my_host", "/etc/hostname")),
        (
            {"foreign": ("/etc/kubernetes/admin.conf",)},
            "other cluster",
            ("/etc/kubernetes/admin.conf", "kubeadm reset"),
        ),
        ({"kernel": replace(FIT.kernel, btf=False)}, "kernel", ("BTF", "CONFIG_DEBUG_INFO_BTF")),
        ({"kernel": replace(FIT.kernel, release="6.1.0-28-amd64")}, "kernel", ("6.1.0-28", "6.3", "backports")),
        ({"kernel": replace(FIT.kernel, max_user_namespaces=0)}, "kernel", ("max_user_namespaces", "sysctl -w")),
    ],
)
def test_what_is_wrong_is_named_with_a_way_out(changes: dict[str, object], check: str, words: tuple[str, ...]) -> None:
    finding = only_refusal(replace(FIT, **changes))  # type: ignore[arg-type]
    assert finding.check == check
    for word in words:
        assert word in finding.text


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_each_missing_kernel_feature_is_named(feature: object) -> None:
    lacking = feature.options[0]  # type: ignore[attr-defined]
    finding = only_refusal(replace(FIT, kernel=replace(FIT.kernel, options=OPTIONS - {lacking})))
    assert f"CONFIG_{lacking}" in finding.text
    assert feature.name in finding.text  # type: ignore[attr-defined]


def test_an_unknown_kernel_configuration_is_noted_not_refused() -> None:
    notes = require(judge(replace(FIT, kernel=replace(FIT.kernel, options=None))))
    assert len(notes) == 1 and "/proc/config.gz" in notes[0]


def test_a_taken_port_names_its_program_and_who_needs_it() -> None:
    finding = only_refusal(replace(FIT, listeners=(Listener(443, "tcp", 812, "nginx"),)))
    assert "443/tcp" in finding.text and "nginx (process 812)" in finding.text and "gateway" in finding.text


def test_the_same_port_of_the_other_protocol_is_free() -> None:
    assert refusals(replace(FIT, listeners=(Listener(443, "udp", 812, "quic"), Listener(8472, "tcp", 9, "x")))) == []


def test_our_own_listeners_do_not_stop_a_second_up() -> None:
    running = (Listener(6443, "tcp", 5, "kube-apiserver", ours=True), Listener(8472, "udp"))
    assert refusals(replace(FIT, ours=True, listeners=running)) == []
    assert len(refusals(replace(FIT, ours=False, listeners=running))) == 1  # The VXLAN socket is somebody's, then.


def test_uses_of_one_disk_are_added_up() -> None:
    both = tuple(replace(disk, device=1, free_bytes=10 * GIB) for disk in FIT.disks)
    finding = only_refusal(replace(FIT, disks=both))
    assert "10.0 GiB free and 11.0 GiB are needed" in finding.text
    assert "ROOST_CACHE" in finding.text
    assert refusals(replace(FIT, disks=(both[0], replace(both[1], device=2)))) == []


def test_lack_of_a_capability_is_a_note() -> None:
    notes = require(judge(replace(FIT, lacks_sys_resource=True)))
    assert len(notes) == 1 and "CAP_SYS_RESOURCE" in notes[0]


def test_all_reasons_are_told_at_once() -> None:
    with pytest.raises(MachineRefused) as refused:
        require(judge(replace(FIT, root=False, cpus=1, foreign=("kubelet runs as process 9",))))
    text = str(refused.value)
    assert text.count("\n  - ") == 3
    assert "nothing was changed" in text


@pytest.mark.parametrize(("release", "expected"), [("6.18.44-fc", (6, 18)), ("5.10", (5, 10)), ("odd", (0, 0))])
def test_kernel_versions_are_read(release: str, expected: tuple[int, int]) -> None:
    assert kernel_version(release) == expected
