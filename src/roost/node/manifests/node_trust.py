"""Nodes that Roost did not make learn to pull tenants' images: a DaemonSet writes for containerd whom to believe and
what to show, where containerd looks for it (`/etc/containerd/certs.d`; read at each pull, nothing is restarted).

It runs as root, because the directory is root's, and has no other right: no token, no network, one directory.
"""

from typing import Final

from roost.model.names import REGISTRY
from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node.manifests.common import (
    NODE_CRITICAL,
    SAFE_CONTAINER,
    Manifest,
    config_map,
    container,
    host_path,
    metadata,
    mount,
    pod_template,
    resources,
    selector,
    service_account,
)
from roost.node.manifests.registry import NODE_PORT

NAME: Final = "roost-node-trust"
CLIENT: Final = "roost-node-client"  # Secret: ca.crt, node.crt, node.key.
CERTS: Final = "/etc/containerd/certs.d"
DIRECTORY: Final = f"{CERTS}/{REGISTRY}"
# Files that are the same are left alone; a missing directory is made. Then it waits, and looks again each minute.
WRITE: Final = """
set -eu
umask 077
while :; do
  mkdir -p "$1"
  for file in /settings/hosts.toml /client/ca.crt /client/node.crt /client/node.key; do
    name=$(basename "$file")
    cmp -s "$file" "$1/$name" || { cp "$file" "$1/.$name" && mv "$1/.$name" "$1/$name"; }
  done
  touch /tmp/written
  sleep 60 & wait $!
done
"""
REMOVE: Final = 'rm -rf "$1"; touch /tmp/written; sleep infinity & wait $!'


def hosts_toml(address: str) -> str:
    """How containerd pulls from the registry at its cluster address."""
    return f"""\
# Written by Roost; changes are lost.
server = "https://{address}:{NODE_PORT}"

[host."https://{address}:{NODE_PORT}"]
  capabilities = ["pull", "resolve"]
  ca = "{DIRECTORY}/ca.crt"
  client = [["{DIRECTORY}/node.crt", "{DIRECTORY}/node.key"]]
"""


def writer(image: str, script: str = WRITE) -> Manifest:
    """The DaemonSet; with REMOVE it takes away what it wrote."""
    body = container(
        NAME,
        image,
        command=["sh", "-c", script, "sh", f"/host/{REGISTRY}"],
        securityContext={**SAFE_CONTAINER, "runAsUser": 0, "runAsNonRoot": False},
        readinessProbe={"exec": {"command": ["test", "-e", "/tmp/written"]}, "periodSeconds": 2},
        livenessProbe={"exec": {"command": ["test", "-d", "/tmp"]}, "periodSeconds": 60},
        resources=resources("5m", "16Mi", "64Mi"),
        volumeMounts=[
            mount("host", "/host"),
            mount("settings", "/settings", readOnly=True),
            mount("client", "/client", readOnly=True),
            mount("scratch", "/tmp"),
        ],
    )
    spec: Manifest = {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": False,
        "priorityClassName": NODE_CRITICAL,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 2,
        "tolerations": [{"operator": "Exists"}],
        "containers": [body],
        "volumes": [
            host_path("host", CERTS),
            {"name": "settings", "configMap": {"name": NAME}},
            {"name": "client", "secret": {"secretName": CLIENT, "defaultMode": 0o400}},
            {"name": "scratch", "emptyDir": {"sizeLimit": "1Mi"}},
        ],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata(NAME, HERE),
        "spec": {"selector": {"matchLabels": selector(NAME)}, "template": pod_template(NAME, spec)},
    }


def everything(image: str, address: str) -> list[Manifest]:
    """All of it; the Secret must be there."""
    return [
        service_account(NAME, HERE),
        config_map(NAME, HERE, {"hosts.toml": hosts_toml(address)}),
        writer(image),
    ]
