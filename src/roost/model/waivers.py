"""Findings that may stay: the Waivers of a project, as plans see them. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from roost.model.kinds.scan import Waiver
from roost.model.resource import Model


class SeenWaiver(Model):
    """A finding of the project that may stay until a moment."""

    fingerprint: str
    until: datetime


def waivers(items: Iterable[dict[str, Any]], project: str) -> tuple[SeenWaiver, ...]:
    """Those of a project, in a steady order. items: as the API server has the objects of the build namespace."""
    mine = {
        SeenWaiver(fingerprint=spec.fingerprint, until=datetime.fromisoformat(spec.until.replace("Z", "+00:00")))
        for spec in (Waiver.parse(item).spec for item in items)
        if spec.project == project
    }
    return tuple(sorted(mine, key=lambda item: (item.fingerprint, item.until)))


def waived(given: Iterable[SeenWaiver], now: datetime) -> set[str]:
    """Fingerprints of what may stay now."""
    return {item.fingerprint for item in given if item.until > now}
