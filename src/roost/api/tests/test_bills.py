"""Whose bill of materials is read: the tenant's own images and bases, never a neighbour's."""

from datetime import UTC, datetime
from functools import partial
from typing import cast

import pytest

from roost.adapters.registry import MANIFEST, Connect
from roost.adapters.tests.memory_registry import MemoryRegistry
from roost.api import artefacts, bills
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
    connect = cast(Connect, lambda: memory)
    look = partial(artefacts.read, connect, key, "acme/shop", bills.KIND, now, subject=digest)
    assert look() is None
    client.put_artefact("acme/shop", bills.KIND, b"{}", subject=digest)
    assert look() == b"{}"


def test_whether_an_image_is_there_is_asked_by_digest() -> None:
    memory = MemoryRegistry()
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": []}
    digest = memory.registry().put_manifest("acme/shop", "v1", manifest)["digest"]
    key, now = tokens.new_key(), datetime(2026, 11, 29, tzinfo=UTC)
    look = partial(artefacts.holds, cast(Connect, lambda: memory), key, "acme/shop")
    assert look(digest, now)
    assert not look(DIGEST, now)
