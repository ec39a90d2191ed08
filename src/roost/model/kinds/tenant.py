"""Tenant: a team's environments, members and quota."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from roost.model.kinds.gates import Gates
from roost.model.names import ENVIRONMENT_PATTERN, PERSON_PATTERN, QUANTITY_PATTERN, RESERVED, TENANT_PATTERN
from roost.model.resource import Model, Resource, StatusModel

_RESERVED = ", ".join(f"'{name}'" for name in sorted(RESERVED))

REGISTRY_PATTERN = r"^[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$"
Role = Literal["owner", "developer", "viewer", "approver"]


class Quota(Model):
    """What an environment may use at most. Kubernetes quantities."""

    cpu: str = Field(
        "4",
        max_length=20,
        pattern=QUANTITY_PATTERN,
        description="CPU that the requests of all instances may add up to, in cores.",
    )
    memory: str = Field(
        "8Gi", max_length=20, pattern=QUANTITY_PATTERN, description="Memory that the requests may add up to, in bytes."
    )
    pods: int = Field(50, ge=1, le=5000, description="Instances at the same time.")
    storage: str = Field(
        "20Gi", max_length=20, pattern=QUANTITY_PATTERN, description="Storage that all volumes may add up to, in bytes."
    )


class Environment(Model):
    """One environment, e.g. dev, test, prod: a namespace of its own."""

    name: str = Field(
        pattern=ENVIRONMENT_PATTERN, max_length=12, description="No hyphen: `<tenant>-<environment>` is read back."
    )
    quota: Quota = Quota()
    gates: Gates = Field(Gates(), description="What a version must pass before it comes in.")
    previews: bool = Field(False, description="Merge requests of projects may get applications of their own here.")


class Member(Model):
    """A person of the tenant and what they may do."""

    person: str = Field(pattern=PERSON_PATTERN, max_length=40, description="The person's immutable id.")
    role: Role = Field("developer", description="owner, developer, viewer or approver.")
    environments: tuple[str, ...] = Field((), max_length=20, description="Only in these environments; empty: in all.")


class GroupRole(Model):
    """What everybody of a group at the site's provider may do."""

    group: str = Field(min_length=1, max_length=200, description="The group's name, exactly as the provider gives it.")
    role: Role = Field("developer", description="owner, developer, viewer or approver.")
    environments: tuple[str, ...] = Field((), max_length=20, description="Only in these environments; empty: in all.")


class TenantSpec(Model):
    """What a tenant is given."""

    title: str = Field("", max_length=100, description="The name that people see.")
    environments: tuple[Environment, ...] = Field(
        (Environment(name="dev"),), min_length=1, max_length=10, description="In the order of promotion."
    )
    members: tuple[Member, ...] = Field((), max_length=500)
    groups: tuple[GroupRole, ...] = Field(
        (),
        max_length=50,
        description="Who is a member by a group at the site's provider, as of their last sign-in there.",
    )
    registries: tuple[Annotated[str, Field(pattern=REGISTRY_PATTERN, max_length=200)], ...] = Field(
        (),
        max_length=20,
        description="Foreign registries that ready images are taken from: `host`, or `host/path` for a part of it.",
    )
    build_quota: Quota = Field(Quota(cpu="4", memory="8Gi", pods=20), description="What builds may use at most.")


class Known(Model):
    """Who a member was when they were first seen: whoever bears the name later is somebody else."""

    person: str = Field(max_length=40)
    uid: str = Field(max_length=60, description="The uid of the person's User.")


class GroupMember(Member):
    """Somebody who is a member by a group."""

    uid: str = Field(max_length=60, description="The uid of the person's User.")


class TenantStatus(StatusModel):
    """What came of it."""

    namespaces: tuple[str, ...] = Field((), max_length=12)
    people: tuple[Known, ...] = Field((), max_length=500, description="The members, as Roost came to know them.")
    by_group: tuple[GroupMember, ...] = Field((), max_length=1000, description="Who is a member by a group, now.")


class Tenant(Resource):
    """A team: environments, members, quota, walls."""

    KIND: ClassVar[str] = "Tenant"
    PLURAL: ClassVar[str] = "tenants"
    NAMESPACED: ClassVar[bool] = False
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Ready", '.status.conditions[?(@.type=="Ready")].status', "string"),
        ("Reason", '.status.conditions[?(@.type=="Ready")].reason', "string"),
        ("Age", ".metadata.creationTimestamp", "date"),
    )
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            "self.spec.environments.all(a, self.spec.environments.exists_one(b, b.name == a.name))",
            "Two environments have the same name.",
        ),
        (
            f"self.metadata.name.matches('{TENANT_PATTERN}') && !(self.metadata.name in [{_RESERVED}])",
            "A tenant's name has 2 to 20 lower-case letters and digits, a letter first, and is not a reserved word.",
        ),
        (
            f"self.spec.environments.all(e, !(e.name in [{_RESERVED}]))",
            "An environment's name is a reserved word: take another.",
        ),
        (
            "self.spec.environments.all(e, !has(e.gates) || !has(e.gates.freezes) || e.gates.freezes.all(f,"
            " !has(f.since) || !has(f.until) || f.since == '' || f.until == ''"
            " || timestamp(f.since) < timestamp(f.until)))",
            "A freeze ends after it begins: `until` must be later than `since`.",
        ),
    )

    spec: TenantSpec = TenantSpec()
    status: TenantStatus = TenantStatus()
