"""Run: one build of one commit."""

from roost.kernel.capability import Capability

capability = Capability(
    name="run",
    resource="roost.model.kinds.delivery:Run",
    commands="roost.capabilities.run.commands:commands",
)
