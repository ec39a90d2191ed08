"""Source: bring what is new in a foreign repository (git, Subversion) into the hosted one, where a run follows."""

from roost.kernel.capability import Capability

capability = Capability(
    name="source",
    resource="roost.model.kinds.source:Import",
    observe="roost.capabilities.source.observe:observe",
    plan="roost.capabilities.source.plan:plan",
    watches="roost.capabilities.source.observe:WATCHES",
    actions="roost.capabilities.source.actions:ACTIONS",
    commands="roost.capabilities.source.commands:commands",
)
