"""The vulnerability database of the platform: an image in the registry that pods mount. Plain data.

It holds OSV's own archives, one `all.zip` for each ecosystem, as osv-scanner reads them without a network
(https://google.github.io/osv-scanner/usage/offline-mode/). The ConfigMap says which image counts now.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from pydantic import Field

from roost.model.conditions import timestamp
from roost.model.resource import Model

CONFIG_MAP: Final = "roost-advisories"  # In roost-system; its data are those of `Database`.
REPOSITORY: Final = "base/advisories"  # Readable by all, as the bases are; nothing in it is anybody's secret.
TAG: Final = "current"
FOLDER: Final = "osv-scalibr"  # Where osv-scanner looks for the archives, beneath the folder that it is told.
ECOSYSTEMS: Final = ("Debian", "Go", "Maven", "PyPI", "npm")
OLD: Final = timedelta(days=7)  # Every ecosystem has had something new each week for years.


class Part(Model):
    """The archive of one ecosystem."""

    entries: int = Field(ge=0)
    modified: datetime = Field(description="When the newest of its entries was changed.")


class Database(Model):
    """The database that counts, and what became of the last try to renew it."""

    image: str = Field("", max_length=400, description="With its digest; empty: there is none.")
    parts: dict[str, Part] = Field(
        {}, max_length=20, description="By ecosystem; those without an archive are left out."
    )
    failure: str = Field("", max_length=1000, description="Why it could not be renewed; empty: it was.")
    failed: datetime | None = Field(None, description="Since when it could not.")

    @classmethod
    def told(cls, data: Mapping[str, str]) -> "Database":
        """As the ConfigMap has it. What does not fit is passed over: the image counts in any case."""
        plain = {"image": str(data.get("image", ""))[:400]}
        try:
            parts = json.loads(data.get("parts") or "{}")
            more = {"failure": data.get("failure", ""), "failed": data.get("failed") or None}
            return cls.model_validate({**plain, "parts": parts, **more})
        except ValueError:
            return cls.model_validate(plain)

    def data(self) -> dict[str, str]:
        """What stands in the ConfigMap."""
        parts = {name: part.wire() for name, part in sorted(self.parts.items())}
        # Every key each time: whoever applies it takes over what another writer said.
        return {
            "image": self.image,
            "parts": json.dumps(parts, sort_keys=True),
            "failure": self.failure,
            "failed": timestamp(self.failed) if self.failed else "",
        }

    def trouble(self, now: datetime) -> str:
        """Why it must not be taken for the world's newest, in words; empty: it may."""
        if not self.image:
            return ""
        oldest = min(self.parts.items(), key=lambda item: item[1].modified, default=None)
        old = oldest is not None and now - oldest[1].modified > OLD
        if not old and not self.failure:
            return ""
        words = "The vulnerability database stays as it is"
        if oldest is not None:
            days = (now - oldest[1].modified).days
            words += f": of {oldest[0]} it is of {oldest[1].modified:%Y-%m-%d}, {days} days old"
        since = f" since {self.failed:%Y-%m-%d}" if self.failed else ""
        why = f" It could not be renewed{since}: {self.failure}" if self.failure else ""
        return f"{words}.{why} What became known since then is not in it; an administrator gives a newer one."


def version(image: str) -> str:
    """What the database is called in findings: its digest; empty where there is none."""
    return image.rpartition("@")[2]
