"""Keys and certificates of the embedded cluster: authorities, server and client certificates.

Used by `control_plane` (kubelet's serving certificate), `trust` (the internal authority, gateway, registry, nodes).
Everything is P-256; times come as arguments.
"""

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=397)
RENEW_BEFORE = timedelta(days=60)
SKEW = timedelta(minutes=5)  # A clock that is a little behind still accepts a fresh certificate.


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, both PEM."""

    certificate: str
    key: str

    @property
    def parsed(self) -> x509.Certificate:
        """The certificate as an object."""
        return x509.load_pem_x509_certificate(self.certificate.encode())


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """The key as PKCS#8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def authority(common_name: str, now: datetime) -> Pair:
    """A self-signed certificate authority that signs leaves only."""
    key = new_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(_name(common_name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(certificate.public_bytes(serialization.Encoding.PEM).decode(), key_pem(key))


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def leaf(signer: Pair, common_name: str, names: Sequence[str], now: datetime, client: bool = False) -> Pair:
    """A certificate of `signer` for host names and addresses, for servers, or for clients when `client` is set."""
    key = new_key()
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    loaded = serialization.load_pem_private_key(signer.key.encode(), None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(signer.parsed.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(min(now + LEAF_LIFE, signer.parsed.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.parsed.public_key()),  # type: ignore[arg-type]
            critical=False,
        )
    )
    if names:
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
    certificate = builder.sign(loaded, hashes.SHA256())
    return Pair(certificate.public_bytes(serialization.Encoding.PEM).decode(), key_pem(key))


def still_good(pair: Pair, signer: Pair, names: Sequence[str], now: datetime) -> bool:
    """Whether a leaf need not be made anew: same signer, same names, not near its end."""
    certificate = pair.parsed
    try:
        certificate.verify_directly_issued_by(signer.parsed)
    except (ValueError, TypeError, InvalidSignature):
        return False
    if certificate.not_valid_after_utc - now < RENEW_BEFORE:
        return False
    if not names:
        return True
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(found) == {_alternative(name) for name in names}


def names_address(pair: Pair, address: str) -> bool:
    """Whether a certificate is for an address."""
    found = pair.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return _alternative(address) in found


def read_pair(certificate: Path, key: Path) -> Pair | None:
    """A pair from two files, or None where one is missing."""
    if certificate.exists() and key.exists():
        return Pair(certificate.read_text(), key.read_text())
    return None


def write_private(path: Path, text: str, mode: int = 0o600) -> bool:
    """Write a file that only root reads, whole or not at all; whether it changed."""
    if path.exists() and path.read_text() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")  # With a dot, because the kubelet reads what is beside manifests.
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(fresh, mode)
    os.replace(fresh, path)
    return True
