"""The vulnerability database: what archives are taken, and the image that they become."""

import base64
import gzip
import hashlib
import io
import json
import resource
import struct
import tarfile
import threading
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from roost.adapters.tests.memory_registry import MemoryRegistry
from roost.builds import advisories
from roost.builds.advisories import ArchiveWrong
from roost.model.advisories import ECOSYSTEMS, REPOSITORY, Database, Part

NEWEST = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
ENTRY = '{"id": "X-1", "modified": "2026-11-20T08:30:00.123456789Z"}'


def archive(path: Path, entries: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, text in entries.items():
            target.writestr(zipfile.ZipInfo(name), text)
    return path


def test_an_archive_of_entries_is_taken(tmp_path: Path) -> None:
    older = ENTRY.replace("2026-11", "2025-11")
    part = advisories.check(archive(tmp_path / "a.zip", {"X-1.json": ENTRY, "X-2.json": older}), "npm")
    assert part.entries == 2 and part.modified.replace(microsecond=0) == NEWEST


@pytest.mark.parametrize(
    "text", ["", "[]", '{"id": 1}', '{"id": "X-1"}', '{"id": "X-1", "modified": "soon"}', "[" * 100_000, "\x00"]
)
def test_what_is_no_entry_is_refused(tmp_path: Path, text: str) -> None:
    """Wherever it stands: the whole archive is read."""
    entries = {f"X-{number}.json": ENTRY for number in range(200)} | {"X-200.json": text}
    with pytest.raises(ArchiveWrong):
        advisories.check(archive(tmp_path / "a.zip", entries), "npm")


def test_an_entry_whose_bytes_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as target:
        target.writestr(zipfile.ZipInfo("X-1.json"), ENTRY)
    path.write_bytes(path.read_bytes().replace(b'"X-1"', b'"Y-1"'))
    with pytest.raises(ArchiveWrong, match="cannot be read: Bad CRC-32"):
        advisories.check(path, "npm")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"<html>Sign in</html>")
    with pytest.raises(ArchiveWrong, match="cannot be read"):
        advisories.check(tmp_path / "a.zip", "npm")


def test_a_bomb_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("X-1.json", b" " * (advisories.LARGEST_ENTRY + 1))
    with pytest.raises(ArchiveWrong, match="larger entries"):
        advisories.check(tmp_path / "a.zip", "npm")
    many = archive(tmp_path / "many.zip", {f"X-{number}.json": ENTRY for number in range(50)})
    monkeypatch.setattr(advisories, "LARGEST_WHOLE", 49 * len(ENTRY))
    with pytest.raises(ArchiveWrong, match="holds more than"):
        advisories.check(many, "npm")


