"""Attacks with the registrar, whom the API becomes to make people. Tried beside those of `table`, and by itself."""

from typing import Any

import httpx2

from roost.model import names
from tests.attack.table import Attack, changed
from tests.attack.world import World, collection

REGISTRAR = f"system:serviceaccount:{names.PEOPLE_NAMESPACE}:{names.REGISTRAR}"
_PERSON: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "User",
    "metadata": {"name": "harmless"},
    "spec": {"title": "Somebody"},
}
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
    )
]


def remove(world: World, person: bool) -> httpx2.Response:
    """The registrar removes a person, or a machine. A dry run: admission decides as for a real one."""
    target = _PERSON if person else _MACHINE
    made = world.call("", "POST", collection(target), target)
    assert made.status_code in (201, 409), made.text
    path = f"{collection(target)}/{target['metadata']['name']}"
    return world.call(REGISTRAR, "DELETE", path, params={"dryRun": "All"})
