"""The gateway's certificate: one that names `*.<tenant>.<domain>` of every tenant and every host name that was granted,
signed by the internal authority.

The plan asks for it (action `certify`) when the one that stands lacks a tenant or soon ends. One certificate for all,
because a listener takes few and a tenant's first application must not wait for a listener of its own. Names that
the certificate already has beside the tenants' (the API, the console) stay. Which of them were granted stands with the
Secret (annotation `roost.dev/domains`), so that those can be taken back.
"""

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from roost.capabilities.tenant.domains import certified_domains
from roost.capabilities.tenant.model import AUTHORITY, GATEWAY_TLS
from roost.capabilities.tenant.observe import read_certificate
from roost.kernel.action import ActionContext
from roost.kube.errors import Conflict
from roost.model import names
from roost.model.errors import Stalled, Waiting
from roost.model.kinds.domain import Domain
from roost.model.plan import Action

LIFE: Final = timedelta(days=397)  # Browsers refuse what lives longer.
SKEW: Final = timedelta(minutes=5)  # A clock that is a little behind still accepts it.


def sign(authority: Mapping[str, str], dns_names: Sequence[str], now: datetime) -> dict[str, str]:
    """`tls.crt` and `tls.key` (PEM) for the DNS names, signed by the authority's `tls.crt` and `tls.key`.

    ValueError where the authority's key or certificate cannot be read.
    """
    signer = x509.load_pem_x509_certificate(authority["tls.crt"].encode())
    signing_key = serialization.load_pem_private_key(authority["tls.key"].encode(), None)
    if not isinstance(signing_key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("The authority's key is neither an elliptic-curve nor an RSA key.")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Roost gateway")]))
        .issuer_name(signer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(min(now + LIFE, signer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in dns_names]), critical=False)
        .sign(signing_key, hashes.SHA256())
    )
    return {
        "tls.crt": certificate.public_bytes(serialization.Encoding.PEM).decode(),
        "tls.key": key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    }


def wanted_names(current: Sequence[str], tenants: Sequence[str], domain: str) -> list[str]:
    """Every name of the next certificate: `*.<domain>`, each tenant's, and what is neither of a tenant nor known here.

    A name beneath a tenant that is gone is dropped: `*.<tenant>.<domain>` has a label more than the platform's own.
    """
    of_tenants = {f"*.{tenant}.{domain}" for tenant in tenants}
    kept = {
        name
        for name in current
        if not (name.startswith("*.") and name.endswith(f".{domain}") and name != f"*.{domain}")
    }
    return sorted({f"*.{domain}", domain} | of_tenants | kept)


async def certify(action: Action, context: ActionContext) -> None:
    """Sign the certificate for all tenants that there are now. Of two at once, the later finds Conflict and waits."""
    domain = str(action.arguments["domain"])
    authority = await context.client.get("v1", "Secret", AUTHORITY, names.SYSTEM_NAMESPACE)
    if authority is None:
        raise Waiting("NoAuthority", f"The Secret {names.SYSTEM_NAMESPACE}/{AUTHORITY} is missing: HTTPS waits for it.")
    current = await context.client.get("v1", "Secret", GATEWAY_TLS, names.SYSTEM_NAMESPACE)
    tenants = [item["metadata"]["name"] for item in await context.client.list(names.API_VERSION, "Tenant")]
    pair = {key: base64.b64decode(value).decode() for key, value in (authority.get("data") or {}).items()}
    found = [Domain.parse(item) for item in await context.client.list(names.API_VERSION, Domain.KIND)]
    granted = sorted(item.metadata.name for item in found if not item.metadata.deletion_timestamp)
    others = set(read_certificate(current)[0]) - set(certified_domains(current))
    dns_names = sorted({*wanted_names(sorted(others), tenants, domain), *granted})
    try:
        made = sign(pair, dns_names, datetime.now(UTC))
    except (KeyError, ValueError) as error:
        raise Stalled("AuthorityUnreadable", f"The internal authority cannot sign: {error}") from error
    secret: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": GATEWAY_TLS,
            "namespace": names.SYSTEM_NAMESPACE,
            "labels": {names.PLATFORM: "gateway"},
            "annotations": {names.DOMAINS: " ".join(granted)},
        },
        "type": "kubernetes.io/tls",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in made.items()},
    }
    if current is None:
        await context.client.create(secret, "roost-tenant")
        return
    notes = {**(current["metadata"].get("annotations") or {}), names.DOMAINS: " ".join(granted)}
    secret["metadata"] = current["metadata"] | {"managedFields": None, "annotations": notes}
    try:
        await context.client.replace(secret, "roost-tenant")
    except Conflict as error:
        raise Waiting("Certifying", "Another tenant's certificate was written meanwhile.", 1.0) from error


ACTIONS: Mapping[str, Callable[[Action, ActionContext], Awaitable[None]]] = {"certify": certify}