def test_a_bomb_that_lies_about_its_size_unpacks_no_more_than_it_said(tmp_path: Path) -> None:
    """The directory says 60 bytes; behind them stand 64 MiB of blanks."""
    path, long = tmp_path / "a.zip", ENTRY.encode() + b" " * (64 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr(zipfile.ZipInfo("X-1.json"), long)
    said = struct.pack("<L", len(ENTRY))
    path.write_bytes(path.read_bytes().replace(struct.pack("<L", len(long)), said))
    tracemalloc.start()
    with pytest.raises(ArchiveWrong, match="Bad CRC-32"):
        advisories.check(path, "npm")
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


class Mirror(SimpleHTTPRequestHandler):
    """Serves a folder as OSV's bucket does; `lies`: headers that say something else than the truth."""

    lies: ClassVar[dict[str, str]] = {}

    def end_headers(self) -> None:
        self.send_header("x-goog-hash", "")
        super().end_headers()

    def send_header(self, keyword: str, value: str) -> None:
        super().send_header(keyword, self.lies.get(keyword, value))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A mirror of OSV: its address and its folder."""
    folder = tmp_path / "mirror"
    for name in ECOSYSTEMS:
        (folder / name).mkdir(parents=True)
        archive(folder / name / "all.zip", {"X-1.json": ENTRY})
    handler = partial(Mirror, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", folder
        server.shutdown()
        thread.join()


def test_a_mirror_is_fetched_whole(mirror: tuple[str, Path], tmp_path: Path) -> None:
    paths, parts = advisories.fetch(mirror[0], tmp_path / "held", {})
    assert paths["npm"] == tmp_path / "held/osv-scalibr/npm/all.zip" and set(paths) == set(parts) == set(ECOSYSTEMS)


def test_a_mirror_that_lacks_one_or_lies_is_refused(mirror: tuple[str, Path], tmp_path: Path) -> None:
    whole = (mirror[1] / "npm/all.zip").read_bytes()
    for wrong in (b"<html>Sign in</html>", whole[:-30], whole[:40] + b"\xff" * 8 + whole[48:]):
        (mirror[1] / "npm/all.zip").write_bytes(wrong)
        with pytest.raises(ArchiveWrong, match="npm cannot be read"):
            advisories.fetch(mirror[0], tmp_path / "held", {})
    (mirror[1] / "npm/all.zip").unlink()
    with pytest.raises(OSError, match="404"):
        advisories.fetch(mirror[0], tmp_path / "held", {})


def test_a_connection_that_breaks_is_noticed(
    mirror: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (mirror[1] / "Debian/all.zip").stat().st_size
    monkeypatch.setattr(Mirror, "lies", {"Content-Length": str(size + 100)})
    with pytest.raises(ArchiveWrong, match=f"ended after {size} of {size + 100} bytes"):
        advisories.fetch(mirror[0], tmp_path / "held", {})


def test_the_checksum_that_a_bucket_tells_must_be_the_archives(
    mirror: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.md5((mirror[1] / "Debian/all.zip").read_bytes(), usedforsecurity=False).digest()
    right = f"crc32c=AAAAAA==,md5={base64.b64encode(digest).decode()}"
    monkeypatch.setattr(Mirror, "lies", {"x-goog-hash": right})
    assert advisories.fetch(mirror[0], tmp_path / "held", {})
    monkeypatch.setattr(Mirror, "lies", {"x-goog-hash": "md5=1B2M2Y8AsgTpgAmY7PhCfg=="})
    with pytest.raises(ArchiveWrong, match="Debian has another checksum"):
        advisories.fetch(mirror[0], tmp_path / "held", {})


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (Part(entries=1, modified=NEWEST - timedelta(days=1)), ""),
        (Part(entries=1, modified=NEWEST + timedelta(days=1)), "npm is of 2026-11-20 08:30, older than the one here"),
        (Part(entries=4, modified=NEWEST), "npm has 1 entries; the one here 4"),
    ],
)
def test_no_part_becomes_older_or_a_half(mirror: tuple[str, Path], tmp_path: Path, held: Part, words: str) -> None:
    expected: AbstractContextManager[object] = pytest.raises(ArchiveWrong, match=words) if words else nullcontext()
    with expected:
        advisories.fetch(mirror[0], tmp_path / "held", {"npm": held})


def test_an_archive_of_nothing_says_that_all_is_well_and_is_refused(mirror: tuple[str, Path], tmp_path: Path) -> None:
    archive(mirror[1] / "npm/all.zip", {})
    with pytest.raises(ArchiveWrong, match="npm is empty"):
        advisories.fetch(mirror[0], tmp_path / "held", {})


def test_a_full_disk_is_an_error_and_no_database(mirror: tuple[str, Path], tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            advisories.fetch(mirror[0], tmp_path / "held", {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_the_config_map_says_is_read_back() -> None:
    told = Database(image="r/base/advisories@sha256:1", parts={"npm": Part(entries=2, modified=NEWEST)})
    failed = told.model_copy(update={"failure": "It is away.", "failed": NEWEST})
    assert Database.told(told.data()) == told and Database.told(failed.data()) == failed
    for odd in ({"parts": "["}, {"parts": '{"npm": 1}'}, {"failed": "soon"}, {"parts": "null"}):
        assert Database.told({"image": "r@sha256:1", **odd}) == Database(image="r@sha256:1")


def test_it_is_said_to_be_old() -> None:
    fresh = Database(image="r@sha256:1", parts={"npm": Part(entries=2, modified=NEWEST)})
    assert not fresh.trouble(NEWEST + timedelta(days=6)) and not Database().trouble(NEWEST)
    assert "of npm it is of 2026-11-20, 8 days old" in fresh.trouble(NEWEST + timedelta(days=8))
    failed = fresh.model_copy(update={"failure": "It is away.", "failed": NEWEST})
    assert "since 2026-11-20: It is away." in failed.trouble(NEWEST + timedelta(days=1))


@pytest.mark.parametrize("address", ["file:///etc", "ftp://mirror", "", "/etc"])
def test_only_http_is_fetched(address: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveWrong, match="no http"):
        advisories.fetch(address, tmp_path, {})


def test_what_is_endless_is_cut(mirror: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advisories, "LARGEST", 100)
    with pytest.raises(ArchiveWrong, match="larger than"):
        advisories.fetch(mirror[0], tmp_path / "held", {})
    assert (tmp_path / "held/osv-scalibr/Debian/all.zip").stat().st_size == 101


def test_the_image_holds_every_ecosystem_and_is_always_the_same(tmp_path: Path) -> None:
    held, found = MemoryRegistry(), archive(tmp_path / "a.zip", {"X-1.json": ENTRY})
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
