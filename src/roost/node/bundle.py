"""What a new machine needs to become a node: made by `roost node add` on a node of the control plane, read by
`roost node join` on the new machine. One file, for its owner's eyes, good for two hours.

It names whom to believe (the cluster's authority), carries a token that may ask for a node's certificate and nothing
else, the kubelet's serving certificate, and what containerd shows the registry. For a member of the control plane it
also carries the key under which kubeadm keeps the authorities in the cluster for that time, and the key that Secrets
are encrypted with.
"""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from roost.node.pki import write_private

LIFE_HOURS = 2  # As long as kubeadm keeps the uploaded authorities.
Role = Literal["worker", "control-plane"]


class BundleInvalid(ValueError):
    """The file is no bundle, or not for this machine, or too old; the text says what to do."""


class Credential(BaseModel):
    """A certificate and its key, PEM."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate: str
    key: str


class ControlPlane(BaseModel):
    """What a member of the control plane needs besides."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate_key: str = Field(pattern="^[0-9a-f]{64}$")
    encryption: str  # Text of kube-apiserver's EncryptionConfiguration.


class Bundle(BaseModel):
    """The file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")
    address: IPv4Address
    device: str
    domain: str
    role: Role
    version: str  # Of Kubernetes, as the cluster runs it.
    server: str = Field(pattern="^https://")
    authority: str
    token: str = Field(pattern=r"^[a-z0-9]{6}\.[a-z0-9]{16}$")
    expires: AwareDatetime
    images: tuple[str, ...]  # References of what the cluster's pods run; never pulled, so each node must have them.
    serving: Credential
    registry: Credential
    registry_authority: str
    api_address: str = ""
    entry_address: str = ""
    control_plane: ControlPlane | None = None


def write(bundle: Bundle, path: Path) -> None:
    """Write it so that only its owner can read it."""
    write_private(path, bundle.model_dump_json(indent=1))


def read(text: str, now: datetime) -> Bundle:
    """Read it. BundleInvalid where it is none or has expired."""
    try:
        found = Bundle.model_validate(json.loads(text))
    except (ValueError, ValidationError) as wrong:
        raise BundleInvalid(
            "This is no bundle of `roost node add`. Make one on a node of the control plane: "
            "`roost node add NAME --address ADDRESS --output FILE`, and bring the file here."
        ) from wrong
    if found.expires <= now:
        raise BundleInvalid(
            f"The bundle expired at {found.expires.astimezone(UTC):%Y-%m-%d %H:%M} UTC; its token opens nothing any "
            f"more. Make a new one: `roost node add {found.name} --address {found.address}`."
        )
    return found


def discovery(bundle: Bundle) -> Mapping[str, Any]:
    """The kubeconfig by which kubeadm finds and believes the cluster; its only right is to ask for a certificate."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "roost", "cluster": {"server": bundle.server, "certificate-authority-data": b64(bundle.authority)}}
        ],
        "users": [{"name": "new-node", "user": {"token": bundle.token}}],
        "contexts": [{"name": "join", "context": {"cluster": "roost", "user": "new-node"}}],
        "current-context": "join",
    }


def b64(text: str) -> str:
    """Base64 of a text."""
    return base64.b64encode(text.encode()).decode()
