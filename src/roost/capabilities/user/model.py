"""What the user capability sees of the cluster. Its kind is in `roost.model.kinds.people`."""

from pydantic import Field

from roost.model.resource import Model


class Observed(Model):
    """All that a plan for a User needs to know."""

    owners: tuple[str, ...] = Field((), description="Uids of the Users that the ServiceAccount says it belongs to.")
