"""User: a person of the platform."""

from roost.kernel.capability import Capability

capability = Capability(
    name="user",
    resource="roost.model.kinds.people:User",
    commands="roost.capabilities.user.commands:commands",
)
