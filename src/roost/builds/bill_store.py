"""The bill of materials of an image that was just built: made, and stored next to it. The step of a run calls `write`.

It is an artefact that refers to the image (OCI referrers), so it goes where the image goes and ends when it ends. The
base's own bill is beside the base; what was found in each layer is kept under the tag `bill-layers` for the next build.
"""

import tarfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roost.adapters.registry import Registry
from roost.builds import bill, bill_layers
from roost.builds.bill import Part
from roost.builds.bill_layers import Layer

LAYERS = "application/vnd.roost.bill-layers.v1+json"
TAG = "bill-layers"


@dataclass(frozen=True)
class Image:
    """What was built: repository, digest, its manifest, and the bases that it may stand on, likeliest first."""

    repository: str
    digest: str
    manifest: Mapping[str, Any]
    bases: tuple[str, ...]


@dataclass(frozen=True)
class _Base:
    """parts: of its own bill. layers: how many of the image's are its."""

    parts: tuple[Part, ...] = ()
    layers: int = 0


def _digests(manifest: Mapping[str, Any]) -> list[str]:
    return [str(layer.get("digest", "")) for layer in manifest.get("layers") or ()]


@dataclass(frozen=True)
class Known:
    """What the registry said before the image was there. bases: layers and own bill by name; kept: of layers."""

    bases: Mapping[str, tuple[list[str], tuple[Part, ...]]]
    kept: Mapping[str, Layer]


def look(registry: Registry, repository: str, bases: Sequence[str]) -> Known:
    """What can be known of an image's bill before it is built: its likeliest base, what its layers held last time."""
    layers = {name: _layers(registry, name) for name in bases[:1]}
    found = {name: (own, _parts(registry, name) if own else ()) for name, own in layers.items()}
    return Known(found, _kept(registry, repository))


def _layers(registry: Registry, base: str) -> list[str]:
    repository, _, tag = base.rpartition(":")
    manifest = registry.manifest(repository, tag)
    return _digests(manifest) if manifest else []


def _parts(registry: Registry, base: str) -> tuple[Part, ...]:
    repository, _, tag = base.rpartition(":")
    text = registry.artefact(repository, bill.KIND, subject=registry.resolve(repository, tag))
    return tuple(bill.of_document(text or b""))


def _kept(registry: Registry, repository: str) -> dict[str, Layer]:
    return bill_layers.load(registry.artefact(repository, LAYERS, tag=TAG) or b"{}")


def _base(registry: Registry, image: Image, layers: list[str], known: Known) -> _Base:
    """The base that the image's first layers are."""
    for name in image.bases:
        own, parts = known.bases.get(name, (None, ()))
        own = _layers(registry, name) if own is None else own
        if own and layers[: len(own)] == own:
            return _Base(parts if name in known.bases else _parts(registry, name), len(own))
    return _Base()


def _scanned(registry: Registry, repository: str, digest: str) -> Layer:
    """What a layer holds; nothing where it cannot be read."""
    with registry.blob(repository, digest) as stream:
        try:
            return bill_layers.scan(stream)
        except (tarfile.TarError, EOFError, zlib.error, ValueError):
            return Layer()


def write(registry: Registry, image: Image, known: Known | None = None) -> list[Part]:
    """Store the image's bill; its parts. `known`: from `look`. RegistryFailed."""
    known = known or Known({}, _kept(registry, image.repository))
    digests = _digests(image.manifest)
    base = _base(registry, image, digests, known)
    kept = known.kept
    own = digests[base.layers :]
    found = {digest: kept.get(digest) or _scanned(registry, image.repository, digest) for digest in own}
    parts = bill_layers.merged(base.parts, found.values())
    text = bill.document(image.repository, image.digest, image.digest, parts)
    registry.put_artefact(image.repository, bill.KIND, text.encode(), subject=image.digest)
    if found != kept:
        registry.put_artefact(image.repository, LAYERS, bill_layers.dump(found), tag=TAG)
    return parts


def summary(parts: Iterable[Part]) -> str:
    """`312 packages (npm 290, deb 22)`."""
    kinds: dict[str, int] = {}
    for part in parts:
        kinds[part.kind] = kinds.get(part.kind, 0) + 1
    listed = ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items(), key=lambda item: (-item[1], item)))
    return f"{sum(kinds.values())} packages" + (f" ({listed})" if listed else "")
