"""App: a version of an application becomes Releases, instances, a service and a URL."""

from roost.kernel.capability import Capability

capability = Capability(
    name="app",
    resource="roost.model.kinds.app:App",
    observe="roost.capabilities.app.observe:observe",
    plan="roost.capabilities.app.plan:plan",
    watches="roost.capabilities.app.observe:WATCHES",
    actions="roost.capabilities.app.actions:ACTIONS",
    commands="roost.capabilities.app.commands:commands",
)
