"""The gateway's certificate: which names it has, and that browsers would take it."""

import base64
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from roost.capabilities.tenant.certificate import LIFE, sign, wanted_names
from roost.capabilities.tenant.observe import read_certificate

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def authority(life: timedelta = timedelta(days=3650)) -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = key.private_bytes(pem, pkcs8, serialization.NoEncryption())
    return {"tls.crt": certificate.public_bytes(pem).decode(), "tls.key": private.decode()}


def secret(pair: dict[str, str]) -> dict[str, object]:
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in pair.items()}}


def test_it_is_signed_by_the_authority_and_names_every_tenant() -> None:
    signer = authority()
    made = sign(signer, ["*.acme.roost.localhost", "*.roost.localhost"], NOW)
    certificate = x509.load_pem_x509_certificate(made["tls.crt"].encode())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(signer["tls.crt"].encode()))
    names, until = read_certificate(secret(made))
    assert names == ("*.acme.roost.localhost", "*.roost.localhost")
    assert until == NOW + LIFE


def test_it_never_outlives_the_authority() -> None:
    made = sign(authority(timedelta(days=3)), ["a.example"], NOW)
    assert read_certificate(secret(made))[1] == NOW + timedelta(days=3)


def test_names_of_tenants_that_are_gone_go_and_others_stay() -> None:
    current = ["*.gone.roost.localhost", "*.roost.localhost", "console.example.org"]
    assert wanted_names(current, ["acme"], "roost.localhost") == [
        "*.acme.roost.localhost",
        "*.roost.localhost",
        "console.example.org",
        "roost.localhost",
    ]


def test_what_is_no_certificate_names_nothing() -> None:
    assert read_certificate(None) == ((), None)
    assert read_certificate({"data": {"tls.crt": base64.b64encode(b"nonsense").decode()}}) == ((), None)
