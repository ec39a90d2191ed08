"""What preflight reads out of the kernel's files."""

from pathlib import Path

from roost.node.preflight_observe import foreign_traces, is_ours, kernel_options, listening, looks_compiled, needs

TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1
   1: 0100007F:A1B2 0100007F:01BB 01 00000000:00000000 00:00000000 00000000     0        0 4712 1
"""
UDP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer
   9: 00000000:2118 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 2 0000 0
"""


def test_only_waiting_sockets_count() -> None:
    assert listening(TCP, "tcp") == {443: 4711}
    assert listening(UDP, "udp") == {8472: 0}


def test_built_in_and_modules_count_as_present() -> None:
    assert kernel_options("CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_D=17\n") == {"A", "B"}


def test_a_process_is_ours_by_its_control_group() -> None:
    assert is_ours("5:memory:/roost/kubelet\n0::/roost/host\n")
    assert is_ours("0::/roost\n")
    assert not is_ours("0::/roosting/host\n0::/system.slice/roost\n")


def test_traces_of_other_clusters_are_found(tmp_path: Path) -> None:
    (tmp_path / "etc/kubernetes").mkdir(parents=True)
    (tmp_path / "etc/kubernetes/admin.conf").touch()
    (tmp_path / "var/lib/etcd/member").mkdir(parents=True)
    found = foreign_traces(tmp_path, {12: "kubelet", 13: "bash", 14: "etcd"})
    assert found == ["/etc/kubernetes/admin.conf", "/var/lib/etcd/member", "kubelet runs as process 12"]
    assert foreign_traces(tmp_path / "var/lib/etcd/member", {13: "bash"}) == []


def test_a_warm_machine_needs_less() -> None:
    assert needs(compiled=True, installed=True)[0] < needs(compiled=False, installed=True)[0]
    assert needs(compiled=True, installed=True)[1] < needs(compiled=True, installed=False)[1]


def test_a_cache_with_every_component_looks_compiled(tmp_path: Path) -> None:
    for name in ("cni", "etcd"):
        (tmp_path / "engine" / name).mkdir(parents=True)
        (tmp_path / "engine" / name / "component.toml").touch()
    cache = tmp_path / "cache"
    (cache / "etcd-0123456789ab").mkdir(parents=True)
    (cache / ".making-cni-4711").mkdir()
    assert not looks_compiled(tmp_path / "engine", cache)
    (cache / "cni-0123456789ab").mkdir()
    assert looks_compiled(tmp_path / "engine", cache)
