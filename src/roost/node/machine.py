"""Facts about this machine and the places where the embedded cluster keeps things. All of `roost.node` asks here.

Nothing here changes the machine. Paths that Kubernetes fixes by convention (`/etc/kubernetes`, `/var/lib/kubelet`) are
listed too, so that `wipe` has one list to go by.
"""

import ipaddress
import json
import os
import socket
from dataclasses import dataclass, replace
from pathlib import Path

STATE = Path("/var/lib/roost")  # Data and what must outlive a restart.
RUN = Path("/run/roost")  # Sockets, pidfiles: gone after a restart of the machine.
LOGS = Path("/var/log/roost")
CONFIG = Path("/etc/roost")  # containerd's configuration and the trust of the registry.
BIN = STATE / "bin"  # The engine's programs, copied here so that a pruned cache never stops a running cluster.
CNI_BIN = STATE / "cni"
MARKS = STATE / "node"  # What `up` has done, for the next `up` and for `wipe`.

DOMAIN = MARKS / "domain"
ADDRESSES = MARKS / "addresses.json"
MEMBER = MARKS / "member.json"  # {"role": ...}: this node joined; the first node of a cluster has none.
DEFAULT_DOMAIN = "roost.localhost"

KUBERNETES = Path("/etc/kubernetes")
PKI = KUBERNETES / "pki"
POLICY = KUBERNETES / "roost"  # Files that kube-apiserver reads: audit, encryption, admission, authentication.
ADMIN = KUBERNETES / "admin.conf"
KUBELET = Path("/var/lib/kubelet")
ETCD = Path("/var/lib/etcd")
CNI_CONFIG = Path("/etc/cni/net.d")
CONTAINERD_SOCKET = RUN / "containerd" / "containerd.sock"

POD_NETWORK = "10.244.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
DNS_ADDRESS = "10.96.0.10"
REGISTRY_ADDRESS = "10.96.0.50"  # Fixed, so that containerd needs no cluster DNS to pull.
API_PORT = 6443
PLATFORM_UID = 65532  # Who the platform's own processes are, inside their pods and on their volumes.


class MachineUnfit(RuntimeError):
    """Something about the machine stops the cluster; its text says what and what to do."""


@dataclass(frozen=True)
class Node:
    """This machine as a member of the cluster."""

    name: str
    address: str  # IPv4 address that the other members and the pods reach it by.
    device: str  # The network device that carries the address.
    domain: str = DEFAULT_DOMAIN
    api_address: str = ""  # Moves between the members of the control plane; empty where there is one member only.
    entry_address: str = ""  # Moves between all nodes: what people and browsers use.

    @property
    def endpoint(self) -> str:
        """Where every node finds an API server."""
        return self.api_address or self.address

    @property
    def entry(self) -> str:
        """Where applications answer."""
        return self.entry_address or self.address


def domain(given: str, noted: Path = DOMAIN) -> str:
    """The domain of this installation: what is given now, else what was given at an earlier `up`, else the default."""
    if given:
        return given
    return noted.read_text().strip() if noted.exists() else DEFAULT_DOMAIN


def default_route() -> tuple[str, str]:
    """(device, source address) of the way out. MachineUnfit where there is none."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == "00000000":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect(("192.0.2.254", 9))  # Sends nothing: asks the kernel which address it would use.
                return fields[0], str(probe.getsockname()[0])
    raise MachineUnfit("The machine has no default route, so it has no address that pods could reach. Configure one.")


def this_node(domain: str = DEFAULT_DOMAIN) -> Node:
    """The node that this machine is. Its name is the lower-cased host name, as kubeadm takes it."""
    device, address = default_route()
    for network in (POD_NETWORK, SERVICE_NETWORK):
        if ipaddress.ip_address(address) in ipaddress.ip_network(network):
            raise MachineUnfit(f"The machine's address {address} lies in {network}, which the cluster uses for itself.")
    return Node(name=socket.gethostname().lower(), address=address, device=device, domain=domain)


def with_addresses(node: Node, api: str, entry: str) -> Node:
    """The node with the addresses that move. MachineUnfit where one is a node's own, or no address at all."""
    for name, address in (("api", api), ("entry", entry)):
        try:
            wrong = address and ipaddress.IPv4Address(address) == ipaddress.IPv4Address(node.address)
        except ValueError:
            raise MachineUnfit(f"--{name}-address {address} is no IPv4 address.") from None
        if wrong:
            raise MachineUnfit(f"--{name}-address {address} is this machine's own. Choose a free one of its network.")
    if api and api == entry:
        raise MachineUnfit(f"--api-address and --entry-address are both {api}. Choose two free addresses.")
    return replace(node, api_address=api, entry_address=entry)


def known_node(domain_given: str = "", api: str = "", entry: str = "") -> Node:
    """This machine, with what is given now, else what was said at an earlier `up` or `join`."""
    held = json.loads(ADDRESSES.read_text()) if ADDRESSES.exists() else {"api": "", "entry": ""}
    return with_addresses(this_node(domain(domain_given)), api or held["api"], entry or held["entry"])


def note_addresses(node: Node) -> None:
    """Keep the addresses that move for a later `up`."""
    MARKS.mkdir(parents=True, exist_ok=True)
    ADDRESSES.write_text(json.dumps({"api": node.api_address, "entry": node.entry_address}))


def resolver_file() -> str:
    """The resolv.conf that pods' DNS is forwarded to: never one that names the machine's own loopback resolver."""
    stub = Path("/run/systemd/resolve/resolv.conf")
    text = Path("/etc/resolv.conf").read_text() if Path("/etc/resolv.conf").exists() else ""
    if "nameserver 127." in text and stub.exists():
        return str(stub)
    return "/etc/resolv.conf"


def has_systemd() -> bool:
    """Whether systemd runs this machine."""
    return Path("/run/systemd/system").is_dir()


def lacks_sys_resource() -> bool:
    """Whether CAP_SYS_RESOURCE (bit 24) is missing, without which runc cannot lower oom_score_adj."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return not int(line.split()[1], 16) & (1 << 24)
    return False


def is_root() -> bool:
    """Whether this process may do what the cluster needs."""
    return os.geteuid() == 0
