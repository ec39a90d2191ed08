"""The vulnerability database as an image: made of OSV's archives, pushed to the registry, mounted by pods that scan.

`roost.mains.advisories` calls `fetch` and `publish`. What is fetched is somebody else's: an archive that
is too large or none of JSON entries is refused as a whole, and the database of yesterday goes on.

    ArchiveWrong    an archive that is not what OSV publishes; the text says why
"""

import gzip
import hashlib
import io
import json
import tarfile
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from roost.adapters.registry import MANIFEST, Registry, descriptor
from roost.model.advisories import ECOSYSTEMS, FOLDER, REPOSITORY, TAG

LARGEST: Final = 2 << 30  # Bytes of one archive; npm's, the largest, was a quarter of that in 2026.
FETCH_S: Final = 120  # Without a byte.
LARGEST_ENTRY: Final = 32 << 20
MOST: Final = 3_000_000
LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_CHUNK: Final = 1 << 20


class ArchiveWrong(ValueError):
    """An archive that is not what OSV publishes; the text says why."""


def fetch(mirror: str, into: Path) -> dict[str, Path]:
    """The archives of a mirror, `<mirror>/<ecosystem>/all.zip`, checked, as osv-scanner wants them beneath `into`.

    ArchiveWrong, OSError, http.client.HTTPException.
    """
    if not mirror.startswith(("https://", "http://")):
        raise ArchiveWrong(f"{mirror!r} is no http(s) address.")
    found = {}
    for ecosystem in ECOSYSTEMS:
        path = into / FOLDER / ecosystem / "all.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        url = f"{mirror.rstrip('/')}/{ecosystem}/all.zip"
        with urllib.request.urlopen(url, timeout=FETCH_S) as answer, path.open("wb") as file:
            left = LARGEST + 1
            while left > 0 and (block := answer.read(min(_CHUNK, left))):
                file.write(block)
                left -= len(block)
        check(path, ecosystem)
        found[ecosystem] = path
    return found


def check(path: Path, ecosystem: str) -> int:
    """How many entries an archive has; the first hundred are read. ArchiveWrong."""
    if path.stat().st_size > LARGEST:
        raise ArchiveWrong(f"The archive of {ecosystem} is larger than {LARGEST >> 30} GiB.")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MOST or any(item.file_size > LARGEST_ENTRY for item in entries):
                raise ArchiveWrong(f"The archive of {ecosystem} has more or larger entries than OSV's have.")
            for item in entries[:100]:
                said = json.loads(archive.read(item))
                if not isinstance(said, dict) or not isinstance(said.get("id"), str):
                    raise ArchiveWrong(f"{item.filename[:100]} in the archive of {ecosystem} is no entry of OSV.")
            return len(entries)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, RecursionError) as error:
        if isinstance(error, ArchiveWrong):
            raise
        raise ArchiveWrong(f"The archive of {ecosystem} cannot be read: {str(error)[:200]}") from error


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
