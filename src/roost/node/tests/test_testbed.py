"""Test hosts: what is pure about them. The hosts themselves are tried in tests/nodes."""

from pathlib import Path

import pytest

from roost.node.machine import MachineUnfit
from roost.node.testbed import bed, first

MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,nosuid,xattr,release_agent=/lib/agent,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
cgroup2 /run/roost/cgroupv2 cgroup2 rw,relatime 0 0
/dev/vda /var/lib/kubelet ext4 rw 0 0
tmpfs /var/lib/kubelet/pods/a tmpfs rw 0 0
/dev/vdb /work ext4 rw 0 0
"""


def test_each_hierarchy_is_mounted_once_where_the_machine_has_it() -> None:
    assert first.hierarchy_mounts(MOUNTS) == [
        ("cgroup", "/sys/fs/cgroup/cpu", "cpu"),
        ("cgroup", "/sys/fs/cgroup/systemd", "none,name=systemd"),
        ("cgroup2", "/sys/fs/cgroup/unified", ""),
    ]


def test_a_host_lets_go_of_the_machine_s_cluster_and_keeps_the_rest() -> None:
    gone = first.foreign_mounts(MOUNTS)
    assert gone.index("/var/lib/kubelet/pods/a") < gone.index("/var/lib/kubelet")
    assert "/run/roost/cgroupv2" in gone
    assert not {"/", "/work"} & set(gone)


def test_hosts_of_a_bed_have_names_and_addresses_that_its_name_gives() -> None:
    one, other = bed.Bed.named("one", 3), bed.Bed.named("other", 3)
    assert [host.name for host in one.hosts.values()] == ["one-1", "one-2", "one-3"]
    assert one.network != other.network
    taken = {host.address for host in one.hosts.values()} | {one.gateway}
    assert not taken & set(one.free_addresses)
    assert len(f"{bed.Bed.named('abcdefgh', 9).bridge}-9") <= 15  # The kernel's limit for a device's name.


@pytest.mark.parametrize(("name", "hosts"), [("", 3), ("Too-Odd", 3), ("toolonganame", 3), ("a", 0), ("a", 10)])
def test_a_name_or_number_that_cannot_be_is_refused(name: str, hosts: int) -> None:
    with pytest.raises(ValueError, match="A bed has a name"):
        bed.Bed.named(name, hosts)


def test_disks_lie_where_the_hosts_can_see_them() -> None:
    assert bed.directory({"ROOST_TESTBED": "/srv/beds"}) == Path("/srv/beds")
    assert bed.directory({"HOME": "/home/ada"}) == Path("/home/ada/.cache/roost-testbed")
    with pytest.raises(MachineUnfit, match="a /var of their own"):
        bed.directory({"ROOST_TESTBED": "/var/beds"})
