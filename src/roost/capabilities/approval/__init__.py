"""Approval: one person's word on a Promotion that an environment's gates hold back."""

from roost.kernel.capability import Capability

capability = Capability(
    name="approval",
    resource="roost.model.kinds.gates:Approval",
    commands="roost.capabilities.approval.commands:commands",
)
