"""The bill of an image that was built: its base's parts and its own, small layers read anew only; tags of bases."""

import gzip
import io
import json
import tarfile

import pytest

from roost.adapters.registry import MANIFEST, Registry, RegistryFailed, digest_of
from roost.adapters.tests.memory_registry import MemoryRegistry
from roost.builds import bill, bill_store, registry
from roost.builds.bill import Part
from roost.builds.bill_store import Image

BASH = Part("deb", "bash", "5", "amd64")


def layer(memory: MemoryRegistry, repository: str, files: dict[str, bytes]) -> str:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    content = gzip.compress(stream.getvalue(), mtime=0)
    memory.registry().put_blob(repository, content)
    return digest_of(content)


def image(client: Registry, repository: str, tag: str, layers: list[str]) -> Image:
    listed = [{"digest": item} for item in layers]
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {"digest": "sha256:c"}, "layers": listed}
    digest = client.put_manifest(repository, tag, manifest)["digest"]
    return Image(repository, digest, manifest, ("base/java:21", "base/node:24"))


def npm(version: str) -> dict[str, bytes]:
    about = json.dumps({"name": "left", "version": version}).encode()
    return {"app/node_modules/left/package.json": about}


def purls(client: Registry, built: Image) -> list[str]:
    text = client.artefact(built.repository, bill.KIND, subject=built.digest)
    assert text is not None
    return [part.purl for part in sorted(bill.of_document(text))]


def test_an_image_has_its_bases_parts_and_its_own() -> None:
    memory = MemoryRegistry()
    client = memory.registry()
    base = image(client, "base/node", "24", ["sha256:b"])
    client.put_artefact("base/node", bill.KIND, bill.document("n", "v", "d", [BASH]).encode(), subject=base.digest)
    modules = layer(memory, "acme/shop", npm("1.0.0"))
    code = [layer(memory, "acme/shop", {"app/server.js": text}) for text in (b"one", b"two")]
    first = image(client, "acme/shop", "1", ["sha256:b", modules, code[0]])
    parts = bill_store.write(client, first)
    assert bill_store.summary(parts) == "2 packages (deb 1, npm 1)"
    assert purls(client, first) == ["pkg:deb/debian/bash@5?arch=amd64", "pkg:npm/left@1.0.0"]
    second = image(client, "acme/shop", "2", ["sha256:b", modules, code[1]])
    memory.asked.clear()
    assert bill_store.write(client, second) == parts
    assert not [path for _, path, _ in memory.asked if path.endswith(f"blobs/{modules}")], "It was read before."


@pytest.mark.parametrize("named", [("base/node:24",), ("base/java:21", "base/node:24"), ("base/none:1",), ()])
def test_what_is_looked_up_before_the_build_changes_nothing_of_the_bill(named: tuple[str, ...]) -> None:
    memory = MemoryRegistry()
    client = memory.registry()
    base = image(client, "base/node", "24", ["sha256:b"])
    client.put_artefact("base/node", bill.KIND, bill.document("n", "v", "d", [BASH]).encode(), subject=base.digest)
    built = image(client, "acme/shop", "1", ["sha256:b", layer(memory, "acme/shop", npm("1.0.0"))])
    known = bill_store.look(client, "acme/shop", named)
    memory.asked.clear()
    assert bill_store.write(client, built, known) == bill_store.write(client, built)
    if named[:1] == ("base/node:24",):
        first = memory.asked[: next(at for at, asked in enumerate(memory.asked) if asked[0] == "PUT")]
        assert not [path for _, path, _ in first if "base/node" in path], "It was asked for again."


def test_a_layer_that_cannot_be_read_has_no_parts_and_a_lost_one_is_told() -> None:
    memory = MemoryRegistry()
    client = memory.registry()
    client.put_blob("acme/shop", b"(zstd)")
    broken = image(client, "acme/shop", "1", [next(iter(memory.blobs)).partition("@")[2]])
    assert bill_store.write(client, broken) == [] and bill_store.summary([]) == "0 packages"
    with pytest.raises(RegistryFailed):
        bill_store.write(client, image(client, "acme/shop", "2", ["sha256:lost"]))


def test_what_is_offered_are_the_tags_that_are_versions() -> None:
    memory = MemoryRegistry()
    client = memory.registry()
    answers = {"base/python/tags/list": {"tags": ["3.13", "sha256-0", "3.11"]}}
    client.load = lambda path, accept="": answers.get(path)  # type: ignore[method-assign]
    assert registry.offered(client, ("base/debian", "base/python")) == ("base/python:3.11", "base/python:3.13")


def test_an_image_says_how_it_runs() -> None:
    memory = MemoryRegistry()
    client = memory.registry()
    client.put_blob("acme/shop", b'{"config": {"User": "1000"}}')
    digest = next(iter(memory.blobs)).partition("@")[2]
    assert registry.config(client, "acme/shop", {"config": {"digest": digest}}) == {"User": "1000"}
    with pytest.raises(RegistryFailed, match="has no image"):
        registry.config(client, "acme/shop", None)
