"""The registry's collection keeps what is needed, young or in flight, and drops the rest in two runs."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from roost.adapters import registry_store
from roost.adapters.registry_store import ASIDE, Needs, Revision, Store, collect, unneeded
from roost.model.kept import LOG

NOW = 1_800_000_000.0
OLD = NOW - 10 * 86_400
NEEDS = Needs(pinned=frozenset(), tenants=frozenset({"acme"}), newest=1)


class Shelf:
    """A store as the registry would have written it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = Store(root)

    def write(self, path: Path, content: bytes, when: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (when, when))

    def blob(self, content: bytes, when: float = OLD) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.write(self.store.blob(digest) / "data", content, when)
        return digest

    def link(self, repository: str, digest: str, when: float = OLD) -> None:
        path = self.root / "repositories" / repository / "_layers" / "sha256" / digest / "link"
        self.write(path, f"sha256:{digest}".encode(), when)

    def image(self, repository: str, layer: bytes, when: float = OLD, tag: str = "") -> str:
        content = self.blob(layer, when)
        self.link(repository, content, when)
        manifest = self.blob(json.dumps({"layers": [{"digest": f"sha256:{content}"}]}).encode(), when)
        folder = self.root / "repositories" / repository / "_manifests"
        self.write(folder / "revisions" / "sha256" / manifest / "link", f"sha256:{manifest}".encode(), when)
        if tag:
            self.write(folder / "tags" / tag / "current" / "link", f"sha256:{manifest}".encode(), when)
        return manifest

    def digests(self, repository: str) -> set[str]:
        return {item.digest for item in self.store.revisions(repository)}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_pinned_young_and_newest_manifests_stay() -> None:
    revisions = [Revision("a", OLD), Revision("b", OLD + 1), Revision("c", OLD + 2), Revision("d", NOW - 60)]
    needs = Needs(frozenset({"a"}), frozenset({"acme"}), newest=2)
    assert unneeded("acme/shop", revisions, set(), needs, NOW) == {"b"}
    assert unneeded("gone/shop", revisions, set(), needs, NOW) == {"b", "c"}


def test_a_base_stays_as_long_as_a_tag_names_it() -> None:
    revisions = [Revision("a", OLD), Revision("b", OLD)]
    assert unneeded("base/python", revisions, {"b"}, NEEDS, NOW) == {"a"}


def test_an_old_image_goes_with_its_tag_and_then_its_content(shelf: Shelf) -> None:
    first = shelf.image("acme/shop", b"one", OLD, tag="run-1")
    second = shelf.image("acme/shop", b"two", OLD + 5, tag="run-2")
    report = collect(shelf.store, NEEDS, NOW)
    assert report.manifests == 1 and report.links == 1
    assert shelf.digests("acme/shop") == {second} and shelf.store.tags("acme/shop") == {"run-2": second}
    assert shelf.store.blob(first).exists()  # Its content is judged in the next run.
    assert collect(shelf.store, NEEDS, NOW).blobs == 2
    assert not shelf.store.blob(first).exists()
    assert collect(shelf.store, NEEDS, NOW).blobs == 0
    assert list((shelf.root / ASIDE).iterdir()) == []


def test_what_a_release_names_stays_whole(shelf: Shelf) -> None:
    first = shelf.image("acme/shop", b"one")
    shelf.image("acme/shop", b"two", OLD + 5)
    needs = Needs(frozenset({first}), frozenset({"acme"}), newest=1)
    for _ in range(3):
        collect(shelf.store, needs, NOW)
    assert all(shelf.store.blob(part).exists() for part in shelf.store.parts(first))


def test_content_that_two_repositories_share_stays_for_the_other(shelf: Shelf) -> None:
    shelf.image("gone/shop", b"shared")
    kept = shelf.image("acme/shop", b"shared")
    for _ in range(3):
        collect(shelf.store, NEEDS, NOW)
    assert shelf.digests("gone/shop") == set()
    assert all(shelf.store.blob(part).exists() for part in shelf.store.parts(kept))


def test_an_index_keeps_its_parts(shelf: Shelf) -> None:
    part = shelf.image("acme/shop", b"one")
    index = shelf.blob(json.dumps({"manifests": [{"digest": f"sha256:{part}"}]}).encode())
    path = shelf.root / "repositories/acme/shop/_manifests/revisions/sha256" / index / "link"
    shelf.write(path, f"sha256:{index}".encode(), OLD + 9)
    collect(shelf.store, NEEDS, NOW)
    assert shelf.digests("acme/shop") == {part, index}


