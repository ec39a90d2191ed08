"""Notice: one thing that is told on a channel, until its receiver has it."""

from roost.kernel.capability import Capability

capability = Capability(
    name="notice",
    resource="roost.model.kinds.channel:Notice",
    observe="roost.capabilities.notice.observe:observe",
    plan="roost.capabilities.notice.plan:plan",
    watches="roost.capabilities.notice.observe:WATCHES",
    actions="roost.capabilities.notice.actions:ACTIONS",
)
