"""What Roost signs, verified by a program that is none of ours, offline and against the real registry."""

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

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
