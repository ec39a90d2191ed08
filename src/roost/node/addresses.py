"""Addresses that move to a living node: one that people and browsers use (the gateway's), one for the API servers.

VRRP does it, by Debian's keepalived under our supervisor: nodes of one network segment agree without the cluster, so
the entry address moves also while no API server answers. Where the segment is not ours (clouds), a load balancer takes
its place: give its address at `up` with `--api-address` and no `--entry-address`.

A node holds the entry address only while its gateway is well, and the API's only while its API server is. A gateway
that ends by intention first stops taking new connections: clients try again by themselves a second later, when the
address is elsewhere, and requests that are under way end well.
"""

from roost.node import machine
from roost.node.daemons import Daemon
from roost.node.machine import Node
from roost.node.manifests import gateway
from roost.node.pki import write_private

PACKAGES = ("keepalived", "curl", "nftables", "iproute2")
CONFIGURATION = machine.CONFIG / "keepalived.conf"
CHECKS = machine.CONFIG / "checks"
HOLDS = machine.RUN / "holds"  # While it exists, new connections to the entry address are dropped here.
TABLE = "roost_hold"
ADVERTISE_S = 0.6  # An address is missed after three of these.
DRAIN_S = 5  # At most so long, connections that are open may end before the address goes.


def gateway_check(entry: str) -> str:
    """The script that says whether the gateway here may have the address; see the module for the intended end."""
    ready = f"http://127.0.0.1:{gateway.HEALTH_PORT}{gateway.READY}"
    return f"""\
#!/bin/sh
# Written by `roost node up`; changes are lost. 0: the gateway of this node serves.
ask() {{ curl -s -o /dev/null -m 2 -w '%{{http_code}}' {ready}; }}
under_way() {{
  ss -Htn state established state syn-recv state fin-wait-1 state last-ack \\
    "( sport = :80 or sport = :443 ) and src {entry}"
}}
code=$(ask)
for _ in 1 2; do
  [ "$code" = 000 ] && sleep 0.3 && code=$(ask)
done
if [ "$code" = 200 ]; then
  [ -e {HOLDS} ] && nft delete table ip {TABLE} 2>/dev/null
  rm -f {HOLDS}
  exit 0
fi
if [ "$code" = 503 ] && [ ! -e {HOLDS} ] && [ -n "$(ip -4 address show to {entry})" ]; then
  touch {HOLDS}
  nft 'table ip {TABLE} {{ chain first {{ type filter hook prerouting priority -310;
    ip daddr {entry} tcp dport {{ 80, 443 }} tcp flags & (syn | ack) == syn drop; }} }}'
  for _ in $(seq {DRAIN_S * 10}); do
    [ -z "$(under_way)" ] && break
    sleep 0.1
  done
fi
exit 1
"""


def api_check() -> str:
    """The script that says whether the API server here may have the address."""
    return f"""\
#!/bin/sh
# Written by `roost node up`; changes are lost. 0: the API server of this node serves.
exec curl -skf -o /dev/null -m 5 https://127.0.0.1:{machine.API_PORT}/readyz
"""


def priority(address: str) -> int:
    """Different on neighbours, so that two nodes do not take an address at the same moment: 155 to 254."""
    return 254 - int(address.rsplit(".", 1)[1]) * 37 % 100


def _instance(name: str, address: str, node: Node) -> str:
    # Addresses of one network differ in their last number, so that is what tells the instances apart.
    return f"""
vrrp_instance {name} {{
  version 3
  state BACKUP
  nopreempt
  interface {node.device}
  mcast_src_ip {node.address}
  virtual_router_id {int(address.rsplit(".", 1)[1])}
  priority {priority(node.address)}
  advert_int {ADVERTISE_S}
  garp_master_refresh 5
  virtual_ipaddress {{
    {address}/32 dev {node.device}
  }}
  track_script {{
    {name}
  }}
}}
"""


def configuration(node: Node, control_plane: bool) -> str:
    """keepalived.conf."""
    # Real-time priority: a node that is merely busy must go on telling the others, or two would have an address.
    parts = [
        f"""\
# Written by `roost node up`; changes are lost.
global_defs {{
  router_id {node.name}
  script_user root
  enable_script_security
  vrrp_garp_master_repeat 3
  vrrp_rt_priority 50
  vrrp_rlimit_rttime 500000
}}
"""
    ]
    wanted = [("gateway", node.entry_address, 1, DRAIN_S + 10)] if node.entry_address else []
    wanted += [("api", node.api_address, 3, 7)] if node.api_address and control_plane else []
    for name, address, fall, timeout_s in wanted:
        parts.append(
            f"""
vrrp_script {name} {{
  script "{CHECKS / name}"
  interval 1
  timeout {timeout_s}
  fall {fall}
  rise 1
  init_fail
}}
"""
        )
        parts.append(_instance(name, address, node))
    return "".join(parts)


def wanted(node: Node) -> bool:
    """Whether there is an address that moves."""
    return bool(node.api_address or node.entry_address)


def write(node: Node, control_plane: bool) -> bool:
    """Write what keepalived reads; whether its configuration changed."""
    machine.note_addresses(node)
    if node.entry_address:
        write_private(CHECKS / "gateway", gateway_check(node.entry_address), mode=0o755)
    write_private(CHECKS / "api", api_check(), mode=0o755)
    return write_private(CONFIGURATION, configuration(node, control_plane), mode=0o644)


def daemon() -> Daemon:
    """keepalived, as the supervisor keeps it."""
    return Daemon(
        name="addresses",
        argv=(
            "/usr/sbin/keepalived",
            "--dont-fork",
            "--vrrp",
            "--log-console",
            f"--use-file={CONFIGURATION}",
            f"--pid={machine.RUN}/keepalived-parent",
            f"--vrrp_pid={machine.RUN}/keepalived-vrrp",
        ),
        needs=(str(CONFIGURATION),),
    )
