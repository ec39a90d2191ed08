"""Attacks on the gates of an environment (acme-prod asks for an approval). Tried beside those of `table`."""

from typing import Any

from roost.model import names
from tests.attack.table import MADE, OWN, Attack, changed, meta
from tests.attack.world import ADA, APPROVER, BOB

_APP: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "App",
    "metadata": meta("gated", "acme-prod"),
    "spec": {"config": [{"name": "A", "value": "1"}]},
}
_APPROVAL: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "Approval",
    "metadata": {**meta("harmless", "acme-prod"), "annotations": {names.AUTHOR: "appr"}},
    "spec": {"promotion": "shop-1", "uid": "00000000-0000-0000-0000-000000000000"},
}
_PROJECT: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "Project",
    "metadata": meta("scanned", "acme-build"),
    "spec": {"branch": "main", "scan": {"secrets": True, "block": "high"}},
}
GATES = [
    Attack(
        "scan-turned-off-by-a-developer",
        BOB,
        _PROJECT,
        changed(_PROJECT, spec__scan__block="never"),
        "roost-scans",
        "an owner's to change",
    ),
    Attack(
        "version-past-the-gate",
        ADA,
        _APP,
        changed(_APP, spec__artefact={"image": OWN}),
        "roost-gates",
        "by a promotion only",
    ),
    Attack(
        "approval-in-the-name-of-another",
        APPROVER,
        _APPROVAL,
        changed(_APPROVAL, metadata__annotations={names.AUTHOR: "ada"}),
        "roost-authors",
        "The annotation",
        MADE[:1],
        twice=True,
    ),
    Attack(
        "approval-by-nobody",
        APPROVER,
        _APPROVAL,
        changed(_APPROVAL, metadata__annotations={}),
        "roost-authors",
        "An approval names who gives it",
        MADE[:1],
    ),
    Attack(
        "freeze-opened-by-an-approver",
        APPROVER,
        _APPROVAL,
        changed(_APPROVAL, spec__inFreeze=True),
        "roost-freezes",
        "Only an owner",
        MADE[:1],
    ),
]
