"""Signatures of images, as cosign makes and verifies them: made by the controller once a run has succeeded, verified
before an image may run in an environment.

What is signed is a "simple signing" payload: it names repository and digest, and beside them what Roost attests (run,
commit, project, gates). Payloads are the layers of one artefact with the tag `sha256-<digest>.sig`, each with its
signature as an annotation; the artefact refers to the image (`subject`), so it goes when the image goes.

Keys are EC P-256; signing is deterministic (RFC 6979), so that signing twice is signing once.
Sources: https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md, and for the payload
https://github.com/containers/image/blob/main/docs/containers-signature.5.md
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from roost.adapters.registry import ACCEPTED, EMPTY, MANIFEST, Registry, RegistryFailed, descriptor, digest_of

PAYLOAD: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
ARTEFACT: Final = "application/vnd.dev.cosign.artifact.sig.v1+json"
ANNOTATION: Final = "dev.cosignproject.cosign/signature"
TYPE: Final = "cosign container image signature"
MOST: Final = 20  # Signatures of one image that are kept and looked at: one for each run that built the very same.
LARGEST: Final = 64 << 10  # Bytes of a payload.
TRIES: Final = 5  # Two runs may add theirs to the same image at once.


@dataclass(frozen=True)
class Subject:
    """What a signature is about. host: of the registry, with its port; repository: without it; digest: `sha256:...`."""

    host: str
    repository: str
    digest: str

    @property
    def reference(self) -> str:
        """The repository as payloads name it."""
        return f"{self.host}/{self.repository}"

    @property
    def tag(self) -> str:
        """Where the signatures lie."""
        return f"{self.digest.replace(':', '-')}.sig"


class SignatureRefused(Exception):
    """An image that is not signed as it must be. `reason`: one CamelCase word; the text is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def new_key() -> bytes:
    """A new signing key, PEM (PKCS 8)."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_key(key_pem: bytes) -> bytes:
    """The public part, PEM: what `cosign verify --key` takes."""
    return (
        _private(key_pem)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def key_id(key_pem: bytes) -> str:
    """16 hex digits that tell a signing key from others: of SHA-256 over its public part, DER."""
    public = _private(key_pem).public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()[:16]


def _private(key_pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(key_pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("The signing key is no EC key.")
    return key


def payload(subject: Subject, claims: Mapping[str, str]) -> bytes:
    """What is signed: the same subject and claims give the same bytes."""
    body = {
        "critical": {
            "identity": {"docker-reference": subject.reference},
            "image": {"docker-manifest-digest": subject.digest},
            "type": TYPE,
        },
        "optional": dict(claims),
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def signature(key_pem: bytes, content: bytes) -> str:
    """The signature of a payload, base64."""
    signed = _private(key_pem).sign(content, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return base64.b64encode(signed).decode()


def sign(registry: Registry, key_pem: bytes, subject: Subject, claims: Mapping[str, str]) -> None:
    """Sign an image that is there, beside what others of this key have signed. What another key signed goes.

    SignatureRefused `ImageMissing` where the registry does not hold these very bytes; RegistryFailed.
    """
    about = _image(registry, subject)
    content = payload(subject, claims)
    mine = descriptor(PAYLOAD, content) | {"annotations": {ANNOTATION: signature(key_pem, content)}}
    public = public_key(key_pem)
    registry.put_blob(subject.repository, b"{}")
    registry.put_blob(subject.repository, content)
    for _ in range(TRIES):
        held = [item for item in _layers(registry, subject) if _verified(registry, subject, item, public) is not None]
        if mine["digest"] in [item["digest"] for item in held]:
            return
        layers = sorted([*held[-(MOST - 1) :], mine], key=lambda item: str(item["digest"]))
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": ARTEFACT,
            "config": descriptor(EMPTY, b"{}"),
            "layers": layers,
            "subject": about,
        }
        made = registry.put_manifest(subject.repository, subject.tag, manifest) | {"artifactType": ARTEFACT}
        registry.refer(subject.repository, subject.digest, made)
    raise RegistryFailed(f"Signatures of {subject.repository}@{subject.digest[:19]} keep being replaced.")


def verify(registry: Registry, public_pem: bytes, subject: Subject) -> tuple[dict[str, str], ...]:
    """What each valid signature of this image claims; at least one.

    SignatureRefused: ImageMissing, Unsigned, WrongSignature. RegistryFailed.
    """
    _image(registry, subject)
    layers = _layers(registry, subject)
    found = [_verified(registry, subject, item, public_pem) for item in layers]
    claims = tuple(item for item in found if item is not None)
    if claims:
        return claims
    short = f"{subject.repository}@{subject.digest[:19]}"
    if layers:
        words = f"{short} has signatures, but none by this installation's key for this repository and digest."
        raise SignatureRefused("WrongSignature", words)
    raise SignatureRefused("Unsigned", f"{short} is not signed: only what a run built and its gates let pass is.")


def _image(registry: Registry, subject: Subject) -> dict[str, Any]:
    """The descriptor of the image, whose bytes are those of its digest."""
    content = registry.read(f"{subject.repository}/manifests/{subject.digest}", ACCEPTED)
    if content is None or digest_of(content) != subject.digest:
        raise SignatureRefused("ImageMissing", f"The registry has no {subject.repository}@{subject.digest[:19]}.")
    try:
        told = json.loads(content)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise SignatureRefused("ImageMissing", f"{subject.repository}@{subject.digest[:19]} is no image.")
    return descriptor(str(told.get("mediaType", MANIFEST)), content)


def _layers(registry: Registry, subject: Subject) -> list[dict[str, Any]]:
    """The descriptors of the payloads that lie there, well-formed ones only: whoever may push could have put them."""
    manifest = registry.load(f"{subject.repository}/manifests/{subject.tag}", MANIFEST) or {}
    listed = manifest.get("layers")
    found = [item for item in listed if _well_formed(item)] if isinstance(listed, list) else []
    return found[:MOST]


def _well_formed(item: Any) -> bool:
    if not isinstance(item, dict) or item.get("mediaType") != PAYLOAD:
        return False
    notes, size, digest = item.get("annotations"), item.get("size"), item.get("digest")
    return (
        isinstance(notes, dict)
        and isinstance(notes.get(ANNOTATION), str)
        and isinstance(size, int)
        and 0 < size <= LARGEST
        and isinstance(digest, str)
        and digest.startswith("sha256:")
        and digest[7:].isalnum()
    )


def _verified(
    registry: Registry, subject: Subject, item: Mapping[str, Any], public_pem: bytes
) -> dict[str, str] | None:
    """The claims of one signature; None where it is not this key's, or about something else."""
    content = registry.read(f"{subject.repository}/blobs/{item['digest']}")
    if content is None or digest_of(content) != item["digest"]:
        return None
    return check(public_pem, subject, content, str(item["annotations"][ANNOTATION]))


def check(public_pem: bytes, subject: Subject, content: bytes, signed: str) -> dict[str, str] | None:
    """The claims of a payload that this key signed for this subject, else None. `signed`: base64."""
    key = serialization.load_pem_public_key(public_pem)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    try:
        key.verify(base64.b64decode(signed, validate=True), content, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        return None
    # From here on it is text of ours; of another image or repository it counts for nothing.
    body = json.loads(content)
    critical = body["critical"]
    same = (
        critical["type"] == TYPE
        and critical["identity"]["docker-reference"] == subject.reference
        and critical["image"]["docker-manifest-digest"] == subject.digest
    )
    return {str(key): str(value) for key, value in body["optional"].items()} if same else None
