"""containerd's configuration as text. Pure; written to disk by `up`."""

from roost.node import machine

REGISTRY = "registry.roost-system.svc:5000"
NODE_PORT = 5001  # The registry's read-only door for nodes; it asks for a client certificate.


def toml(pause_image: str, restrict_oom_score: bool) -> str:
    """containerd.toml. `restrict_oom_score` is for machines that lack CAP_SYS_RESOURCE: runc would die there."""
    return f"""\
# Written by `roost node up`; changes are lost.
version = 3
root = "{machine.STATE}/containerd"
state = "{machine.RUN}/containerd"
oom_score = {0 if restrict_oom_score else -999}

[grpc]
  address = "{machine.CONTAINERD_SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{machine.STATE}/containerd-opt"

[plugins."io.containerd.nri.v1.nri"]
  disable = true

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  max_concurrent_downloads = 4
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{pause_image}"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "{machine.CONFIG}/certs.d"

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = {str(restrict_oom_score).lower()}
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        BinaryName = "{machine.BIN}/runc"
        Root = "{machine.RUN}/runc"
        SystemdCgroup = false
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{machine.CNI_BIN}"]
    conf_dir = "{machine.CNI_CONFIG}"
"""


def hosts_toml() -> str:
    """How containerd pulls from the cluster's registry: at its fixed address, with the node's client certificate."""
    trust = machine.CONFIG / "registry"
    return f"""\
# Written by `roost node up`; changes are lost.
server = "https://{machine.REGISTRY_ADDRESS}:{NODE_PORT}"

[host."https://{machine.REGISTRY_ADDRESS}:{NODE_PORT}"]
  capabilities = ["pull", "resolve"]
  ca = "{trust}/ca.crt"
  client = [["{trust}/node.crt", "{trust}/node.key"]]
"""
