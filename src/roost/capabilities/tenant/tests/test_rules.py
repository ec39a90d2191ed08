"""Roles, walls and admission policies as data: what must never slip in."""

from typing import Any

from roost.capabilities.tenant import admission, roles, walls
from roost.kernel import discovery
from roost.model import names

ROLES = roles.cluster_roles([kind.PLURAL for kind in discovery.kinds()])
CONTROLLERS = {roles.CONTROLLER, names.DEPLOYER, roles.GIT}


def rules() -> list[tuple[str, dict[str, Any]]]:
    return [(role["metadata"]["name"], rule) for role in ROLES for rule in role["rules"]]


def test_nobody_of_ours_may_escalate_or_use_every_verb() -> None:
    for name, rule in rules():
        assert not {"escalate", "*", "deletecollection"} & set(rule["verbs"]), name


def test_bind_and_impersonate_name_whom() -> None:
    for name, rule in rules():
        if {"bind", "impersonate"} & set(rule["verbs"]):
            assert rule.get("resourceNames"), name


def test_no_role_reaches_every_kind_of_every_group() -> None:
    for name, rule in rules():
        assert "*" not in rule["apiGroups"], name
        if "*" in rule["resources"]:
            assert rule["apiGroups"] == ["roost.dev"], name


def test_status_and_finalizers_are_written_by_controllers_only() -> None:
    for name, rule in rules():
        if name in CONTROLLERS or "roost.dev" not in rule["apiGroups"] or set(rule["verbs"]) <= set(roles.READ):
            continue
        assert not [resource for resource in rule["resources"] if resource == "*" or "/" in resource], name


def test_an_administrator_writes_every_kind() -> None:
    held = next(role for role in ROLES if role["metadata"]["name"] == "roost-administrator")
    written = {kind for rule in held["rules"] if set(roles.WRITE) <= set(rule["verbs"]) for kind in rule["resources"]}
    assert {"tenants", "users", "apps", "projects"} <= written


def test_secrets_of_builds_are_never_read_by_people() -> None:
    for role in ROLES:
        if role["metadata"]["name"] not in roles.BUILD_ROLES:
            continue
        for rule in role["rules"]:
            # The answer to a patch is the whole object.
            assert "secrets" not in rule["resources"] or not {"get", "list", "watch", "patch"} & set(rule["verbs"])


def test_what_pods_mount_is_written_only_in_build_namespaces() -> None:
    for role in ROLES:
        if role["metadata"]["name"] != roles.CONTROLLER:
            continue
        for rule in role["rules"]:
            assert not {"configmaps", "secrets"} & set(rule["resources"]) or set(rule["verbs"]) <= set(roles.READ)


def test_every_wall_leaves_what_it_does_not_name() -> None:
    """Without it, selecting a pod would close DNS and all else to it."""
    for wall in [*walls.cluster_walls(), walls.between_tenants("acme")]:
        assert wall["spec"]["enableDefaultDeny"] == {"ingress": False, "egress": False}


def test_every_policy_denies_and_fails_closed() -> None:
    made = admission.policies("roost.localhost")
    policies = {item["metadata"]["name"]: item for item in made if item["kind"] == "ValidatingAdmissionPolicy"}
    bindings = {item["spec"]["policyName"]: item for item in made if item["kind"] != "ValidatingAdmissionPolicy"}
    assert policies.keys() == bindings.keys()
    assert all(item["spec"]["failurePolicy"] == "Fail" for item in policies.values())
    assert all(item["spec"]["validationActions"] == ["Deny"] for item in bindings.values())


def test_the_domain_is_taken_literally() -> None:
    """A dot in a regular expression would match any character, and so another domain."""
    text = str(admission.policies("apps.example.com"))
    assert "apps[.]example[.]com$" in text
