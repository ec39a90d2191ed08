"""Run: one build of one commit."""

from roost.kernel.capability import Capability

capability = Capability(
    name="run",
    resource="roost.model.kinds.delivery:Run",
    observe="roost.capabilities.run.observe:observe",
    plan="roost.capabilities.run.plan:plan",
    watches="roost.capabilities.run.observe:WATCHES",
    actions="roost.capabilities.run.actions:ACTIONS",
    commands="roost.capabilities.run.commands:commands",
)
