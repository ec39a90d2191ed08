"""Attacks with the git server, which may lay a report on a Run. Tried beside those of `table`."""

from typing import Any

from roost.capabilities.tenant.admission.outcomes import GIT
from roost.model import names
from tests.attack.table import Attack, changed

_RUN: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "Run",
    "metadata": {
        "name": "shop-9-0123456789",
        "namespace": "acme-build",
        "annotations": {names.OUTCOME: "a report", names.AUTHOR: "ada"},
    },
    "spec": {"project": "shop", "ref": "refs/heads/main", "commit": "a" * 40, "attempt": 9},
}
_CHANGES: dict[str, dict[str, Any]] = {
    "ends-it": {"spec__cancel": True},
    "says-who-pushed": {"metadata__annotations": {names.OUTCOME: "a report", names.AUTHOR: "bob"}},
    "labels-it": {"metadata__labels": {names.RUN: "another"}},
}
OUTCOMES = [
    Attack(
        f"git-server-{name}",
        GIT,
        _RUN,
        changed(_RUN, **change),
        "roost-outcomes",
        "lays reports on runs",
        ("merge", "json", "apply"),
    )
    for name, change in _CHANGES.items()
]
