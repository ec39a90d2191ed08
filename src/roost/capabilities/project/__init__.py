"""Project: a hosted repository that builds into an application."""

from roost.kernel.capability import Capability

capability = Capability(
    name="project",
    resource="roost.model.kinds.delivery:Project",
    observe="roost.capabilities.project.observe:observe",
    plan="roost.capabilities.project.plan:plan",
    watches="roost.capabilities.project.observe:WATCHES",
    actions="roost.capabilities.project.actions:ACTIONS",
    finalizer=True,
    finalize="roost.capabilities.project.actions:finalize",
    commands="roost.capabilities.project.commands:commands",
)
