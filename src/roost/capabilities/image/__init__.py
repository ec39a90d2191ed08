"""Image: which images may run in an environment, by their signatures."""

from roost.kernel.capability import Capability

capability = Capability(
    name="image",
    resource="roost.model.kinds.images:ImageAllowlist",
    observe="roost.capabilities.image.observe:observe",
    plan="roost.capabilities.image.plan:plan",
    watches="roost.capabilities.image.observe:WATCHES",
    actions="roost.capabilities.image.actions:ACTIONS",
)
