"""Tenant: namespaces, quota, roles, the deployer's identity and the network walls of a team."""

from roost.kernel.capability import Capability

capability = Capability(
    name="tenant",
    resource="roost.model.kinds.tenant:Tenant",
    observe="roost.capabilities.tenant.observe:observe",
    plan="roost.capabilities.tenant.plan:plan",
    watches="roost.capabilities.tenant.observe:WATCHES",
    actions="roost.capabilities.tenant.certificate:ACTIONS",
    commands="roost.capabilities.tenant.commands:commands",
    finalizer=True,
)
