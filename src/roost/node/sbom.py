"""Bills of materials of the platform's own images. Called by `roost.node.images` for every image."""

from pathlib import Path

from roost.builds import bill, bill_layers


def write(rootfs: Path, target: Path, image: tuple[str, str, str]) -> int:
    """Write the bill of what is in the tar file `rootfs`; `image` is (name, version, digest). The number of parts."""
    with rootfs.open("rb") as stream:
        parts = bill_layers.merged((), [bill_layers.scan(stream)])
    target.write_text(bill.document(*image, parts))
    return len(parts)
