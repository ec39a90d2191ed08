"""Who may act in a tenant's namespaces: service accounts and the bindings of the fixed roles."""

from collections.abc import Sequence
from typing import Any

from roost.capabilities.tenant.manifests.namespace import metadata
from roost.capabilities.tenant.roles import (
    BUILD_ROLES,
    CONTROLLER,
    CONTROLLER_BUILD,
    CONTROLLER_TENANT,
    ENVIRONMENT_ROLES,
    GIT,
)
from roost.model import names
from roost.model.kinds.tenant import Member

RBAC = "rbac.authorization.k8s.io"
# Approvals are given where something is brought to, not where it is built.
IN_BUILD = {
    "owner": "roost-build-owner",
    "developer": "roost-build-developer",
    "viewer": "roost-build-viewer",
    "approver": "roost-build-viewer",
}


def account(tenant: str, environment: str, name: str) -> dict[str, Any]:
    """A ServiceAccount whose token no pod gets."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(tenant, environment, name),
        "automountServiceAccountToken": False,
    }


def _binding(meta: dict[str, Any], role: str, subjects: Sequence[tuple[str, str]], scope: str = "") -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": f"{scope}RoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [
            {"kind": "ServiceAccount", "namespace": namespace, "name": name}
            for namespace, name in sorted(set(subjects))
        ],
    }


def platform_bindings(tenant: str, environment: str) -> list[dict[str, Any]]:
    """What lets the deployer deploy, and the controller become the deployer (or run builds): here and nowhere else."""
    controller = CONTROLLER_BUILD if environment == names.BUILD else CONTROLLER_TENANT
    bindings = [_binding(metadata(tenant, environment, controller), controller, [(names.SYSTEM_NAMESPACE, CONTROLLER)])]
    if environment == names.BUILD:
        # Hosted git streams the logs of a run to who pushed.
        git = [(names.SYSTEM_NAMESPACE, GIT)]
        bindings.append(_binding(metadata(tenant, environment, GIT), "roost-build-viewer", git))
    else:
        subject = (names.namespace(tenant, environment), names.DEPLOYER)
        bindings.append(_binding(metadata(tenant, environment, names.DEPLOYER), names.DEPLOYER, [subject]))
    return bindings


def member_bindings(tenant: str, environment: str, members: Sequence[Member]) -> list[dict[str, Any]]:
    """One RoleBinding per role, with the members who hold it here as subjects.

    A role that nobody holds gets an empty one: taking a right away is then a write, which happens also while pruning
    is held up by something else.
    """
    build = environment == names.BUILD
    held: dict[str, list[tuple[str, str]]] = {role: [] for role in (BUILD_ROLES if build else ENVIRONMENT_ROLES)}
    for member in members:
        subject = (names.PEOPLE_NAMESPACE, member.person)
        if build:
            held[IN_BUILD[member.role]].append(subject)
        elif not member.environments or environment in member.environments:
            held[f"roost-{member.role}"].append(subject)
    return [_binding(metadata(tenant, environment, role), role, held[role]) for role in sorted(held)]


def tenant_access(tenant: str, members: Sequence[Member]) -> list[dict[str, Any]]:
    """Members see their own Tenant; its owners may change it as far as the policy `roost-tenants` lets them."""
    labels = {names.TENANT: tenant, names.PLATFORM: "tenant", names.MANAGED_BY: "roost"}
    objects: list[dict[str, Any]] = []
    for suffix, verbs, who in (
        ("see", ["get", "watch"], list(members)),
        # Who owns one environment says nothing about the others.
        ("own", ["update", "patch"], [item for item in members if item.role == "owner" and not item.environments]),
    ):
        name = f"roost-tenant-{tenant}-{suffix}"
        rule = {"apiGroups": [names.GROUP], "resources": ["tenants"], "resourceNames": [tenant], "verbs": verbs}
        objects.append(
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": "ClusterRole",
                "metadata": {"name": name, "labels": labels},
                "rules": [rule],
            }
        )
        subjects = [(names.PEOPLE_NAMESPACE, member.person) for member in who]
        objects.append(_binding({"name": name, "labels": labels}, name, subjects, scope="Cluster"))
    return objects
