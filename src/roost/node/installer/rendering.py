"""Everything of the platform as manifests in phases, from options and images. Pure.

The embedded cluster and any other get the same; what differs stands in the options.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roost.capabilities.tenant import admission, roles, walls
from roost.capabilities.tenant.model import SETTINGS
from roost.model.names import GROUP, PRELOADED
from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node.installer.options import DRAIN, Options
from roost.node.machine import Node
from roost.node.manifests import (
    advisories,
    collector,
    common,
    drain,
    fairness,
    gateway,
    network,
    node_trust,
    platform,
    registry,
)
from roost.node.manifests.common import Disk, Manifest

REPOSITORIES = "roost-git"  # Claims, where there are claims.
REGISTRY_DATA = "registry"
KINDS, SPACES, RIGHTS, WORKLOADS, WALLS = "kinds", "namespaces", "rights", "workloads", "walls"


@dataclass(frozen=True)
class Disks:
    """Where the platform's data is."""

    registry: Disk
    repositories: Disk


@dataclass(frozen=True)
class Parts:
    """What is made outside: images by name, definitions of kinds, the registry's public files."""

    images: Mapping[str, str]
    kinds: Sequence[Manifest]
    registry_files: Mapping[str, str]


Phases = Mapping[str, Sequence[Manifest]]


def claims(options: Options) -> list[Manifest]:
    """The claims, where the data is not on a node's own disk."""
    if options.node:
        return []
    sizes = {REGISTRY_DATA: options.registry_size, REPOSITORIES: options.repositories_size}
    return [common.claim(name, HERE, size, options.storage_class) for name, size in sizes.items()]


def settings(options: Options) -> Manifest:
    """What a tenant's walls depend on."""
    networks = {
        "podNetworks": " ".join(options.pod_networks),
        "serviceNetworks": " ".join(options.service_networks),
        "nodeNetworks": " ".join(options.node_networks),
    }
    return common.config_map(SETTINGS, HERE, {key: value for key, value in networks.items() if value})


def entrance(options: Options, images: Mapping[str, str]) -> list[Manifest]:
    """The gateway: ours, and whoever asks it where instances end; or only the Gateway where a class serves it."""
    if options.gateway_class:
        return gateway.entrance(options.domain, options.gateway_class)
    asks = DRAIN in images
    ours = gateway.everything(Node(options.node, options.address, "", options.domain), images["traefik"], asks)
    return [*ours, *(drain.everything(images[DRAIN]) if asks else [])]


def workloads(options: Options, parts: Parts, disks: Disks) -> list[Manifest]:
    """Whatever runs, and what it is configured by."""
    images = parts.images
    ours = platform.Platform(
        domain=options.domain,
        image=images["platform"],
        builder_image=images["buildkit"],
        scanner_image=images["scanner"],
        repositories=disks.repositories,
        mirrors=options.mirrors,
        proxy=options.proxy,
        kubernetes_url=options.kubernetes_url,
        drain=DRAIN in images,
    )
    return [
        settings(options),
        *claims(options),
        *registry.everything(images["registry"], disks.registry, parts.registry_files, options.registry_address),
        *collector.everything(images["platform"], disks.registry),
        *advisories.everything(images["platform"], images["scanner"], options.advisories),
        *([] if options.embedded else node_trust.everything(images["platform"], options.registry_address)),
        *entrance(options, images),
        *platform.everything(ours),
    ]


def own_kinds(parts: Parts) -> list[str]:
    """The plurals of Roost's own kinds."""
    defined = [item["spec"] for item in parts.kinds]
    return [spec["names"]["plural"] for spec in defined if spec["group"] == GROUP]


def phases(options: Options, parts: Parts, disks: Disks | None = None) -> dict[str, list[Manifest]]:
    """Everything, in the order of applying: one phase after the other, each in its order."""
    held = disks or Disks(Disk(claim=REGISTRY_DATA), Disk(claim=REPOSITORIES))
    cilium = options.walls == "cilium"
    return {
        KINDS: list(parts.kinds),
        SPACES: platform.namespaces(),
        RIGHTS: [
            *roles.cluster_roles(own_kinds(parts)),
            *roles.system_bindings(),
            *admission.policies(options.domain, platform=options.registry or PRELOADED),
            *fairness.everything(),
        ],
        WORKLOADS: workloads(options, parts, held),
        WALLS: [
            *(walls.cluster_walls() if cilium else []),
            *network.policies(None if cilium else options.node_networks),
        ],
    }


def digest(phases: Phases) -> str:
    """12 hex digits over everything: two installations with the same digest are the same."""
    return hashlib.sha256(json.dumps(phases, sort_keys=True).encode()).hexdigest()[:12]


Identity = tuple[str, str, str, str]


def identity(manifest: Mapping[str, Any]) -> Identity:
    """(apiVersion, kind, namespace, name)."""
    meta = manifest["metadata"]
    return manifest["apiVersion"], manifest["kind"], meta.get("namespace", ""), meta["name"]
