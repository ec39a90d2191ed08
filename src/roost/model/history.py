"""Objects that stay for a while as a record when they have ended: the newest one of them forgets the oldest."""

from collections.abc import Sequence
from typing import Final

from roost.model.conditions import Condition
from roost.model.plan import Action, Plan
from roost.model.resource import Model, Resource, StatusModel

FORGOTTEN_AT_ONCE: Final = 20


class Past(Model):
    """Another object of the same record, as observed."""

    name: str
    uid: str
    created: str = ""
    ended: bool = False


def ended(item: Resource, status: StatusModel, phase: str | None, others: Sequence[Past], kept: int) -> Plan:
    """The plan of an object that has ended: nothing changes any more.

    `others`: the rest of its record, the oldest first. The newest of all forgets those that ended, beyond `kept`.
    """
    said = next((one for one in status.conditions if one.type == "Ready"), None)
    mine = (item.metadata.creation_timestamp or "", item.metadata.name)
    newest = all((other.created, other.name) < mine for other in others)
    over = [other for other in others if other.ended]
    surplus = over[: max(0, len(over) - (kept - 1))] if newest else []
    space = item.metadata.namespace or ""
    return Plan(
        actions=tuple(
            Action("forget", other.uid, {"name": other.name, "namespace": space})
            for other in surplus[:FORGOTTEN_AT_ONCE]
        ),
        conditions=(Condition(said.type, said.status, said.reason, said.message),) if said else (),
        status={"phase": phase},
        hold=True,
    )
