"""Channel: where a tenant is told how its runs and promotions went."""

from roost.kernel.capability import Capability

capability = Capability(
    name="channel",
    resource="roost.model.kinds.channel:Channel",
    observe="roost.capabilities.channel.observe:observe",
    plan="roost.capabilities.channel.plan:plan",
    watches="roost.capabilities.channel.observe:WATCHES",
    commands="roost.capabilities.channel.commands:commands",
)
