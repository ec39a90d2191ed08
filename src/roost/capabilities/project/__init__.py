"""Project: a hosted repository that builds into an application."""

from roost.kernel.capability import Capability

capability = Capability(
    name="project",
    resource="roost.model.kinds.delivery:Project",
    commands="roost.capabilities.project.commands:commands",
)
