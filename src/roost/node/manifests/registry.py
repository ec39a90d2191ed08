"""The registry: one store, two doors. Tenants and builders use the token door (5000); nodes pull through a read-only
door (5001) that asks for a client certificate, so that pulling needs neither the API nor a password on the node.
"""

import json
from collections.abc import Mapping
from typing import Final

from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node.manifests.common import (
    CRITICAL,
    Disk,
    Manifest,
    config_map,
    container,
    deployment,
    http_probe,
    mount,
    pod_template,
    resources,
    service,
    service_account,
)
from roost.surface import registry as tokens

NAME: Final = "registry"
PORT: Final = 5000
NODE_PORT: Final = 5001
SERVICE: Final = f"{NAME}.{HERE}.svc:{PORT}"
NAMES: Final = (f"{NAME}.{HERE}.svc", f"{NAME}.{HERE}.svc.cluster.local")
REALM: Final = f"https://roost-api.{HERE}.svc/registry/token"
TLS_SECRET: Final = "registry-tls"
TOKEN_SECRET: Final = "registry-token"


def configuration(nodes: bool) -> Manifest:
    """distribution's configuration of one of the two doors."""
    storage: Manifest = {
        "filesystem": {"rootdirectory": "/data", "maxthreads": 100},
        "delete": {"enabled": not nodes},
        "redirect": {"disable": True},
        "maintenance": {"uploadpurging": {"enabled": not nodes, "age": "24h", "interval": "6h", "dryrun": False}},
    }
    if nodes:
        # No cache of descriptors here: what the other door deletes must be gone here too.
        storage["maintenance"]["readonly"] = {"enabled": True}
    tls: Manifest = {
        "certificate": "/etc/registry-tls/tls.crt",
        "key": "/etc/registry-tls/tls.key",
        "minimumtls": "tls1.2",
    }
    if nodes:
        tls["clientcas"] = ["/etc/registry/node-ca.crt"]
    found: Manifest = {
        "version": 0.1,
        "log": {"level": "info", "formatter": "json", "accesslog": {"disabled": nodes}},
        "storage": storage,
        "http": {
            "addr": f":{NODE_PORT if nodes else PORT}",
            "relativeurls": True,
            "draintimeout": "20s",
            "tls": tls,
            "debug": {"addr": f":{5003 if nodes else 5002}", "prometheus": {"enabled": True, "path": "/metrics"}},
        },
        "health": {"storagedriver": {"enabled": True, "interval": "10s", "threshold": 3}},
    }
    if not nodes:
        found["auth"] = {
            "token": {
                "realm": REALM,
                "service": tokens.SERVICE,
                "issuer": tokens.ISSUER,
                "jwks": "/etc/registry/jwks.json",
                "signingalgorithms": ["ES256"],
            }
        }
    return found


def _door(name: str, image: str, file: str, ports: tuple[int, int]) -> Manifest:
    secret = {
        "name": "REGISTRY_HTTP_SECRET",
        "valueFrom": {"secretKeyRef": {"name": TOKEN_SECRET, "key": "http-secret"}},
    }
    return container(
        name,
        image,
        args=["serve", f"/etc/registry/{file}"],
        env=[secret, {"name": "OTEL_TRACES_EXPORTER", "value": "none"}],
        ports=[{"name": name, "containerPort": ports[0]}, {"name": f"{name}-debug", "containerPort": ports[1]}],
        startupProbe=http_probe("/debug/health", ports[1], periodSeconds=1, failureThreshold=60),
        livenessProbe=http_probe("/debug/health", ports[1], periodSeconds=15, timeoutSeconds=5, failureThreshold=4),
        readinessProbe=http_probe("/debug/health", ports[1], periodSeconds=3, timeoutSeconds=3),
        resources=resources("20m", "64Mi", "384Mi"),
        volumeMounts=[
            mount("config", "/etc/registry", readOnly=True),
            mount("tls", "/etc/registry-tls", readOnly=True),
            mount("data", "/data", readOnly=file == "nodes.json"),
            mount("scratch", "/tmp"),
        ],
    )


def door(address: str) -> Manifest:
    """The Service; `address` is the one that it has everywhere, or empty: Kubernetes chooses it once and for all."""
    ports = {"https": (PORT, PORT), "nodes": (NODE_PORT, NODE_PORT)}
    return service(NAME, HERE, ports, **({"clusterIP": address} if address else {}))


def everything(image: str, disk: Disk, files: Mapping[str, str], address: str) -> list[Manifest]:
    """The registry with its data on `disk`. `files`: `jwks.json` and `node-ca.crt`; `address`: see `door`."""
    settings = {
        "tokens.json": json.dumps(configuration(nodes=False), indent=1),
        "nodes.json": json.dumps(configuration(nodes=True), indent=1),
        **files,
    }
    spec: Manifest = {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": False,
        "priorityClassName": CRITICAL,
        **disk.placement,
        "terminationGracePeriodSeconds": 30,
        "containers": [
            _door("registry", image, "tokens.json", (PORT, 5002)),
            _door("nodes", image, "nodes.json", (NODE_PORT, 5003)),
        ],
        "volumes": [
            {"name": "config", "configMap": {"name": "registry"}},
            {"name": "tls", "secret": {"secretName": TLS_SECRET, "defaultMode": 0o440}},
            disk.volume("data"),
            {"name": "scratch", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
    }
    template = pod_template(NAME, spec)
    return [
        service_account(NAME, HERE),
        config_map("registry", HERE, settings),
        deployment(NAME, HERE, 1, template, strategy={"type": "Recreate"}),
        door(address),
    ]
