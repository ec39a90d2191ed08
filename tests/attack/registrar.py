"""Attacks with the registrar, whom the API becomes to make people. Tried beside those of `table`, and by itself."""

from typing import Any

import httpx2

from roost.model import names
from tests.attack.table import Attack, changed
from tests.attack.world import ROOT, World, collection

REGISTRAR = f"system:serviceaccount:{names.PEOPLE_NAMESPACE}:{names.REGISTRAR}"
_PERSON: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "User",
    "metadata": {"name": "harmless"},
    "spec": {"title": "Somebody"},
}
_GROUPED = changed(_PERSON, metadata__name="grouped", spec__groups=["team"], spec__groupsAt="2026-11-29T12:00:00Z")
_MACHINE = changed(_PERSON, metadata__name="machine-1", spec__machineOf="acme")
REGISTRATIONS = [
    Attack(
        "registrar-makes-an-administrator",
        REGISTRAR,
        _PERSON,
        changed(_PERSON, spec__platformRole="administrator"),
        "roost-registrar",
        "without a role",
        ("post",),
    ),
    Attack(
        "registrar-changes-somebody",
        REGISTRAR,
        _GROUPED,
        changed(_GROUPED, spec__disabled=True),
        "roost-registrar",
        "changes nobody but for their groups",
        ("merge", "json", "apply"),
    ),
    Attack(
        "registrar-makes-somebody-an-administrator",
        REGISTRAR,
        _GROUPED,
        changed(_GROUPED, spec__platformRole="administrator"),
        "roost-registrar",
        "changes nobody but for their groups",
        ("merge",),
    ),
    Attack(
        "registrar-gives-somebody-an-owner",
        REGISTRAR,
        _GROUPED,
        changed(
            _GROUPED,
            metadata__ownerReferences=[{"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "none"}],
        ),
        "roost-registrar",
        "changes nobody but for their groups",
        ("merge",),
    ),
    Attack(
        "administrator-puts-somebody-into-a-group",
        ROOT,
        _PERSON,
        changed(_PERSON, spec__groups=["platform-admins"], spec__groupsAt="2026-11-29T12:00:00Z"),
        "roost-registrar",
        "never written by hand",
    ),
]


def remove(world: World, person: bool) -> httpx2.Response:
    """The registrar removes a person, or a machine. A dry run: admission decides as for a real one."""
    target = _PERSON if person else _MACHINE
    made = world.call("", "POST", collection(target), target)
    assert made.status_code in (201, 409), made.text
    path = f"{collection(target)}/{target['metadata']['name']}"
    return world.call(REGISTRAR, "DELETE", path, params={"dryRun": "All"})
