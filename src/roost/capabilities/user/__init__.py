"""User: a person of the platform, as a ServiceAccount in `roost-people` that rights hang on."""

from roost.kernel.capability import Capability

capability = Capability(
    name="user",
    resource="roost.model.kinds.people:User",
    observe="roost.capabilities.user.observe:observe",
    plan="roost.capabilities.user.plan:plan",
    watches="roost.capabilities.user.observe:WATCHES",
    commands="roost.capabilities.user.commands:commands",
    finalizer=True,
)
