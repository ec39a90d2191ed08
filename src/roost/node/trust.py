"""Whom the platform trusts: the internal authority, the certificates it signed, shared secrets. Made once, kept in the
cluster, renewed when they near their end. Called by `up` and `roost install` once the API answers.

    Secret roost-ca          kubernetes.io/tls   the internal authority
    ConfigMap roost-trust    ca.crt, bundle.crt  the authority; the same and the machine's own bundle
    Secret registry-tls      kubernetes.io/tls   the registry's certificate
    Secret gateway-tls       kubernetes.io/tls   the gateway's first certificate; the controller adds tenants' names
    Secret registry-token    key.pem, http-secret
    Secret git-shared        token               shared by API and git server
    Secret image-signing     key.pem, since      signs images; since when this installation has signed any (RFC 3339)
    ConfigMap image-signing  cosign.pub          the public part
    Secret roost-node-ca     kubernetes.io/tls   the authority of nodes that pull images

On the embedded cluster there are also the Secrets metrics-server-tls, in kube-system, gateway-view-tls (what gateways
show where they tell what they lead to) and roost-drain-tls (by which they know who may ask).
"""

import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from roost.model.conditions import timestamp
from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node import machine, pki
from roost.node.kubectl import Kubectl, NotReady
from roost.node.manifests import common, drain, gateway, metrics_server, platform, registry
from roost.node.pki import Pair
from roost.surface import registry as tokens
from roost.surface import signatures

BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
NODE_AUTHORITY = "roost-node-ca"
NODE_FILES = machine.CONFIG / "registry"
TLS = "kubernetes.io/tls"


@dataclass(frozen=True)
class Trust:
    """What later steps need of it."""

    authority: Pair
    node_authority: Pair
    token_key: bytes  # PEM, signs registry tokens.

    @property
    def registry_files(self) -> dict[str, str]:
        """Public files that the registry checks callers by."""
        return {
            "jwks.json": json.dumps(tokens.jwks(self.token_key)),
            "node-ca.crt": self.node_authority.certificate,
        }


def texts(secret: Mapping[str, Any]) -> dict[str, str]:
    """What a Secret holds, as texts."""
    return {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}


def _read(kubectl: Kubectl, name: str) -> dict[str, str] | None:
    """A Secret's texts, or None."""
    found = kubectl.get("secret", name, HERE)
    return None if found is None else texts(found)


def once(kubectl: Kubectl, name: str, make: Callable[[], Mapping[str, str]], kind: str = "Opaque") -> dict[str, str]:
    """The Secret's texts; made when there is none or when it lacks a key that `make` gives."""
    held = _read(kubectl, name)
    if held is not None and held:
        return held
    made = dict(make())
    kubectl.apply([common.secret(name, HERE, made, kind)])
    return made


def _authority(kubectl: Kubectl, name: str, common_name: str, now: datetime) -> Pair:
    def make() -> dict[str, str]:
        pair = pki.authority(common_name, now)
        return {"tls.crt": pair.certificate, "tls.key": pair.key}

    held = once(kubectl, name, make, TLS)
    return Pair(held["tls.crt"], held["tls.key"])


def authority_of(kubectl: Kubectl, name: str) -> Pair:
    """One of the authorities that `establish` made."""
    held = _read(kubectl, name)
    if held is None:
        raise NotReady(f"The Secret {HERE}/{name} is missing: the platform is not installed yet. Run `roost node up`.")
    return Pair(held["tls.crt"], held["tls.key"])


def _serving(
    kubectl: Kubectl,
    where: tuple[str, str],
    signer: Pair,
    names: Sequence[str],
    now: datetime,
    asked: bool,
    client: bool = False,
) -> bool:
    """A server's (or client's) certificate in the Secret `where` (name, namespace); whether it was signed anew."""
    found = kubectl.get("secret", *where)
    held = texts(found) if found else {}
    if held and not asked and pki.still_good(Pair(held["tls.crt"], held["tls.key"]), signer, names, now):
        return False
    pair = pki.leaf(signer, names[0], names, now, client)
    kubectl.apply([common.secret(*where, {"tls.crt": pair.certificate, "tls.key": pair.key}, TLS)])
    return True


def registry_certificate(
    kubectl: Kubectl, signer: Pair, more: Sequence[str], now: datetime, asked: bool = False
) -> bool:
    """The registry's; whether it is signed anew. `more`: names and addresses beside those of its service."""
    return _serving(kubectl, (registry.TLS_SECRET, HERE), signer, (*registry.NAMES, *more), now, asked)


