"""Bills of materials of the platform's own images. Called by `roost.node.images` for every image."""

from pathlib import Path
from typing import Final

from roost.builds import bill, bill_layers

FORM: Final = (
    2  # Raised when bills tell more: those of images that are there are made anew. 2: Debian's source packages.
)


def beside(archive: Path) -> Path:
    """Where the bill of an image's archive lies; there is none as long as it has an older form only."""
    return archive.with_suffix(f".{FORM}.cdx.json")


def write(rootfs: Path, target: Path, image: tuple[str, str, str]) -> int:
    """Write the bill of what is in the tar file `rootfs`; `image` is (name, version, digest). The number of parts."""
    with rootfs.open("rb") as stream:
        parts = bill_layers.merged((), [bill_layers.scan(stream)])
    target.write_text(bill.document(*image, parts))
    return len(parts)
