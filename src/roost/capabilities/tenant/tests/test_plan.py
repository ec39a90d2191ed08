"""The plans of Tenants: golden cases, and what must hold in every one of them."""

from pathlib import Path

import pytest

from roost.capabilities.tenant import capability
from roost.capabilities.tenant.manifests.identities import member_bindings, tenant_access
from roost.capabilities.tenant.model import Observed, SeenNamespace
from roost.capabilities.tenant.plan import plan
from roost.kernel import golden
from roost.model.kinds.tenant import Environment, Member, Tenant, TenantSpec
from roost.model.resource import Metadata

FOLDER = Path(__file__).parent.parent


def tenant(*members: Member, environments: tuple[str, ...] = ("dev",)) -> Tenant:
    spec = TenantSpec(environments=tuple(Environment(name=name) for name in environments), members=members)
    return Tenant(metadata=Metadata(name="acme", uid="t-1"), spec=spec)


@pytest.mark.parametrize("case", golden.cases(FOLDER), ids=lambda case: str(case.name))
def test_golden(case: Path) -> None:
    golden.check(capability, case)


def test_a_person_who_lost_a_role_loses_it_also_where_an_environment_cannot_go_yet() -> None:
    """Subjects are written, not pruned: `hold` never keeps a right alive."""
    seen = SeenNamespace(
        name="acme-test", labels={"roost.dev/tenant": "acme", "roost.dev/environment": "test"}, apps=("shop",)
    )
    result = plan(tenant(), Observed(namespaces=(seen,)), golden.NOW)
    assert result.hold
    bindings = [
        item.manifest
        for item in result.apply
        if item.manifest["kind"] == "RoleBinding" and item.manifest["metadata"]["name"] == "roost-developer"
    ]
    assert {item["metadata"]["namespace"] for item in bindings} == {"acme-dev", "acme-test"}
    assert all(item["subjects"] == [] for item in bindings)


def test_a_foreign_namespace_gets_nothing_of_ours() -> None:
    foreign = SeenNamespace(name="acme-dev", labels={"roost.dev/tenant": "other"})
    result = plan(
        tenant(Member(person="ada", role="owner")), Observed(namespaces=(foreign,), people=("ada",)), golden.NOW
    )
    touched = {item.manifest["metadata"].get("namespace", item.manifest["metadata"]["name"]) for item in result.apply}
    assert "acme-dev" not in touched
    assert result.hold


def test_an_owner_of_one_environment_does_not_say_who_is_in_the_tenant() -> None:
    members = (Member(person="ada", role="owner"), Member(person="bob", role="owner", environments=("dev",)))
    own = next(
        item
        for item in tenant_access("acme", members)
        if item["kind"] == "ClusterRoleBinding" and item["metadata"]["name"].endswith("-own")
    )
    assert [item["name"] for item in own["subjects"]] == ["ada"]


def test_a_member_of_one_environment_is_bound_there_only() -> None:
    members = (Member(person="bob", role="developer", environments=("dev",)),)
    in_prod = member_bindings("acme", "prod", members)
    in_dev = member_bindings("acme", "dev", members)
    assert [item["subjects"] for item in in_prod if item["subjects"]] == []
    assert [item["metadata"]["name"] for item in in_dev if item["subjects"]] == ["roost-developer"]


def test_every_wall_stands_before_anybody_gets_a_right() -> None:
    kinds = [
        item.manifest["kind"]
        for item in plan(tenant(), Observed(), golden.NOW).apply
        if item.manifest["metadata"].get("namespace") == "acme-dev"
    ]
    assert kinds.index("RoleBinding") > max(kinds.index("ResourceQuota"), kinds.index("NetworkPolicy"))
