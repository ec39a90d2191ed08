"""Waiver: what scans found, and an owner's word that one finding may stay for a while."""

from roost.kernel.capability import Capability

capability = Capability(
    name="waiver",
    resource="roost.model.kinds.scan:Waiver",
    observe="roost.capabilities.waiver.observe:observe",
    plan="roost.capabilities.waiver.plan:plan",
    commands="roost.capabilities.waiver.commands:commands",
)
