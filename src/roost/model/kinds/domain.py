"""Domain: a host name outside the platform's own domain, granted to one environment of one tenant.

Its name is the host name, so that there is one of it and with it one owner. Administrators grant; whether somebody owns
a name cannot be asked of DNS in a closed network, and an administrator's word works everywhere.
"""

from typing import ClassVar, Final

from pydantic import Field

from roost.model.names import ENVIRONMENT_PATTERN, HOST_PATTERN, TENANT_PATTERN
from roost.model.resource import Model, Resource, StatusModel

MOST_OF_ENVIRONMENT: Final = 100  # Host names that one environment may be granted: they stand with its namespace.


class DomainSpec(Model):
    """Whose host name it is."""

    tenant: str = Field(pattern=TENANT_PATTERN, max_length=20)
    environment: str = Field(pattern=ENVIRONMENT_PATTERN, max_length=12, description="Whose Apps may have it.")


class DomainStatus(StatusModel):
    """Nothing becomes of a Domain itself: its tenant's namespaces and the gateway's certificate tell of it."""


class Domain(Resource):
    """A host name that an administrator granted to a tenant."""

    KIND: ClassVar[str] = "Domain"
    PLURAL: ClassVar[str] = "domains"
    NAMESPACED: ClassVar[bool] = False
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Tenant", ".spec.tenant", "string"),
        ("Environment", ".spec.environment", "string"),
        ("Age", ".metadata.creationTimestamp", "date"),
    )
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            f"self.metadata.name.matches('{HOST_PATTERN}')",
            "A Domain is named as its host name: lower-case labels with dots between them, e.g. shop.example.com.",
        ),
    )

    spec: DomainSpec
    status: DomainStatus = DomainStatus()
