"""Attacks on the gates of an environment (acme-prod asks for an approval). Tried beside those of `table`."""

from datetime import UTC, datetime, timedelta
from typing import Any

from roost.model import names
from roost.model.conditions import timestamp
from roost.model.kinds.scan import Scan
from tests.attack.table import ALL_WAYS, CHANGES, MADE, OWN, TENANT, Attack, changed, meta
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
    "metadata": {**meta("harmless", "acme-build"), "annotations": {names.AUTHOR: "bob"}},
    "spec": {"branch": "main", "scan": {"secrets": True, "block": "high"}},
}
_WAIVER: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "Waiver",
    "metadata": {**meta("harmless", "acme-build"), "annotations": {names.AUTHOR: "ada"}},
    "spec": {
        "project": "shop",
        "fingerprint": "0" * 16,
        "reason": "Behind the gateway.",
        "until": timestamp(datetime.now(UTC) + timedelta(days=366)),
    },
}
_HERE = changed(_PROJECT, spec__environment="dev", spec__scan=None)
# Made by somebody who may: it goes where Bob, a developer of `dev`, may bring nothing.
_THERE = changed(
    _HERE,
    metadata__name="bound",
    spec__environment="prod",
    spec__source={"type": "git", "url": "https://git.example/a"},
)


def _weaker(field: str, usual: object) -> Attack:
    """One field of a scan, set to another value than it usually has."""
    other = (not usual) if isinstance(usual, bool) else "low" if usual == "never" else "never"
    evil = changed(_PROJECT, **{f"spec__scan__{field}": other})
    ways = ALL_WAYS if field == "block" else ("post", "merge")
    return Attack(f"scan-{field}-set-by-a-developer", BOB, _PROJECT, evil, "roost-scans", "an owner's to change", ways)


def _sent(name: str, base: dict[str, Any] = _HERE, ways: tuple[str, ...] = ("post", "merge"), **changes: Any) -> Attack:
    evil = changed(base, **changes)
    return Attack(f"project-{name}", BOB, base, evil, "roost-destinations", "Where a project's", ways)


_TO_PROD = {"environment": "prod"}
GATES = [
    Attack(
        "owner-adds-a-registry",
        ADA,
        TENANT,
        changed(TENANT, spec__registries=["registry.evil.example"]),
        "roost-tenants",
        "administrator",
        CHANGES,
    ),
    Attack(
        "waiver-for-good",
        ADA,
        _WAIVER,
        changed(_WAIVER, spec__until="2999-01-01T00:00:00Z"),
        "roost-waivers",
        "within a year",
        MADE[:1],
    ),
    Attack(
        "waiver-in-the-name-of-another",
        ADA,
        _WAIVER,
        changed(_WAIVER, metadata__annotations={names.AUTHOR: "bob"}),
        "roost-authors",
        "The annotation",
        MADE[:1],
        twice=True,
    ),
    *(_weaker(field, usual) for field, usual in Scan().wire().items()),
    _sent("to-an-environment-not-given", ways=ALL_WAYS, spec__environment="prod"),
    _sent("by-a-branch", spec__triggers={"branches": [{"pattern": "x", **_TO_PROD}]}),
    _sent("by-a-tag", spec__triggers={"tags": [{"pattern": "x", **_TO_PROD}]}),
    _sent("by-a-schedule", spec__triggers={"schedules": [{"name": "x", "cron": "0 0 * * *", **_TO_PROD}]}),
    _sent("by-previews", spec__previews=_TO_PROD),
    _sent(
        "hidden-among-many",
        spec__triggers={"branches": [{"pattern": "x", "environment": f"e{at}"} for at in range(20)]},
    ),
    _sent("of-production-to-another-app", _THERE, CHANGES, spec__app="payments"),
    _sent("of-production-from-another-branch", _THERE, ("merge",), spec__branch="mine"),
    _sent("of-production-from-another-repository", _THERE, ("merge",), spec__source__url="https://git.example/mine"),
    _sent(
        "configuration-of-production-in-previews",
        changed(_THERE, metadata__name="tried", spec__previews={"environment": "prod"}),
        CHANGES,
        spec__previews={"environment": "prod", "copies": True},
    ),
    _sent("of-production-by-a-new-tag", _THERE, ("merge",), spec__triggers={"tags": [{"pattern": "*", **_TO_PROD}]}),
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
        changed(_APPROVAL, spec__inFreeze=True, spec__comment="Now."),
        "roost-freezes",
        "Only an owner",
        MADE[:1],
    ),
]
