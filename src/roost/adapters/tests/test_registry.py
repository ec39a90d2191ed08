"""The client of the registry: patience, uploads, and what refers to an image."""

import http.client
import json

import pytest

from roost.adapters.registry import INDEX, MANIFEST, RegistryFailed, digest_of
from roost.adapters.tests.memory_registry import MemoryRegistry

IMAGE = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {"digest": "sha256:c"}, "layers": []}


def test_a_registry_that_starts_anew_is_waited_for() -> None:
    memory, pauses = MemoryRegistry(), list[float]()
    memory.wrong = [OSError("refused"), 503, http.client.RemoteDisconnected("closed")]
    assert memory.registry(pauses).load("base/python/tags/list") is None
    assert len(pauses) == 3
    assert memory.asked[0][2]["Authorization"] == "Bearer token"


def test_a_registry_that_stays_away_is_told() -> None:
    memory = MemoryRegistry()
    memory.wrong = [OSError("refused")] * 5
    with pytest.raises(RegistryFailed, match="did not answer"):
        memory.registry().read("x/manifests/y")


def test_a_refusal_is_final() -> None:
    memory, pauses = MemoryRegistry(), list[float]()
    memory.wrong = [401]
    with pytest.raises(RegistryFailed, match="answered 401"):
        memory.registry(pauses).read("x/manifests/y")
    assert len(memory.asked) == 1 and pauses == []


def test_what_is_no_json_is_told() -> None:
    memory = MemoryRegistry()
    memory.manifests["x@y"] = b"nonsense"
    with pytest.raises(RegistryFailed, match="no JSON"):
        memory.registry().manifest("x", "y")


def test_an_artefact_refers_to_its_image_and_replaces_the_one_of_its_kind() -> None:
    memory = MemoryRegistry()
    registry = memory.registry()
    digest = registry.put_manifest("acme/shop", "v1", IMAGE)["digest"]
    assert registry.artefact("acme/shop", "bill", subject=digest) is None
    for content in (b"one", b"two"):
        registry.put_artefact("acme/shop", "bill", content, subject=digest)
    registry.put_artefact("acme/shop", "signature", b"mine", subject=digest)
    assert registry.artefact("acme/shop", "bill", subject=digest) == b"two"
    assert registry.artefact("acme/shop", "signature", subject=digest) == b"mine"
    index = json.loads(memory.manifests[f"acme/shop@{digest.replace(':', '-')}"])
    assert index["mediaType"] == INDEX and [item["artifactType"] for item in index["manifests"]] == [
        "bill",
        "signature",
    ]
    about = json.loads(memory.manifests[f"acme/shop@{index['manifests'][0]['digest']}"])
    assert about["subject"]["digest"] == digest and about["artifactType"] == "bill"


def test_an_artefact_with_a_name_is_found_by_it() -> None:
    registry = MemoryRegistry().registry()
    assert registry.artefact("acme/shop", "cache", tag="layers") is None
    registry.put_artefact("acme/shop", "cache", b"kept", tag="layers")
    assert registry.artefact("acme/shop", "cache", tag="layers") == b"kept"
    assert registry.artefact("acme/shop", "other", tag="layers") is None


def test_nothing_can_be_about_an_image_that_is_not_there() -> None:
    with pytest.raises(RegistryFailed, match="has no"):
        MemoryRegistry().registry().put_artefact("acme/shop", "bill", b"x", subject="sha256:0")


def test_a_content_goes_up_once() -> None:
    memory = MemoryRegistry()
    registry = memory.registry()
    registry.put_blob("acme/shop", b"x")
    registry.put_blob("acme/shop", b"x")
    assert [method for method, _, _ in memory.asked] == ["HEAD", "POST", "PUT", "HEAD"]
    with registry.blob("acme/shop", digest_of(b"x")) as stream:
        assert stream.read() == b"x"
    with pytest.raises(RegistryFailed), registry.blob("acme/shop", "sha256:0"):
        pass