def metrics_certificate(kubectl: Kubectl, signer: Pair, now: datetime, asked: bool = False) -> bool:
    """metrics-server's, by which kube-apiserver knows whom it asks; whether it is signed anew."""
    where = (metrics_server.TLS_SECRET, common.SYSTEM)
    return _serving(kubectl, where, signer, (metrics_server.HOST,), now, asked)


def view_certificates(kubectl: Kubectl, signer: Pair, now: datetime, asked: bool = False) -> bool:
    """What a gateway and whoever asks it for its view show each other; whether either is signed anew."""
    told = _serving(kubectl, (gateway.VIEW_SECRET, HERE), signer, (gateway.VIEW_NAME,), now, asked)
    asks = _serving(kubectl, (drain.TLS_SECRET, HERE), signer, (drain.NAME,), now, asked, client=True)
    return told or asks


def _gateway_certificate(kubectl: Kubectl, signer: Pair, domain: str, now: datetime) -> None:
    """Only when there is none: from then on it is the controller's, which knows the tenants."""

    def make() -> dict[str, str]:
        pair = pki.leaf(signer, "Roost gateway", (f"*.{domain}", domain), now)
        return {"tls.crt": pair.certificate, "tls.key": pair.key}

    once(kubectl, gateway.TLS_SECRET, make, TLS)


def node_certificate(node: str, authority: Pair, node_authority: Pair, now: datetime) -> bool:
    """Write what containerd shows the registry, and whom it believes to be the registry; whether it is signed anew."""
    pki.write_private(NODE_FILES / "ca.crt", authority.certificate, mode=0o644)
    held = pki.read_pair(NODE_FILES / "node.crt", NODE_FILES / "node.key")
    if held and pki.still_good(held, node_authority, (), now):
        return False
    pair = pki.leaf(node_authority, f"node:{node}", (), now, client=True)
    pki.write_private(NODE_FILES / "node.key", pair.key)
    pki.write_private(NODE_FILES / "node.crt", pair.certificate)
    return True


def bundle(authority: Pair, outside: str) -> str:
    """The authority, and all others."""
    return authority.certificate + outside


def held_bundle(kubectl: Kubectl) -> str:
    """Whom an installation trusts beside its own authority."""
    found = kubectl.get("configmap", platform.TRUST, HERE) or {"data": {}}
    data = found["data"]
    return str(data.get("bundle.crt", "")).removeprefix(data.get("ca.crt", ""))


def machines_bundle() -> str:
    """All whom this machine trusts."""
    return BUNDLE.read_text() if BUNDLE.exists() else ""


def publish(kubectl: Kubectl, signing_key: str) -> str:
    """The public part of the key that images are signed with, for everybody to read; PEM."""
    public = signatures.public_key(signing_key.encode()).decode()
    kubectl.apply([common.config_map(platform.SIGNING, HERE, {"cosign.pub": public})])
    return public


def establish(kubectl: Kubectl, domain: str, registry_names: Sequence[str], outside: str, now: datetime) -> Trust:
    """Everything in the cluster, idempotent.

    `registry_names`: host names and addresses that the registry is reached by beside its service's; `outside`: the PEM
    bundle of whom else the platform and builds trust.
    """
    authority = _authority(kubectl, platform.AUTHORITY, "Roost internal authority", now)
    node_authority = _authority(kubectl, NODE_AUTHORITY, "Roost nodes", now)
    registry_certificate(kubectl, authority, registry_names, now)
    _gateway_certificate(kubectl, authority, domain, now)
    key = once(
        kubectl,
        registry.TOKEN_SECRET,
        lambda: {"key.pem": tokens.new_key().decode(), "http-secret": secrets.token_urlsafe(32)},
    )
    once(kubectl, platform.GIT_SECRET, lambda: {"token": secrets.token_urlsafe(32)})
    signing = once(
        kubectl,
        platform.SIGNING,
        lambda: {"key.pem": signatures.new_key().decode(), "since": timestamp(now)},
    )
    publish(kubectl, signing["key.pem"])
    trusted = {"ca.crt": authority.certificate, "bundle.crt": bundle(authority, outside)}
    kubectl.apply([common.config_map(platform.TRUST, HERE, trusted)])
    return Trust(authority, node_authority, key["key.pem"].encode())
