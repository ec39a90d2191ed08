"""What is installed, kept in the cluster: version, options, images and every manifest as it was applied.

ConfigMap `roost-installation` in `roost-system` holds it, `roost-installation-before` the one before, for the way back.
They hold no secrets: those are made in the cluster and are no part of any manifest.
"""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node.installer.options import Options
from roost.node.installer.rendering import Identity, digest, identity
from roost.node.kubectl import Kubectl
from roost.node.manifests.common import Manifest, metadata

CURRENT: Final = "roost-installation"
BEFORE: Final = "roost-installation-before"
REMOVED: Final = "removed"  # Version of what is left of a platform that was taken from its applications.
MANIFESTS: Final = "manifests.json.gz"


class RecordUnreadable(RuntimeError):
    """The record in the cluster is damaged; the text says what to do."""


@dataclass(frozen=True)
class Installation:
    """One installed version."""

    version: str
    options: Options
    images: Mapping[str, str]
    phases: Mapping[str, Sequence[Manifest]]

    @property
    def digest(self) -> str:
        """The same for the same manifests."""
        return digest(self.phases)

    @property
    def name(self) -> str:
        """Version and digest, as people see it."""
        return f"{self.version}+{self.digest}"

    def identities(self) -> dict[Identity, str]:
        """Every object, with the phase that it is of."""
        return {identity(item): phase for phase, items in self.phases.items() for item in items}


def own_version() -> str:
    """The version of this program."""
    try:
        return version("roost")
    except PackageNotFoundError:
        return "0"


def manifest(name: str, held: Installation) -> Manifest:
    """The ConfigMap. Compressed without a time, so that the same gives the same bytes."""
    packed = gzip.compress(json.dumps(held.phases).encode(), mtime=0)  # In the order of applying.
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(name, HERE),
        "data": {
            "version": held.version,
            "digest": held.digest,
            "options": held.options.text(),
            "images": json.dumps(held.images, sort_keys=True),
        },
        "binaryData": {MANIFESTS: base64.b64encode(packed).decode()},
    }


def parse(found: Mapping[str, Any]) -> Installation:
    """From the ConfigMap. RecordUnreadable where it is damaged."""
    try:
        data = found["data"]
        phases = json.loads(gzip.decompress(base64.b64decode(found["binaryData"][MANIFESTS])))
        held = Installation(data["version"], Options.read(data["options"]), json.loads(data["images"]), phases)
        told = data["digest"]
    except (KeyError, ValueError, OSError, EOFError) as error:
        raise RecordUnreadable(_damaged(found, str(error))) from error
    if held.digest != told:
        raise RecordUnreadable(_damaged(found, "its digest is another"))
    return held


def _damaged(found: Mapping[str, Any], why: str) -> str:
    name = found.get("metadata", {}).get("name", CURRENT)
    return (
        f"ConfigMap {HERE}/{name} cannot be read ({why}). Delete it and install again with the options of the "
        "first time: nothing that runs is touched by that."
    )


def read(kubectl: Kubectl, name: str = CURRENT) -> Installation | None:
    """What is installed, or None. RecordUnreadable."""
    found = kubectl.get("configmap", name, HERE)
    return None if found is None else parse(found)


def write(kubectl: Kubectl, name: str, held: Installation) -> None:
    """Write it down."""
    kubectl.apply([manifest(name, held)])
