"""Attacks on the author of a change: speaking in another's name. Tried beside those of `table`."""

from typing import Any

from roost.model import names
from tests.attack.table import OWN, Attack, changed, meta
from tests.attack.world import BOB

_APP: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "App",
    "metadata": meta("harmless", "acme-dev"),
    "spec": {},
}
_PROMOTION: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "Promotion",
    "metadata": {**meta("harmless", "acme-dev"), "annotations": {names.AUTHOR: "bob"}},
    "spec": {"app": "shop", "artefact": {"image": OWN}, "author": "bob"},
}
_PROJECT: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "Project",
    "metadata": {**meta("silent", "acme-build"), "annotations": {names.AUTHOR: "ada"}},
    "spec": {"parameters": [{"name": "FLAVOUR", "default": "sweet"}]},
}
AUTHORS = [
    Attack(
        "promotion-by-nobody",
        BOB,
        _PROMOTION,
        changed(_PROMOTION, metadata__annotations={}, spec__author=None),
        "roost-makers",
        "A promotion names who makes it",
        ("post",),  # Nobody applies promotions: RBAC gives people no patch.
    ),
    Attack(
        "project-changed-in-silence",
        BOB,
        _PROJECT,
        changed(_PROJECT, spec__parameters=[{"name": "FLAVOUR", "default": "sour"}]),
        "roost-makers",
        "A change of a project or a run names who makes it",
        ("put", "merge", "json", "apply"),
    ),
    Attack(
        "app-changed-in-the-name-of-another",
        BOB,
        _APP,
        changed(_APP, metadata__annotations={names.AUTHOR: "ada"}),
        "roost-authors",
        "The annotation",
    ),
    Attack(
        "promotion-in-the-name-of-another",
        BOB,
        _PROMOTION,
        changed(_PROMOTION, spec__author="ada"),
        "roost-authors",
        "spec.author",
        ("post",),
    ),
    Attack(
        "promotion-that-passes-over-later-moves",
        BOB,
        _PROMOTION,
        changed(_PROMOTION, spec__sequence=1_000_000_000),
        "roost-authors",
        "spec.sequence",
        ("post",),
    ),
]
