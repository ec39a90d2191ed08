"""The vulnerability database as an image: made of OSV's archives, pushed to the registry, mounted by pods that scan.

`roost.mains.advisories` calls `fetch` and `publish`. What is fetched is somebody else's: an archive that
is too large or none of JSON entries is refused as a whole, and the database of yesterday goes on.

    ArchiveWrong    an archive that is not what OSV publishes; the text says why
"""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import urllib.request
import zipfile
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from roost.adapters.registry import MANIFEST, Registry, descriptor
from roost.model.advisories import ECOSYSTEMS, FOLDER, REPOSITORY, TAG, Part

LARGEST: Final = 2 << 30  # Bytes of one archive; npm's, the largest, was a quarter of that in 2026.
FETCH_S: Final = 120  # Without a byte.
LARGEST_ENTRY: Final = 32 << 20
LARGEST_WHOLE: Final = 8 << 30  # Unpacked.
MOST: Final = 1_000_000
LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_CHUNK: Final = 1 << 20


class ArchiveWrong(ValueError):
    """An archive that is not what OSV publishes; the text says why."""


def fetch(mirror: str, into: Path, held: Mapping[str, Part]) -> tuple[dict[str, Path], dict[str, Part]]:
    """The archives of a mirror, `<mirror>/<ecosystem>/all.zip`, as osv-scanner wants them beneath `into`.

    And what they hold: each is read whole. `held`: what the database that counts now is made of; no part of it becomes
    older, or a half.
    ArchiveWrong, OSError, http.client.HTTPException.
    """
    if not mirror.startswith(("https://", "http://")):
        raise ArchiveWrong(f"{mirror!r} is no http(s) address.")
    paths, parts = {}, {}
    for ecosystem in ECOSYSTEMS:
        path = into / FOLDER / ecosystem / "all.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(f"{mirror.rstrip('/')}/{ecosystem}/all.zip", path, ecosystem)
        part = check(path, ecosystem)
        before = held.get(ecosystem)
        if part.entries == 0:
            raise ArchiveWrong(f"The archive of {ecosystem} is empty.")
        if before is not None and part.modified < before.modified:
            words = f"The archive of {ecosystem} is of {part.modified:%Y-%m-%d %H:%M}, older than the one here"
            raise ArchiveWrong(f"{words} ({before.modified:%Y-%m-%d %H:%M}).")
        if before is not None and part.entries < before.entries // 2:
            raise ArchiveWrong(f"The archive of {ecosystem} has {part.entries} entries; the one here {before.entries}.")
        paths[ecosystem], parts[ecosystem] = path, part
    return paths, parts


def _download(url: str, path: Path, ecosystem: str) -> None:
    """What the address gives, as long as it said that it would be, and with the MD5 that it said. ArchiveWrong."""
    with urllib.request.urlopen(url, timeout=FETCH_S) as answer, path.open("wb") as file:
        taken, digest = 0, hashlib.md5(usedforsecurity=False)
        while taken <= LARGEST and (block := answer.read(min(_CHUNK, LARGEST + 1 - taken))):
            file.write(block)
            digest.update(block)
            taken += len(block)
        length, sums = answer.headers.get("Content-Length"), answer.headers.get_all("x-goog-hash") or []
    if taken > LARGEST:
        raise ArchiveWrong(f"The archive of {ecosystem} is larger than {LARGEST >> 30} GiB.")
    if length is not None and int(length) != taken:
        raise ArchiveWrong(f"The archive of {ecosystem} ended after {taken} of {length} bytes.")
    # As Google's storage, where OSV publishes, says it:
    # https://cloud.google.com/storage/docs/xml-api/reference-headers
    told = {part.strip() for line in sums for part in line.split(",") if part.strip().startswith("md5=")}
    mine = f"md5={base64.b64encode(digest.digest()).decode()}"
    if told and told != {mine}:
        raise ArchiveWrong(f"The archive of {ecosystem} has another checksum than the mirror says.")


def check(path: Path, ecosystem: str) -> Part:
    """What an archive holds. All of it is read: that every entry is one of OSV, and whole. ArchiveWrong."""
    newest = datetime.min.replace(tzinfo=UTC)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [item for item in archive.infolist() if not item.is_dir()]
            if len(entries) > MOST or any(item.file_size > LARGEST_ENTRY for item in entries):
                raise ArchiveWrong(f"The archive of {ecosystem} has more or larger entries than OSV's have.")
            if sum(item.file_size for item in entries) > LARGEST_WHOLE:
                raise ArchiveWrong(f"The archive of {ecosystem} holds more than {LARGEST_WHOLE >> 30} GiB.")
            for item in entries:
                newest = max(newest, _modified(archive.read(item), item.filename, ecosystem))
            return Part(entries=len(entries), modified=newest)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        if isinstance(error, ArchiveWrong):
            raise
        raise ArchiveWrong(f"The archive of {ecosystem} cannot be read: {str(error)[:200]}") from error


def _modified(text: bytes, name: str, ecosystem: str) -> datetime:
    """When an entry was changed. https://ossf.github.io/osv-schema/: `id` and `modified` are what each one has."""
    said = json.loads(text)
    wrong = ArchiveWrong(f"{name[:100]!r} in the archive of {ecosystem} is no entry of OSV.")
    if not isinstance(said, dict) or not isinstance(said.get("id"), str) or not isinstance(said.get("modified"), str):
        raise wrong
    try:
        moment = datetime.fromisoformat(said["modified"])
    except ValueError as error:
        raise wrong from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def publish(registry: Registry, archives: Mapping[str, Path], work: Path) -> str:
    """Push the archives, by ecosystem, as one image with the tag `current`; its digest. RegistryFailed.

    The same archives make the same digest. An ecosystem without an archive gets an empty one: osv-scanner takes a
    missing one for an error. `work`: a folder with room for the largest.
    """
    layers, differences = [], []
    for ecosystem in ECOSYSTEMS:
        archive = archives.get(ecosystem) or _empty(work / f"{ecosystem}.zip")
        layer = work / f"{ecosystem}.tar.gz"
        differences.append(_layer(archive, f"{FOLDER}/{ecosystem}/all.zip", layer))
        layers.append(registry.put_file(REPOSITORY, layer, LAYER))
        layer.unlink()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": differences},
        },
        sort_keys=True,
    ).encode()
    registry.put_blob(REPOSITORY, config)
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, config),
        "layers": layers,
    }
    return str(registry.put_manifest(REPOSITORY, TAG, manifest)["digest"])


def _empty(path: Path) -> Path:
    with zipfile.ZipFile(path, "w"):
        pass
    return path


class _Hashing(io.RawIOBase):
    """Writes on, and hashes what is written."""

    def __init__(self, target: io.BufferedIOBase) -> None:
        self.hash = hashlib.sha256()
        self._target = target

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.hash.update(data)
        return self._target.write(data)


def _layer(archive: Path, name: str, target: Path) -> str:
    """A layer with one file, and the folders above it; the digest of what is in the gzip. Always the same bytes."""
    with target.open("wb") as file, gzip.GzipFile("", "wb", 1, file, mtime=0) as packed:
        hashing = _Hashing(packed)
        with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
            parts = name.split("/")
            for depth in range(1, len(parts)):
                folder = tarfile.TarInfo("/".join(parts[:depth]))
                folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(folder)
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = archive.stat().st_size, 0o644
            with archive.open("rb") as content:
                tar.addfile(entry, content)
    return f"sha256:{hashing.hash.hexdigest()}"
