"""The vulnerability database of the platform: an image in the registry that pods mount. Plain data.

It holds OSV's own archives, one `all.zip` for each ecosystem, as osv-scanner reads them without a network
(https://google.github.io/osv-scanner/usage/offline-mode/). The ConfigMap says which image counts now.
"""

from typing import Final

CONFIG_MAP: Final = "roost-advisories"  # In roost-system; `image`: with its digest.
REPOSITORY: Final = "base/advisories"  # Readable by all, as the bases are; nothing in it is anybody's secret.
TAG: Final = "current"
FOLDER: Final = "osv-scalibr"  # Where osv-scanner looks for the archives, beneath the folder that it is told.
ECOSYSTEMS: Final = ("Debian", "Go", "Maven", "PyPI", "npm")


def version(image: str) -> str:
    """What the database is called in findings: its digest; empty where there is none."""
    return image.rpartition("@")[2]
