"""Test hosts themselves: apart from the machine and from each other, dead at once, and gone without a trace."""

import json
import sys
from pathlib import Path

import pytest

from roost.node.run import CommandFailed, run
from roost.node.testbed.bed import Bed, existing

pytestmark = pytest.mark.full


def traces(bed: Bed) -> list[str]:
    """What of a bed is on the machine."""
    links = [item["ifname"] for item in json.loads(run(["ip", "-json", "link"]))]
    found = [name for name in links if name.startswith(bed.bridge)]
    found += [str(group) for group in bed.groups() if group.exists()]
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if str(bed.disks) in line]
    found += [line for line in run(["nft", "list", "tables"]).splitlines() if line.endswith(bed.table)]
    return found + ([str(bed.disks)] if bed.disks.exists() else [])


def test_hosts_are_machines_of_their_own_and_go_without_a_trace() -> None:
    bed = Bed.named("hosts", hosts=2)
    bed.up()
    try:
        one, two = bed.hosts.values()
        assert bed.run(one.name, ["hostname"]).strip() == one.name
        bed.run(one.name, ["sh", "-c", "echo mine > /etc/roost/x; echo mine > /etc/x; mkdir -p /etc/kubernetes/y"])
        assert not Path("/etc/x").exists() and not Path("/etc/roost/x").exists()
        with pytest.raises(CommandFailed):
            bed.read(two.name, "/etc/x")
        processes = bed.run(one.name, ["ps", "-e", "-o", "pid=,comm="]).split()
        assert len(processes) < 10  # Those of the machine are not among them.
        asked = f"import socket; socket.create_connection(('{two.address}', 22), 2)"
        with pytest.raises(CommandFailed, match="Connection refused"):  # So it was reached.
            bed.run(one.name, [sys.executable, "-c", asked])
        assert "kubepods" not in bed.run(one.name, ["sh", "-c", "find /sys/fs/cgroup -maxdepth 3 -type d"])

        asleep = bed.popen(one.name, ["sleep", "600"], bed.disks / "sleep.log")
        bed.cut(one.name)
        assert asleep.wait(10) != 0
        assert bed.inner(one.name) is None and bed.inner(two.name) is not None
        bed.start(one.name)
        assert bed.read(one.name, "/etc/roost/x") == "mine\n"
        assert existing("hosts").hosts == bed.hosts
        bed.up()  # As after a killed run.
        with pytest.raises(CommandFailed):
            bed.read(one.name, "/etc/roost/x")
    finally:
        bed.down()
    assert traces(bed) == []
