"""What an installation decides, once; kept with its record, so that an upgrade asks nothing again. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

# The images that the platform itself runs; builds and steps of runs use the first three.
IMAGES = ("platform", "buildkit", "scanner", "registry", "traefik")
DRAIN = "drain"  # Beside those where our own gateway runs on nodes that hold the image already.


class OptionsRefused(ValueError):
    """Options that cannot be; the text says which and what is allowed."""


@dataclass(frozen=True)
class Options:
    """Empty texts are defaults: what that means stands beside each."""

    domain: str  # Applications answer beneath it.
    embedded: bool = False  # The cluster that `roost node up` made on this machine.
    registry: str = ""  # Where nodes pull the platform's images, e.g. registry.example.org/roost; empty: preloaded.
    node: str = ""  # Whose disk holds registry and repositories; empty: claims on the cluster's storage.
    storage_class: str = ""  # Of those claims; empty: the cluster's default.
    registry_size: str = "20Gi"
    repositories_size: str = "10Gi"
    gateway_class: str = ""  # Of the cluster, to serve our Gateway; empty: our own, on the nodes' ports 80 and 443.
    address: str = ""  # Where our own gateway is reached; told in the Gateway's status.
    registry_address: str = ""  # The cluster address of our registry; empty: Kubernetes chooses.
    pod_networks: tuple[str, ...] = ("10.244.0.0/16",)
    service_networks: tuple[str, ...] = ("10.96.0.0/16",)
    node_networks: tuple[str, ...] = ()  # Counts where `walls` is "policies".
    walls: Literal["cilium", "policies"] = "cilium"  # What keeps tenants apart; see the decision on walls.
    mirrors: str = ""  # The site's package mirrors for builds.
    proxy: str = ""  # The site's HTTP proxy for builds.
    advisories: str = ""  # The site's mirror of the OSV archives, fetched daily.
    kubernetes_url: str = ""  # Where people's kubectl reaches kube-apiserver; empty: nobody is told.

    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def read(cls, text: str) -> "Options":
        """From JSON; what a later version knew beside is left out. OptionsRefused where it is none."""
        try:
            held = json.loads(text)
        except ValueError as error:
            raise OptionsRefused(f"The recorded options are unreadable: {error}.") from error
        return cls.of(held)

    @classmethod
    def of(cls, held: Mapping[str, Any]) -> "Options":
        """From plain data."""
        known = {item.name for item in fields(cls)}
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in held.items()
        }
        if not values.get("domain"):
            raise OptionsRefused("The recorded options name no domain.")
        return cls(**{key: value for key, value in values.items() if key in known})
