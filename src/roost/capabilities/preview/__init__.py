"""Preview: a merge request in an application of its own, which goes when the request is closed or its time is over."""

from roost.kernel.capability import Capability

capability = Capability(
    name="preview",
    resource="roost.model.kinds.forge:Preview",
    observe="roost.capabilities.preview.observe:observe",
    plan="roost.capabilities.preview.plan:plan",
    watches="roost.capabilities.preview.observe:WATCHES",
    actions="roost.capabilities.preview.actions:ACTIONS",
    finalizer=True,
    finalize="roost.capabilities.preview.actions:finalize",
    commands="roost.capabilities.preview.commands:commands",
)
