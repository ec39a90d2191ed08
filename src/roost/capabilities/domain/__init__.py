"""Domain: host names outside the platform's own, granted to tenants by an administrator."""

from roost.kernel.capability import Capability

capability = Capability(name="domain", resource="roost.model.kinds.domain:Domain")
