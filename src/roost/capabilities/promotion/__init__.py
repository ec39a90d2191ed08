"""Promotion: bring a build's artefact into an environment; the only way a pipeline changes an App."""

from roost.kernel.capability import Capability

capability = Capability(
    name="promotion",
    resource="roost.model.kinds.delivery:Promotion",
    observe="roost.capabilities.promotion.observe:observe",
    plan="roost.capabilities.promotion.plan:plan",
    watches="roost.capabilities.promotion.observe:WATCHES",
    actions="roost.capabilities.promotion.actions:ACTIONS",
    commands="roost.capabilities.promotion.commands:commands",
)
