"""What Roost signs, verified by programs that are none of ours, offline and against the real registry."""

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from roost.adapters.registry import EMPTY, MANIFEST, descriptor
from roost.node import engine
from roost.surface import signatures
from tests.integration import registry as registries
from tests.integration.registry import RegistryServer

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def registry() -> Iterator[RegistryServer]:
    """A registry with the platform's configuration."""
    server = registries.start()
    yield server
    server.kill()


def test_openssl_verifies_the_payload(registry: RegistryServer, tmp_path: Path) -> None:
    image = registry.push("acme/shop", "openssl")
    registry.sign(image, run="shop-1-abc")
    subject = registry.subject(image)
    client = registry.open(subject.repository)
    layer = (client.manifest(subject.repository, subject.tag) or {})["layers"][0]
    content = client.read(f"{subject.repository}/blobs/{layer['digest']}") or b""
    client.close()
    (tmp_path / "key").write_bytes(signatures.public_key(registry.signing_key))
    (tmp_path / "signature").write_bytes(base64.b64decode(layer["annotations"][signatures.ANNOTATION]))
    for payload, words in ((content, "Verified OK"), (content.replace(b"shop-1", b"shop-2"), "Verification failure")):
        (tmp_path / "payload").write_bytes(payload)
        command = ["openssl", "dgst", "-sha256", "-verify", "key", "-signature", "signature", "payload"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert words in done.stdout + done.stderr, done.stderr


@pytest.fixture(scope="module")
def cosign() -> str:
    """cosign itself, compiled from its Go module; a quarter of an hour the first time."""
    return str(engine.build(["cosign"]).path("cosign"))


def verified(cosign: str, registry: RegistryServer, folder: Path, image: str, key: bytes) -> tuple[bool, str]:
    """Whether `cosign verify --key` takes it, as the how-to says it, and what it says."""
    (folder / "cosign.pub").write_bytes(signatures.public_key(key))
    command = [cosign, "verify", "--key", "cosign.pub", "--insecure-ignore-tlog=true", "--registry-cacert"]
    command += [str(registry.folder / "ca.crt"), "--registry-token", registry.token(registry.subject(image).repository)]
    env = {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "localhost",
    }
    done = subprocess.run(
        [*command, image], cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode == 0, done.stdout + done.stderr


def forged(registry: RegistryServer, image: str, **claims: str) -> None:
    """Put other claims under the signature that is there, as whoever may push could."""
    subject = registry.subject(image)
    client = registry.open(subject.repository)
    manifest = client.manifest(subject.repository, subject.tag) or {}
    layer = manifest["layers"][0]
    body = json.loads(client.read(f"{subject.repository}/blobs/{layer['digest']}") or b"{}")
    body["optional"] |= claims
    content = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    client.put_blob(subject.repository, content)
    made = descriptor(signatures.PAYLOAD, content) | {"annotations": layer["annotations"]}
    told = {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(EMPTY, b"{}"), "layers": [made]}
    client.put_manifest(subject.repository, subject.tag, told)
    client.close()


@pytest.mark.full
def test_cosign_verifies_what_roost_signed(cosign: str, registry: RegistryServer, tmp_path: Path) -> None:
    image = registry.push("acme/shop", "cosign")
    registry.sign(image, run="shop-1-abc", commit="c" * 40)
    registry.sign(image, run="shop-2-abc", commit="d" * 40)
    ok, said = verified(cosign, registry, tmp_path, image, registry.signing_key)
    assert ok, said
    claims = [item["optional"] for item in json.loads(said[said.index("[{") : said.rindex("]") + 1])]
    assert {item["run"] for item in claims} == {"shop-1-abc", "shop-2-abc"}


@pytest.mark.full
@pytest.mark.parametrize("attack", ["unsigned", "other-key", "other-claims", "other-digest"])
def test_cosign_refuses_what_roost_refuses(cosign: str, registry: RegistryServer, tmp_path: Path, attack: str) -> None:
    image = registry.push("acme/shop", attack)
    if attack == "other-key":
        registry.sign(image, signatures.new_key(), run="x")
    elif attack == "other-claims":
        registry.sign(image, run="x")
        forged(registry, image, run="y")
    elif attack == "other-digest":
        good = registry.push("acme/shop", f"{attack}-good")
        registry.sign(good, run="x")
        registry.copy_signature(good, image)
    ok, said = verified(cosign, registry, tmp_path, image, registry.signing_key)
    assert not ok and "no " in said.lower(), said
    with pytest.raises(signatures.SignatureRefused):
        registry.claims(image)
    # The twin: signed by the platform, the very same image is taken by both.
    registry.sign(image, run="x")
    ok, said = verified(cosign, registry, tmp_path, image, registry.signing_key)
    assert ok and registry.claims(image), said
