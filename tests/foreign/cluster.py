"""A cluster that Roost did not make: plain kubeadm in a test host, with usual paths and networks of its own.

    with cluster("cilium") as made:      # or "bridge", which takes NetworkPolicies and enforces none
        made.kubeconfig, made.registry, made.authority, made.kubectl("get", "nodes")

Nothing of `roost node up` runs in it: containerd and kubelet are started by hand with a minimal configuration, the
control plane by `kubeadm init`, Cilium (or a bridge), CoreDNS and a few local volumes as a company's
administrators would have set them up. Beside the host, on the machine, an image registry that its nodes trust.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from roost.node import engine, images, pki
from roost.node.machine import Node
from roost.node.manifests import cilium, dns
from roost.node.testbed.bed import Bed

ROOT = Path(__file__).resolve().parents[2]
PODS, SERVICES, DNS = "10.200.0.0/16", "10.112.0.0/16", "10.112.0.10"
CONTROL_PLANE = ("pause", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
CERTS = "/etc/containerd/certs.d"
VOLUMES = 4
NOBODY = 65532
REGISTRY_PORT = 5443

CONTAINERD = """
version = 3
oom_score = 0
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{pause}"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "{certs}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  enable_unprivileged_ports = true
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        BinaryName = "/opt/cluster/runc"
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/opt/cni/bin"]
    conf_dir = "/etc/cni/net.d"
"""
KUBELET = """
while :; do
  if [ -f /var/lib/kubelet/kubeadm-flags.env ]; then
    . /var/lib/kubelet/kubeadm-flags.env
    /opt/cluster/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
      --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS
  fi
  sleep 1
done
"""
BRIDGE = {
    "cniVersion": "1.0.0",
    "name": "plain",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipMasq": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.200.0.0/24"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


@dataclass
class Foreign:
    """A running cluster."""

    bed: Bed
    folder: Path
    programs: engine.Engine
    network: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def host(self) -> str:
        """The one test host."""
        return next(iter(self.bed.hosts))

    @property
    def address(self) -> str:
        """The host's address."""
        return self.bed.hosts[self.host].address

    @property
    def kubeconfig(self) -> Path:
        """Of the cluster's administrator; works on the machine."""
        return self.folder / "kubeconfig"

    @property
    def registry(self) -> str:
        """Where images are pushed to and nodes pull from."""
        return f"{self.bed.gateway}:{REGISTRY_PORT}/roost"

    @property
    def authority(self) -> Path:
        """Certificate of the authority that the registry is known by."""
        return self.folder / "ca.crt"

    def kubectl(self, *arguments: str, text: str | None = None, check: bool = True) -> str:
        """One kubectl command; what it printed."""
        command = [str(self.programs.path("kubectl")), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0 or not check, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Apply objects."""
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=listed)

    def roost(self, *arguments: str, timeout_s: float = 900) -> subprocess.CompletedProcess[str]:
        """`roost ARGUMENTS` on the machine, against this cluster."""
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "ROOST_LANG": "en"}
        command = [sys.executable, "-m", "roost.cli.main", *arguments]
        return subprocess.run(
            command, env=environment, cwd=self.folder, capture_output=True, text=True, check=False, timeout=timeout_s
        )

    def get(self, host: str, path: str = "/") -> tuple[int, str]:
        """(status, body) of the gateway's answer for a host name; status 0 without one."""
        url = f"http://{host}{path}"
        command = ["curl", "-s", "--max-time", "5", "--noproxy", "*", "--resolve", f"{host}:80:{self.address}"]
        done = subprocess.run([*command, "-w", "\n%{http_code}", url], capture_output=True, text=True, check=False)
        body, _, status = done.stdout.rpartition("\n")
        return int(status or 0), body

    def sh(self, script: str, timeout_s: float = 300) -> str:
        """A shell script in the host."""
        return self.bed.run(self.host, ["sh", "-euc", script], timeout_s=timeout_s)


def until(true: Callable[[], Any], what: str, within_s: float = 180) -> Any:
    """The first true value."""
    deadline = time.monotonic() + within_s
    while not (value := true()):
        assert time.monotonic() < deadline, f"After {within_s:.0f} s still not: {what}"
        time.sleep(0.5)
    return value


def _registry(made: Foreign) -> None:
    """distribution's registry on the machine, at the bed's gateway."""
    now = datetime.now(UTC)
    signer = pki.authority("A company", now)
    pair = pki.leaf(signer, made.bed.gateway, [made.bed.gateway], now)
    files = {"ca.crt": signer.certificate, "tls.crt": pair.certificate, "tls.key": pair.key}
    for name, text in files.items():
        pki.write_private(made.folder / name, text)
    config = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(made.folder / "registry")}},
        "http": {
            "addr": f"{made.bed.gateway}:{REGISTRY_PORT}",
            "tls": {"certificate": str(made.folder / "tls.crt"), "key": str(made.folder / "tls.key")},
        },
    }
    (made.folder / "registry.yaml").write_text(yaml.safe_dump(config))
    command = [str(made.programs.path("registry")), "serve", str(made.folder / "registry.yaml")]
    log = (made.folder / "registry.log").open("wb")
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    made.processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))
    where = f"{CERTS}/{made.bed.gateway}:{REGISTRY_PORT}"
    hosts = f'[host."https://{made.bed.gateway}:{REGISTRY_PORT}"]\n  ca = "{where}/ca.crt"\n'
    _write(made, f"{where}/ca.crt", signer.certificate)
    _write(made, f"{where}/hosts.toml", hosts)


