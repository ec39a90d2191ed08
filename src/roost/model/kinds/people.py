"""User and Token: who a person is. The person's rights hang on the ServiceAccount of the same id in `roost-people`."""

from datetime import timedelta
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from roost.model.resource import Model, Resource, StatusModel

Group = Annotated[str, Field(min_length=1, max_length=200)]
MAX_GROUPS: Final = 200
GROUPS_LAST: Final = timedelta(days=14)  # As long as a session: then the provider must be asked again.


class UserSpec(Model):
    """Data about a person; the id is the object's name and never changes hands."""

    title: str = Field("", max_length=100, description="The name that people see.")
    mail: str = Field("", max_length=200)
    platform_role: Literal["", "administrator", "operator", "auditor"] = Field(
        "", description="A role over the whole platform."
    )
    disabled: bool = False
    machine_of: str = Field(
        "", max_length=20, description="Not a person but a machine of this tenant; it has no password. Never changes."
    )
    groups: tuple[Group, ...] = Field(
        (),
        max_length=MAX_GROUPS,
        description="The person's groups, as the site's provider named them at the last sign-in. Never set by hand; "
        "they may be taken away. Tenants say what a group may do.",
    )
    groups_at: str = Field(
        "", max_length=20, description="When that was (RFC 3339, UTC). What it gives ends 14 days later."
    )


class UserStatus(StatusModel):
    """What came of it."""

    service_account: str | None = Field(None, max_length=63)


class User(Resource):
    """A person."""

    KIND: ClassVar[str] = "User"
    PLURAL: ClassVar[str] = "users"
    NAMESPACED: ClassVar[bool] = False
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Title", ".spec.title", "string"),
        ("Role", ".spec.platformRole", "string"),
        ("Age", ".metadata.creationTimestamp", "date"),
    )
    # A ServiceAccount carries the name; `default` is the one that Kubernetes makes in every namespace.
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            "self.metadata.name.matches('^[a-z][-a-z0-9]{0,38}[a-z0-9]$') && self.metadata.name != 'default'",
            "A person's name has 2 to 40 lower-case letters, digits and hyphens, a letter first; not 'default'.",
        ),
        ("!self.metadata.name.startsWith('roost-')", "Names that begin with roost- are the platform's own."),
        (
            "(has(self.spec) && has(self.spec.machineOf) ? self.spec.machineOf : '') =="
            " (has(oldSelf.spec) && has(oldSelf.spec.machineOf) ? oldSelf.spec.machineOf : '')",
            "What is a machine of a tenant stays that.",
        ),
    )

    spec: UserSpec = UserSpec()
    status: UserStatus = UserStatus()
