"""Forge: what became of a run is told to the forge that its commit came from."""

from roost.kernel.capability import Capability

capability = Capability(
    name="forge",
    resource="roost.model.kinds.forge:CommitStatus",
    observe="roost.capabilities.forge.observe:observe",
    plan="roost.capabilities.forge.plan:plan",
    watches="roost.capabilities.forge.observe:WATCHES",
    actions="roost.capabilities.forge.actions:ACTIONS",
)
