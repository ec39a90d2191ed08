"""The vulnerability database: what archives are taken, and the image that they become."""

import gzip
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from roost.adapters.tests.memory_registry import MemoryRegistry
from roost.builds import advisories
from roost.builds.advisories import ArchiveWrong
from roost.model.advisories import ECOSYSTEMS, REPOSITORY


def archive(path: Path, entries: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as target:
        for name, text in entries.items():
            target.writestr(zipfile.ZipInfo(name), text)
    return path


def test_an_archive_of_entries_is_taken(tmp_path: Path) -> None:
    assert advisories.check(archive(tmp_path / "a.zip", {"X-1.json": '{"id": "X-1"}'}), "npm") == 1


@pytest.mark.parametrize("text", ["", "[]", '{"id": 1}', "[" * 100_000, "\x00"])
def test_what_is_no_entry_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ArchiveWrong):
        advisories.check(archive(tmp_path / "a.zip", {"X-1.json": text}), "npm")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"<html>Sign in</html>")
    with pytest.raises(ArchiveWrong, match="cannot be read"):
        advisories.check(tmp_path / "a.zip", "npm")


def test_a_bomb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("X-1.json", b" " * (advisories.LARGEST_ENTRY + 1))
    with pytest.raises(ArchiveWrong, match="larger entries"):
        advisories.check(tmp_path / "a.zip", "npm")


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A mirror of OSV: its address and its folder."""
    folder = tmp_path / "mirror"
    for name in ECOSYSTEMS:
        (folder / name).mkdir(parents=True)
        archive(folder / name / "all.zip", {"X-1.json": '{"id": "X-1"}'})
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", folder
        server.shutdown()
        thread.join()


def test_a_mirror_is_fetched_whole(mirror: tuple[str, Path], tmp_path: Path) -> None:
    found = advisories.fetch(mirror[0], tmp_path / "held")
    assert found["npm"] == tmp_path / "held/osv-scalibr/npm/all.zip" and set(found) == set(ECOSYSTEMS)


def test_a_mirror_that_lacks_one_or_lies_is_refused(mirror: tuple[str, Path], tmp_path: Path) -> None:
    (mirror[1] / "npm/all.zip").write_text("<html>Sign in</html>")
    with pytest.raises(ArchiveWrong, match="npm cannot be read"):
        advisories.fetch(mirror[0], tmp_path / "held")
    (mirror[1] / "npm/all.zip").unlink()
    with pytest.raises(OSError, match="404"):
        advisories.fetch(mirror[0], tmp_path / "held")


@pytest.mark.parametrize("address", ["file:///etc", "ftp://mirror", "", "/etc"])
def test_only_http_is_fetched(address: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveWrong, match="no http"):
        advisories.fetch(address, tmp_path)


def test_what_is_endless_is_cut(mirror: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advisories, "LARGEST", 100)
    with pytest.raises(ArchiveWrong, match="larger than"):
        advisories.fetch(mirror[0], tmp_path / "held")
    assert (tmp_path / "held/osv-scalibr/Debian/all.zip").stat().st_size == 101


def test_the_image_holds_every_ecosystem_and_is_always_the_same(tmp_path: Path) -> None:
    held, found = MemoryRegistry(), archive(tmp_path / "a.zip", {"X-1.json": '{"id": "X-1"}'})
    digest = advisories.publish(held.registry(), {"npm": found}, tmp_path)
    assert digest == advisories.publish(MemoryRegistry().registry(), {"npm": found}, tmp_path)
    manifest = held.registry().manifest(REPOSITORY, digest)
    assert manifest is not None
    names, differences = [], []
    for layer in manifest["layers"]:
        content = held.registry().read(f"{REPOSITORY}/blobs/{layer['digest']}") or b""
        differences.append(f"sha256:{hashlib.sha256(gzip.decompress(content)).hexdigest()}")
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            names += [item.name for item in tar if item.isfile()]
    assert names == [f"osv-scalibr/{name}/all.zip" for name in ECOSYSTEMS]
    config = json.loads(held.registry().read(f"{REPOSITORY}/blobs/{manifest['config']['digest']}") or b"{}")
    assert config["rootfs"]["diff_ids"] == differences
