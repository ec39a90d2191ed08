"""Whose bill of materials is read: the tenant's own images and bases, never a neighbour's."""

from datetime import UTC, datetime

import pytest

from roost.adapters.registry import MANIFEST
from roost.adapters.tests.memory_registry import MemoryRegistry
from roost.api import bills
from roost.surface import registry as tokens

HOST, DIGEST = "registry:5000", "sha256:" + "a" * 64


def release(image: str) -> dict[str, object]:
    return {"spec": {"content": {"artefact": {"image": image}}}}


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (f"{HOST}/acme/shop@{DIGEST}", ("acme/shop", DIGEST)),
        (f"{HOST}/acme/shop:v1@{DIGEST}", ("acme/shop", DIGEST)),
        (f"{HOST}/base/python@{DIGEST}", ("base/python", DIGEST)),
        (f"{HOST}/acmex/shop@{DIGEST}", None),
        (f"{HOST}/globex/shop@{DIGEST}", None),
        (f"elsewhere:5000/acme/shop@{DIGEST}", None),
        (f"{HOST}/acme/shop", None),
        ("", None),
    ],
)
def test_only_images_of_the_tenant_and_bases(image: str, found: tuple[str, str] | None) -> None:
    assert bills.image_of(release(image), "acme", HOST) == found


def test_the_bill_beside_the_image_is_read() -> None:
    memory = MemoryRegistry()
    client = memory.registry()
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": []}
    digest = client.put_manifest("acme/shop", "v1", manifest)["digest"]
    key, now = tokens.new_key(), datetime(2026, 11, 29, tzinfo=UTC)
    assert bills.read(lambda: memory, key, ("acme/shop", digest), now) is None  # type: ignore[arg-type,return-value]
    client.put_artefact("acme/shop", bills.KIND, b"{}", subject=digest)
    assert bills.read(lambda: memory, key, ("acme/shop", digest), now) == b"{}"  # type: ignore[arg-type,return-value]