def _write(made: Foreign, path: str, text: str) -> None:
    made.bed.run(made.host, ["sh", "-euc", 'mkdir -p "$(dirname "$0")"; cat > "$0"', path], text=text)


def _runtime(made: Foreign, built: images.Images) -> None:
    """containerd with the images that a node of a company would pull from somewhere."""
    names = ("containerd", "containerd-shim-runc-v2", "ctr", "runc")
    copies = [f"cp {made.programs.path(name).resolve()} /opt/cluster/{name}" for name in names]
    copies += [f"cp {made.programs.path(name).resolve()} /opt/cni/bin/" for name in ("loopback", "portmap", "bridge")]
    copies += [f"cp {made.programs.path(name).resolve()} /opt/cni/bin/" for name in ("host-local", "cilium-cni")]
    copies.append(f"cp {made.programs.path('kubernetes').resolve()} /opt/cluster/kubernetes")
    copies += [f"ln -sf kubernetes /opt/cluster/{name}" for name in ("kubelet", "kubeadm", "kubectl")]
    made.sh("mkdir -p /opt/cluster /opt/cni/bin /etc/cni/net.d /run/netns\n" + "\n".join(copies))
    made.sh("ip netns add first; ip netns delete first; mount --bind /var/lib/kubelet /var/lib/kubelet")
    made.sh("mount --make-rshared /var/lib/kubelet; sysctl -qw net.ipv4.ip_forward=1")
    _write(made, "/etc/containerd/config.toml", CONTAINERD.format(pause=built.ref("pause"), certs=CERTS))
    path = {"PATH": "/opt/cluster:/usr/sbin:/usr/bin:/sbin:/bin"}
    command = ["/opt/cluster/containerd", "--config", "/etc/containerd/config.toml"]
    made.processes.append(made.bed.popen(made.host, command, made.folder / "containerd.log", path))
    until(lambda: "Server" in made.sh("/opt/cluster/ctr version 2>&1 || true"), "containerd", 60)
    network = ("cilium", "cilium-operator") if made.network == "cilium" else ()
    for name in (*CONTROL_PLANE, *network, "coredns"):
        item = built.images[name]
        made.sh(
            f"/opt/cluster/ctr -n k8s.io images import --no-unpack=false --index-name {item.reference} {item.archive}"
        )
    made.processes.append(
        made.bed.popen(made.host, ["sh", "-c", KUBELET], made.folder / "kubelet.log", path),
    )


