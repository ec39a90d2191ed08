"""Which parts an image has, layer by layer. Reads tar streams only; hostile ones cost bounded time and memory.

A layer's parts never change, so what was found is kept by the layer's digest: after a changed line only the small layer
with that line is read anew. Files that a later layer hides (`.wh.`) take their parts with them.
"""

import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field
from typing import IO

from roost.builds import bill
from roost.builds.bill import Part

LARGEST_TEXT = 8 << 20
LARGEST_JAR = 160 << 20
PROGRAM = 500_000  # Bytes; a Go program is never smaller.
MOST_FILES = 500_000
_HIDDEN, _OPAQUE = ".wh.", ".wh..wh..opq"


@dataclass(frozen=True)
class Layer:
    """parts: by the path of the file that tells them. gone: paths, or folders with a slash, that it hides."""

    parts: Mapping[str, tuple[Part, ...]] = field(default_factory=dict)
    gone: tuple[str, ...] = ()


def scan(stream: IO[bytes]) -> Layer:
    """What a tar, compressed by gzip or not, holds. tarfile.TarError, OSError where it cannot be read."""
    parts: dict[str, tuple[Part, ...]] = {}
    gone: list[str] = []
    with tarfile.open(fileobj=stream, mode="r|*") as archive:
        for number, member in enumerate(archive):
            if number >= MOST_FILES:
                break
            path = member.name.removeprefix("./").lstrip("/")
            folder, _, name = path.rpartition("/")
            before = f"{folder}/" if folder else ""
            if name == _OPAQUE:
                gone.append(before or "/")
            elif name.startswith(_HIDDEN):
                gone.append(before + name.removeprefix(_HIDDEN))
            elif member.isfile() and (found := _parts(archive, member, path)):
                parts[path] = found
    return Layer(parts, tuple(gone))


def _parts(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> tuple[Part, ...]:
    name = path.rpartition("/")[2]
    reader = (
        bill.of_dpkg
        if bill.DPKG.match(path)
        else bill.of_npm
        if bill.NPM.search(path)
        else bill.of_metadata
        if bill.METADATA.search("/" + path)
        else bill.of_maven
        if name == bill.MAVEN
        else None
    )
    content = archive.extractfile(member)
    if content is None:
        return ()
    if reader is not None:
        return tuple(reader(content.read(LARGEST_TEXT).decode(errors="replace")))
    if name.endswith((".jar", ".war", ".ear")) and member.size <= LARGEST_JAR:
        return tuple(sorted(set(bill.of_jar(content.read(), name))))
    if member.mode & 0o111 and member.size > PROGRAM:
        return tuple(bill.of_program(content))
    return ()


def merged(base: Iterable[Part], layers: Iterable[Layer]) -> list[Part]:
    """The parts of an image on a base: what no later layer hides or replaces, sorted, each once."""
    below = set(base)
    seen: dict[str, tuple[Part, ...]] = {}
    for layer in layers:
        for path in layer.gone:
            folder = path if path.endswith("/") else f"{path}/"
            for known in [item for item in seen if item == path or item.startswith(folder) or path == "/"]:
                del seen[known]
        seen.update(layer.parts)
    if any(bill.DPKG.match(path) for path in seen):  # It lists what the base has as well.
        below = {part for part in below if part.kind != "deb"}
    found = below.union(*seen.values()) if seen else below
    # A jar whose name is all that it tells is known better where the build wrote its coordinates down.
    maven = [part for part in found if part.kind == "maven"]
    placed = {(part.name.rpartition("/")[2], part.version) for part in maven if "/" in part.name}
    bare = {part for part in maven if "/" not in part.name and (part.name, part.version) in placed}
    return sorted(found - bare)


def dump(layers: Mapping[str, Layer]) -> bytes:
    """The layers by digest, to be kept for the next build."""
    wire = {
        digest: {
            "parts": {path: [list(astuple(part)) for part in parts] for path, parts in layer.parts.items()},
            "gone": list(layer.gone),
        }
        for digest, layer in layers.items()
    }
    return json.dumps(wire, sort_keys=True, separators=(",", ":")).encode()


def load(text: bytes) -> dict[str, Layer]:
    """What `dump` wrote; nothing where somebody else wrote it."""
    try:
        return {
            str(digest): Layer(
                {str(path): tuple(Part(*map(str, part)) for part in parts) for path, parts in said["parts"].items()},
                tuple(map(str, said["gone"])),
            )
            for digest, said in json.loads(text).items()
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
