"""What the tenant capability sees of the cluster. Its kind is `roost.model.kinds.tenant`."""

from datetime import datetime

from pydantic import Field

from roost.model.names import SIGNED, TENANT
from roost.model.resource import Model

SETTINGS = "roost-settings"  # ConfigMap in roost-system; `podNetworks`, `serviceNetworks` and `nodeNetworks`.
AUTHORITY = "roost-ca"  # Secret in roost-system: the internal authority, made at installation.
GATEWAY_TLS = "gateway-tls"  # Secret in roost-system: the gateway's certificate.


class Platform(Model):
    """What an installation decided, as far as a tenant's namespaces depend on it."""

    domain: str = "roost.localhost"
    pod_networks: tuple[str, ...] = ("10.244.0.0/16",)
    service_networks: tuple[str, ...] = ("10.96.0.0/16",)
    node_networks: tuple[str, ...] = Field(
        (), description="Counts where there is no Cilium, which knows nodes as such."
    )
    cilium: bool = Field(False, description="Deny rules that outrank a tenant's own policies can be had.")


class SeenNamespace(Model):
    """A namespace that bears a name, or the label, of this tenant."""

    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    terminating: bool = False
    apps: tuple[str, ...] = ()  # Names of the applications in it.
    listed: bool = Field(False, description="Its ImageAllowlist was filled at least once.")
    counted: bool = True  # Kubernetes has counted all that its quota names; before, it refuses everything.

    @property
    def signed(self) -> bool:
        """Whether admission may compare with the allow-list: it knows by now what ran before there was one."""
        return self.listed or SIGNED in self.labels

    @property
    def tenant(self) -> str:
        """Whose it says it is; empty: nobody's."""
        return self.labels.get(TENANT, "")


class SeenPerson(Model):
    """Somebody who is in groups that the tenant names."""

    person: str
    uid: str
    groups: tuple[str, ...]
    until: datetime = Field(description="When this is no longer believed.")


class SeenDomain(Model):
    """A host name outside the platform's domain, and whose it is."""

    name: str
    tenant: str
    environment: str


class Observed(Model):
    """All that a plan for a Tenant needs to know."""

    platform: Platform = Platform()
    namespaces: tuple[SeenNamespace, ...] = ()
    people: tuple[str, ...] = Field((), description="Ids of people who exist and are not disabled, sorted.")
    uids: dict[str, str] = Field(default_factory=dict, description="The uid of each of these people.")
    grouped: tuple[SeenPerson, ...] = Field((), description="People with groups that the tenant names, by id.")
    certified: tuple[str, ...] = Field((), description="Names in the gateway's certificate, sorted.")
    certified_until: datetime | None = Field(None, description="When that certificate ends.")
    authority: bool = Field(False, description="The internal authority's key is there.")
    tenants: tuple[str, ...] = Field((), description="Every tenant's name, sorted.")
    domains: tuple[SeenDomain, ...] = Field((), description="Every host name that was granted, to whomever, sorted.")
    certified_domains: tuple[str, ...] = Field((), description="Of the certificate's names, those that were granted.")
