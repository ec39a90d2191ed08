"""Signatures of images: what counts, and what a hostile registry may hold without counting."""

import base64
import json
from typing import Any

import pytest

from roost.adapters.registry import EMPTY, MANIFEST, Registry, descriptor, digest_of
from roost.adapters.tests.memory_registry import MemoryRegistry
from roost.surface import signatures
from roost.surface.signatures import ANNOTATION, PAYLOAD, SignatureRefused, Subject

HOST = "registry.roost-system.svc:5000"
KEY, OTHER = signatures.new_key(), signatures.new_key()
PUBLIC = signatures.public_key(KEY)
CLAIMS = {"run": "shop-1-abc", "commit": "c" * 40}


def pushed(registry: Registry, repository: str = "acme/shop", **more: str) -> Subject:
    """An image, pushed."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(EMPTY, b"{}"),
        "layers": [],
        "annotations": more,
    }
    made = registry.put_manifest(repository, "", manifest)
    return Subject(HOST, repository, str(made["digest"]))


def put(registry: Registry, subject: Subject, *layers: dict[str, Any]) -> None:
    """What whoever may push can put where signatures lie."""
    body = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(EMPTY, b"{}"),
        "layers": list(layers),
    }
    registry.put_manifest(subject.repository, subject.tag, body)


def layer(registry: Registry, subject: Subject, content: bytes, signed: str) -> dict[str, Any]:
    """A payload in the repository of the subject, and its descriptor."""
    registry.put_blob(subject.repository, content)
    return descriptor(PAYLOAD, content) | {"annotations": {ANNOTATION: signed}}


def test_what_was_signed_is_verified_with_what_it_claims() -> None:
    registry = MemoryRegistry().registry()
    subject = pushed(registry)
    signatures.sign(registry, KEY, subject, CLAIMS)
    assert signatures.verify(registry, PUBLIC, subject) == (CLAIMS,)
    # As cosign finds it: by the tag, and among what refers to the image.
    listed = registry.load(f"acme/shop/manifests/{subject.digest.replace(':', '-')}") or {}
    assert [item["artifactType"] for item in listed["manifests"]] == [signatures.ARTEFACT]
    kept = registry.load(f"acme/shop/manifests/{subject.tag}") or {}
    assert kept["subject"]["digest"] == subject.digest
    payload = json.loads(registry.read(f"acme/shop/blobs/{kept['layers'][0]['digest']}") or b"")
    assert payload["critical"] == {
        "identity": {"docker-reference": f"{HOST}/acme/shop"},
        "image": {"docker-manifest-digest": subject.digest},
        "type": "cosign container image signature",
    }


def test_signing_twice_is_signing_once() -> None:
    memory = MemoryRegistry()
    registry = memory.registry()
    subject = pushed(registry)
    signatures.sign(registry, KEY, subject, CLAIMS)
    before = (dict(memory.manifests), dict(memory.blobs))
    signatures.sign(registry, KEY, subject, CLAIMS)
    assert (memory.manifests, memory.blobs) == before
    content = signatures.payload(subject, CLAIMS)
    assert signatures.signature(KEY, content) == signatures.signature(KEY, content)


def test_a_second_run_of_the_same_image_signs_beside_the_first() -> None:
    registry = MemoryRegistry().registry()
    subject = pushed(registry)
    for number in range(signatures.MOST + 3):
        signatures.sign(registry, KEY, subject, {"run": f"shop-{number}"})
    kept = registry.load(f"acme/shop/manifests/{subject.tag}") or {}
    assert len(kept["layers"]) == signatures.MOST
    assert len(signatures.verify(registry, PUBLIC, subject)) == signatures.MOST


def test_after_a_rotation_only_the_new_key_counts() -> None:
    registry = MemoryRegistry().registry()
    subject = pushed(registry)
    signatures.sign(registry, OTHER, subject, {"run": "old"})
    with pytest.raises(SignatureRefused, match="none by this installation's key") as refused:
        signatures.verify(registry, PUBLIC, subject)
    assert refused.value.reason == "WrongSignature"
    signatures.sign(registry, KEY, subject, CLAIMS)
    assert signatures.verify(registry, PUBLIC, subject) == (CLAIMS,)
    kept = registry.load(f"acme/shop/manifests/{subject.tag}") or {}
    assert len(kept["layers"]) == 1


def test_an_image_without_a_signature_is_refused() -> None:
    registry = MemoryRegistry().registry()
    subject = pushed(registry)
    with pytest.raises(SignatureRefused) as refused:
        signatures.verify(registry, PUBLIC, subject)
    assert refused.value.reason == "Unsigned"
    signatures.sign(registry, KEY, subject, CLAIMS)
    signatures.verify(registry, PUBLIC, subject)


def test_a_missing_image_is_neither_signed_nor_verified() -> None:
    registry = MemoryRegistry().registry()
    subject = Subject(HOST, "acme/shop", "sha256:" + "0" * 64)
    for attempt in (
        lambda: signatures.sign(registry, KEY, subject, CLAIMS),
        lambda: signatures.verify(registry, PUBLIC, subject),
    ):
        with pytest.raises(SignatureRefused) as refused:
            attempt()
        assert refused.value.reason == "ImageMissing"


def test_other_bytes_under_the_digest_are_refused() -> None:
    memory = MemoryRegistry()
    registry = memory.registry()
    subject = pushed(registry)
    signatures.sign(registry, KEY, subject, CLAIMS)
    evil = pushed(registry, more="evil")
    memory.manifests[f"acme/shop@{subject.digest}"] = memory.manifests[f"acme/shop@{evil.digest}"]
    with pytest.raises(SignatureRefused) as refused:
        signatures.verify(registry, PUBLIC, subject)
    assert refused.value.reason == "ImageMissing"


@pytest.mark.parametrize("copied", ["another digest", "another repository"])
def test_a_signature_counts_for_its_own_repository_and_digest_only(copied: str) -> None:
    registry = MemoryRegistry().registry()
    signed = pushed(registry, "rival/shop")
    signatures.sign(registry, KEY, signed, CLAIMS)
    evil = pushed(registry, "acme/shop") if copied == "another repository" else pushed(registry, "rival/shop", x="evil")
    if copied == "another repository":
        assert evil.digest == signed.digest
    content = signatures.payload(signed, CLAIMS)
    put(registry, evil, layer(registry, evil, content, signatures.signature(KEY, content)))
    with pytest.raises(SignatureRefused) as refused:
        signatures.verify(registry, PUBLIC, evil)
    assert refused.value.reason == "WrongSignature"
    assert signatures.verify(registry, PUBLIC, signed) == (CLAIMS,)


def test_hostile_layers_count_for_nothing_and_break_nothing() -> None:
    registry = MemoryRegistry().registry()
    subject = pushed(registry)
    content = signatures.payload(subject, CLAIMS)
    good = signatures.signature(KEY, content)
    theirs = signatures.signature(OTHER, content)
    hostile: list[dict[str, Any]] = [
        {},
        {"mediaType": PAYLOAD},
        {"mediaType": PAYLOAD, "annotations": {ANNOTATION: 5}, "size": 5, "digest": "sha256:aa"},
        {"mediaType": PAYLOAD, "annotations": {ANNOTATION: good}, "size": 1 << 40, "digest": digest_of(content)},
        {"mediaType": PAYLOAD, "annotations": {ANNOTATION: good}, "size": 5, "digest": "sha256:../../x"},
        descriptor(PAYLOAD, b"gone") | {"annotations": {ANNOTATION: good}},
        layer(registry, subject, b"no json", good),
        layer(registry, subject, content, theirs),
        layer(registry, subject, content, "%%%"),
        layer(registry, subject, content, base64.b64encode(b"short").decode()),
        layer(registry, subject, content, good.rstrip("=") + "A==="),
    ]
    for one in hostile:
        put(registry, subject, one)
        with pytest.raises(SignatureRefused):
            signatures.verify(registry, PUBLIC, subject)
    put(registry, subject, *hostile, layer(registry, subject, content, good))
    assert signatures.verify(registry, PUBLIC, subject) == (CLAIMS,)


def test_the_key_can_be_told_by_a_short_name() -> None:
    assert signatures.key_id(KEY) == signatures.key_id(KEY) != signatures.key_id(OTHER)
    assert len(signatures.key_id(KEY)) == 16
    assert b"PUBLIC KEY" in PUBLIC and b"PRIVATE" not in PUBLIC
