"""Test hosts: several machines on one machine, for tests of more than one node and of foreign clusters.

A test host has its own network (a bridge leads out), processes, host name, control groups, `/run` and `/sys`, and its
own `/etc`, `/opt`, `/var` and `/usr/local/bin` on top of the machine's. `/usr`, the checkout, its `.venv` and the cache
of engine and images are the machine's, so nothing is built twice. Inside, every path is the usual one: `roost node up`
in a test host makes a cluster there exactly as on a machine, completely beside the machine's own cluster.

    from roost.node.testbed.bed import Bed

    bed = Bed.named("three", hosts=3)             # bed.hosts["three-1"], with .address
    bed.up()                                      # first clears what a killed run of this name left
    bed.run("three-1", [sys.executable, "-m", "roost.node.commands", "up", "--until", "platform is up"])
    bed.run("three-1", ["kubectl", "get", "nodes"], env={"KUBECONFIG": "/etc/kubernetes/admin.conf"})
    bed.read("three-1", "/etc/kubernetes/admin.conf")
    bed.cut("three-2")                            # the power goes: everything in it is dead at once, its disk stays
    bed.start("three-2")                          # the power is back: nothing runs in it but its first process
    bed.down()                                    # mounts, networks, links, control groups, rules and disks go

A host's address is reachable from the machine (and, through the bridge, from the other hosts); a kubeconfig read from a
host works from the machine, because the API server's address in it is the host's. By hand:

    roost node testbed up --name three --hosts 3 | down | list | run three-1 -- COMMAND ...

Two beds with different names live beside each other. Root is needed. Names: 1 to 8 letters and digits. Where the disks
lie: $ROOST_TESTBED, else `roost-testbed` in the user's cache directory (not below /etc, /opt, /var or /run).
"""