def _kubeadm(made: Foreign, built: images.Images) -> None:
    """The control plane, as its manual says."""
    argument = [{"name": "kubelet-preferred-address-types", "value": "InternalIP,Hostname"}]
    documents: list[dict[str, Any]] = [
        {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": made.address},
            "nodeRegistration": {
                "criSocket": "unix:///run/containerd/containerd.sock",
                "taints": [],
                "ignorePreflightErrors": ["all"],
                "kubeletExtraArgs": [{"name": "node-ip", "value": made.address}],
            },
            "skipPhases": ["addon/kube-proxy", "addon/coredns"],
        },
        {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "ClusterConfiguration",
            "kubernetesVersion": made.programs.version("kubernetes"),
            "imageRepository": images.REPOSITORY,
            "networking": {"podSubnet": PODS, "serviceSubnet": SERVICES},
            "apiServer": {"extraArgs": argument},
            "etcd": {"local": {"imageTag": built.ref("etcd").rsplit(":", 1)[1]}},
        },
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": False,
            "failSwapOn": False,
            # The disk is the machine's, which others fill too.
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "clusterDNS": [DNS],
            "clusterDomain": "cluster.local",
        },
    ]
    _write(made, "/root-kubeadm.yaml", yaml.safe_dump_all(documents))
    made.sh("PATH=/opt/cluster:$PATH kubeadm init --config=/root-kubeadm.yaml", timeout_s=400)
    made.kubeconfig.write_text(made.bed.read(made.host, "/etc/kubernetes/admin.conf"))


def _cilium(made: Foreign, built: images.Images) -> None:
    """Cilium by its own manifests."""
    made.sh(
        f"mkdir -p {cilium.CGROUP_ROOT}; mount --bind $(findmnt -nt cgroup2 -o TARGET | head -1) {cilium.CGROUP_ROOT}"
    )
    node = Node(made.host, made.address, "eth0")
    manifests = cilium.everything(node, built.ref("cilium"), built.ref("cilium-operator"))
    config = next(item for item in manifests if item["metadata"]["name"] == "cilium-config")
    config["data"]["ipv4-native-routing-cidr"] = PODS
    made.apply(*manifests)


def _bridge(made: Foreign) -> None:
    """A bridge and nothing else: pods reach each other, and whatever a NetworkPolicy says is nobody's business."""
    _write(made, "/etc/cni/net.d/10-plain.conflist", json.dumps(BRIDGE))


def _ready(made: Foreign) -> bool:
    found = json.loads(made.kubectl("get", "nodes", "-o", "json", check=False) or '{"items": []}')["items"]
    conditions = [item for node in found for item in node["status"].get("conditions", [])]
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    if not ready:  # containerd can miss the network's configuration when an agent writes it.
        made.sh("cd /etc/cni/net.d; for f in *.conflist; do [ -f $f ] && cp $f .$f && mv .$f $f; done; true")
    return ready


def _storage(made: Foreign) -> None:
    """A default class, and local volumes that somebody made beforehand."""
    paths = [f"/srv-volumes/{number}" for number in range(VOLUMES)]
    made.sh(f"mkdir -p {' '.join(paths)}; chmod 0777 {' '.join(paths)}")
    name = {"metadata": {"name": "disks", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}
    kind = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "kubernetes.io/no-provisioner"}
    made.apply({**kind, **name, "volumeBindingMode": "WaitForFirstConsumer"}, *(_volume(made, path) for path in paths))


def _volume(made: Foreign, path: str) -> dict[str, Any]:
    match = {"key": "kubernetes.io/hostname", "operator": "In", "values": [made.host]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": path.strip("/").replace("/", "-")},
        "spec": {
            "capacity": {"storage": "30Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "disks",
            "local": {"path": path},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [match]}]}},
        },
    }


def _dns(made: Foreign, built: images.Images) -> None:
    manifests = dns.everything(built.ref("coredns"))
    service = next(item for item in manifests if item["kind"] == "Service")
    service["spec"]["clusterIP"] = DNS
    made.apply(*manifests)


@contextmanager
def cluster(network: str, folder: Path) -> Iterator[Foreign]:
    """A cluster with `cilium` or `bridge` as its network; gone afterwards, as is what a killed run left."""
    programs = engine.build()
    needed = [*CONTROL_PLANE, "coredns", *(("cilium", "cilium-operator") if network == "cilium" else ())]
    built = images.build(programs, needed)
    made = Foreign(Bed.named(f"f{network[:6]}", hosts=1), folder, programs, network)
    made.bed.up()
    try:
        _registry(made)
        _runtime(made, built)
        _kubeadm(made, built)
        (_cilium(made, built) if network == "cilium" else _bridge(made))
        until(lambda: _ready(made), "a ready node")
        _storage(made)
        _dns(made, built)
        yield made
    finally:
        for process in made.processes:
            process.kill()
        made.bed.down()