def test_a_layer_of_a_push_in_flight_stays(shelf: Shelf) -> None:
    layer = shelf.blob(b"uploading", NOW - 60)
    shelf.link("acme/shop", layer, NOW - 60)
    shelf.image("acme/shop", b"one")
    collect(shelf.store, NEEDS, NOW)
    assert shelf.store.blob(layer).exists() and layer in shelf.store.links("acme/shop")


def test_content_that_is_linked_after_it_went_aside_comes_back(shelf: Shelf) -> None:
    layer = shelf.blob(b"again")
    shelf.image("acme/shop", b"one")
    assert collect(shelf.store, NEEDS, NOW).blobs == 1
    shelf.link("acme/shop", layer, NOW)  # A push found the content a moment before it went.
    assert collect(shelf.store, NEEDS, NOW).restored == 1
    assert (shelf.store.blob(layer) / "data").read_bytes() == b"again"


def test_where_a_manifest_cannot_be_read_nothing_goes(shelf: Shelf) -> None:
    first = shelf.image("acme/shop", b"one")
    shelf.image("acme/shop", b"two", OLD + 5)
    broken = shelf.blob(b"\xff not json")
    path = shelf.root / "repositories/acme/shop/_manifests/revisions/sha256" / broken / "link"
    shelf.write(path, f"sha256:{broken}".encode(), OLD + 9)
    report = collect(shelf.store, NEEDS, NOW)
    assert (report.manifests, report.links) == (0, 0) and first in shelf.digests("acme/shop")


def attach(shelf: Shelf, repository: str, body: dict[str, object], tag: str = "") -> str:
    """A manifest as it is written beside an image."""
    digest = shelf.blob(json.dumps(body).encode())
    folder = shelf.root / "repositories" / repository / "_manifests"
    shelf.write(folder / "revisions" / "sha256" / digest / "link", f"sha256:{digest}".encode(), OLD + 9)
    if tag:
        shelf.write(folder / "tags" / tag / "current" / "link", f"sha256:{digest}".encode(), OLD + 9)
    return digest


@pytest.mark.parametrize("repository", ["acme/shop", "base/python"])
def test_what_is_about_an_image_stays_and_goes_with_it(shelf: Shelf, repository: str) -> None:
    old, new = shelf.image(repository, b"one"), shelf.image(repository, b"two", OLD + 5, tag="3.13")
    bills, lists = [], []
    for image in (old, new):
        bills.append(attach(shelf, repository, {"artifactType": "bill", "subject": {"digest": f"sha256:{image}"}}))
        listed = [{"digest": f"sha256:{bills[-1]}", "artifactType": "bill"}]
        lists.append(attach(shelf, repository, {"manifests": listed}, tag=f"sha256-{image}"))
    cache = attach(shelf, repository, {"artifactType": "cache"}, tag="layers")
    lost = attach(shelf, repository, {"artifactType": "cache", "n": 1})
    collect(shelf.store, NEEDS, NOW)
    assert shelf.digests(repository) == {new, bills[1], lists[1], cache} and lost not in shelf.digests(repository)
    assert set(shelf.store.tags(repository)) == {"3.13", f"sha256-{new}", "layers"}


def test_of_a_tenant_that_is_gone_no_attachment_stays(shelf: Shelf) -> None:
    image = shelf.image("gone/shop", b"one")
    attach(shelf, "gone/shop", {"artifactType": "bill", "subject": {"digest": f"sha256:{image}"}})
    attach(shelf, "gone/shop", {"artifactType": "cache"}, tag="layers")
    collect(shelf.store, NEEDS, NOW)
    assert shelf.digests("gone/shop") == set()


def test_what_is_kept_of_runs_stays_by_its_number_also_without_an_image(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_store, "NEWEST", {LOG: 2})

    def log(repository: str, number: int, when: float, tag: bool = True) -> str:
        content = shelf.blob(f"{repository} {number}".encode(), when)
        shelf.link(repository, content, when)
        body = {"artifactType": LOG, "layers": [{"digest": f"sha256:{content}"}]}
        manifest = shelf.blob(json.dumps(body).encode(), when)
        folder = shelf.root / "repositories" / repository / "_manifests"
        shelf.write(folder / "revisions" / "sha256" / manifest / "link", f"sha256:{manifest}".encode(), when)
        if tag:
            named = folder / "tags" / f"log-{number}" / "current" / "link"
            shelf.write(named, f"sha256:{manifest}".encode(), when)
        return manifest

    logs = [log("acme/shop", number, OLD + number) for number in range(4)]
    log("acme/shop", 9, OLD + 9, tag=False)  # A later word on the same run took its tag.
    young = log("acme/shop", 5, NOW - 60)
    log("globex/shop", 1, OLD)  # Of a tenant that is gone.
    collect(shelf.store, NEEDS, NOW)
    assert shelf.digests("acme/shop") == {young, logs[3]}
    assert not shelf.digests("globex/shop")
