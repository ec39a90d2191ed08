"""Task: one command of an application, once, in an instance of its own."""

from roost.kernel.capability import Capability

capability = Capability(
    name="task",
    resource="roost.model.kinds.task:Task",
    observe="roost.capabilities.task.observe:observe",
    plan="roost.capabilities.task.plan:plan",
    watches="roost.capabilities.task.observe:WATCHES",
    actions="roost.capabilities.task.actions:ACTIONS",
    commands="roost.capabilities.task.commands:commands",
)
