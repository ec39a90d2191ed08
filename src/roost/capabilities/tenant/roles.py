"""The fixed ClusterRoles of Roost: what a person, a deployer and the platform's own processes may do.

Installed with the platform (`cluster_roles`), bound per namespace by the tenant capability. Nobody of ours holds
`escalate`; the controller may `bind` exactly the roles named here. Pure.
"""

from collections.abc import Sequence
from typing import Any, Final

from roost.model import names

Rule = dict[str, Any]

CONTROLLER: Final = "roost-controller"
API: Final = "roost-api"
GIT: Final = "roost-git"
CONTROLLER_TENANT: Final = "roost-controller-tenant"
CONTROLLER_BUILD: Final = "roost-controller-build"

ENVIRONMENT_ROLES: Final = ("roost-owner", "roost-developer", "roost-viewer", "roost-approver")
BUILD_ROLES: Final = ("roost-build-owner", "roost-build-developer", "roost-build-viewer")
PLATFORM_ROLES: Final = ("roost-administrator", "roost-operator", "roost-auditor")

READ: Final = ("get", "list", "watch")
WRITE: Final = ("create", "update", "patch", "delete")


def _rule(groups: str | Sequence[str], resources: Sequence[str], verbs: Sequence[str], **more: Any) -> Rule:
    return {
        "apiGroups": [groups] if isinstance(groups, str) else list(groups),
        "resources": list(resources),
        "verbs": list(verbs),
        **more,
    }


def _role(name: str, rules: Sequence[Rule]) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": {names.PLATFORM: "roles"}},
        "rules": list(rules),
    }


# Reading never includes Secrets.
_SEE = (
    _rule(names.GROUP, ["apps", "releases", "promotions", "approvals", "tasks", "imageallowlists"], READ),
    _rule(names.GROUP, ["vulnerabilityreports"], READ),
    _rule(
        "",
        ["pods", "services", "configmaps", "events", "resourcequotas", "limitranges", "persistentvolumeclaims"],
        READ,
    ),
    _rule("", ["pods/log"], ["get"]),
    _rule("apps", ["deployments", "replicasets"], READ),
    _rule("batch", ["jobs"], READ),
    _rule("events.k8s.io", ["events"], READ),
    _rule("policy", ["poddisruptionbudgets"], READ),
    _rule("networking.k8s.io", ["networkpolicies"], READ),
    _rule("gateway.networking.k8s.io", ["httproutes"], READ),
    _rule("metrics.k8s.io", ["pods"], READ),
)
# A developer can open a shell in an instance, and so sees its secrets anyway; a list of all of them is not needed.
_DEVELOP = (
    *_SEE,
    _rule(names.GROUP, ["apps"], WRITE),
    _rule(names.GROUP, ["promotions", "tasks"], ["create", "delete"]),
    _rule("", ["secrets"], ["get", *WRITE]),
    _rule("", ["pods"], ["delete"]),
    _rule("", ["pods/exec", "pods/attach", "pods/portforward"], ["get", "create"]),
)
# Admission asks for the verb `override`, which Kubernetes has not, when something is let in while all is frozen.
_OWN = (
    *_DEVELOP,
    _rule(names.GROUP, ["releases"], ["delete"]),
    _rule(names.GROUP, ["approvals"], ["create", "override"]),
)
_APPROVE = (
    *_SEE,
    _rule(names.GROUP, ["promotions"], ["create", "delete"]),
    _rule(names.GROUP, ["approvals"], ["create"]),
)

_BUILD_SEE = (
    _rule(names.GROUP, ["projects", "runs", "imports", "waivers", "channels", "notices"], READ),
    _rule(names.GROUP, ["previews", "commitstatuses"], READ),
    _rule("", ["pods", "events", "resourcequotas", "limitranges"], READ),
    _rule("", ["pods/log"], ["get"]),
    _rule("batch", ["jobs"], READ),
    _rule("events.k8s.io", ["events"], READ),
)
# Secrets of builds are written and never read back: a person who left must not have them. So no `patch`, whose answer
# is the whole object.
_BUILD_DEVELOP = (
    *_BUILD_SEE,
    _rule(names.GROUP, ["projects", "channels"], ["create", "update", "patch"]),
    _rule(names.GROUP, ["runs"], ["update", "patch"]),
    _rule(names.GROUP, ["imports"], ["create"]),
    _rule("", ["secrets"], ["create", "update", "delete"]),
)
_BUILD_OWN = (
    *_BUILD_DEVELOP,
    _rule(names.GROUP, ["projects", "runs", "channels"], ["delete"]),
    _rule(names.GROUP, ["waivers"], ["create", "delete"]),
)

# All that a tenant's text becomes. `finalizers`: OwnerReferencesPermissionEnforcement asks for it on the owner.
_DEPLOY = (
    _rule(names.GROUP, ["apps", "releases", "promotions"], [*READ, *WRITE]),
    _rule(names.GROUP, ["apps/status", "releases/status", "promotions/status"], ["get", "update", "patch"]),
    _rule(names.GROUP, ["apps/finalizers", "releases/finalizers", "promotions/finalizers"], ["update"]),
    _rule(names.GROUP, ["tasks"], [*READ, "delete"]),
    _rule(names.GROUP, ["tasks/finalizers"], ["update"]),
    _rule("", ["services", "configmaps", "secrets", "persistentvolumeclaims"], [*READ, *WRITE]),
    _rule("", ["pods"], [*READ, "delete"]),
    _rule("apps", ["deployments", "statefulsets", "replicasets"], [*READ, *WRITE]),
    _rule("batch", ["jobs", "cronjobs"], [*READ, *WRITE]),
    _rule("policy", ["poddisruptionbudgets"], [*READ, *WRITE]),
    _rule("autoscaling", ["horizontalpodautoscalers"], [*READ, *WRITE]),
    _rule("gateway.networking.k8s.io", ["httproutes"], [*READ, *WRITE]),
)

# The walls: what the controller itself writes in a tenant's namespace.
_WALLS = (
    _rule("", ["resourcequotas", "limitranges", "serviceaccounts"], [*READ, *WRITE]),
    _rule("networking.k8s.io", ["networkpolicies"], [*READ, *WRITE]),
    _rule("rbac.authorization.k8s.io", ["rolebindings"], [*READ, *WRITE]),
)
_CONTROLLER = (
    _rule(names.GROUP, ["*"], [*READ, "update", "patch"]),
    _rule(names.GROUP, ["runs", "promotions"], ["create", "delete"]),
    _rule(names.GROUP, ["approvals"], ["delete"]),
    _rule(names.GROUP, ["imageallowlists"], ["create", "delete"]),
    _rule(names.GROUP, ["imports", "notices"], ["create", "delete"]),
    _rule(names.GROUP, ["commitstatuses"], ["create"]),
    _rule("", ["namespaces"], [*READ, *WRITE]),
    *_WALLS,
    _rule("rbac.authorization.k8s.io", ["clusterroles", "clusterrolebindings"], [*READ, *WRITE]),
    _rule("cilium.io", ["ciliumclusterwidenetworkpolicies"], [*READ, *WRITE]),
    _rule("", ["pods", "services", "events", "persistentvolumeclaims", "configmaps"], READ),
    _rule("", ["nodes"], READ),  # Which are about to be emptied: single instances move first.
    _rule("apps", ["deployments", "replicasets"], READ),
    _rule("batch", ["jobs"], READ),
    _rule("policy", ["poddisruptionbudgets"], READ),
    _rule("gateway.networking.k8s.io", ["httproutes"], READ),
    _rule("", ["events"], ["create", "patch"]),
    _rule("events.k8s.io", ["events"], ["create", "patch"]),
    _rule(
        "rbac.authorization.k8s.io",
        ["clusterroles"],
        ["bind"],
        resourceNames=[
            *ENVIRONMENT_ROLES,
            *BUILD_ROLES,
            *PLATFORM_ROLES,
            names.DEPLOYER,
            CONTROLLER_TENANT,
            CONTROLLER_BUILD,
        ],
    ),
)


def cluster_roles(kinds: Sequence[str]) -> list[dict[str, Any]]:
    """Every fixed ClusterRole, in the order of their names. `kinds`: the plurals of Roost's own kinds."""
    # No Secrets and no shells over the whole cluster: an administrator who needs them becomes a member of a tenant.
    # Kinds by name, for `*` means their status and finalizers too, which only controllers write.
    administrator = [
        _rule(names.GROUP, ["*"], READ),
        _rule(names.GROUP, sorted(kinds), WRITE),
        *_SEE,
        _rule("", ["namespaces", "nodes"], READ),
    ]
    see_all = [
        _rule(names.GROUP, ["*"], READ),
        *_SEE,
        _rule("", ["namespaces", "nodes"], READ),
    ]
    roles = {
        "roost-owner": _OWN,
        "roost-developer": _DEVELOP,
        "roost-viewer": _SEE,
        "roost-approver": _APPROVE,
        "roost-build-owner": _BUILD_OWN,
        "roost-build-developer": _BUILD_DEVELOP,
        "roost-build-viewer": _BUILD_SEE,
        "roost-administrator": administrator,
        "roost-operator": [*see_all, _rule("", ["pods"], ["delete"])],
        "roost-auditor": see_all,
        names.DEPLOYER: _DEPLOY,
        CONTROLLER: _CONTROLLER,
        # Bound in each environment, so the controller's right to become a deployer and to read Secrets ends there.
        CONTROLLER_TENANT: [
            _rule("", ["serviceaccounts"], ["impersonate"], resourceNames=[names.DEPLOYER]),
            _rule("", ["secrets"], ["get", "list"]),
        ],
        # The builder is a bare pod and a run is a Job, both made by the controller, never by a tenant's identity.
        CONTROLLER_BUILD: [
            _rule("", ["pods", "services", "secrets", "configmaps"], [*READ, *WRITE]),
            _rule("", ["pods/log"], ["get"]),
            _rule("batch", ["jobs"], [*READ, *WRITE]),
        ],
        # Hosted git turns moves of refs into Runs and streams what becomes of them to who pushed.
        GIT: [
            _rule(names.GROUP, ["projects", "runs", "imports", "promotions", "releases", "apps", "previews"], READ),
            _rule(names.GROUP, ["runs", "imports"], ["create"]),
            _rule(names.GROUP, ["runs"], ["patch"]),  # Bounded by the policy `roost-outcomes`.
            _rule(names.GROUP, ["previews"], ["create", "delete"]),
            _rule(names.GROUP, ["projects/finalizers"], ["update"]),
        ],
        # Reads of our kinds fill its cache; each answer from there is for a caller whom RBAC allows the same read.
        # Bounded further by the policy `roost-registrar`.
        names.REGISTRAR: [_rule(names.GROUP, ["users"], ["create", "delete", "patch"])],
        API: [
            _rule(names.GROUP, ["*"], READ),
            _rule("authorization.k8s.io", ["subjectaccessreviews"], ["create"]),
            _rule("authentication.k8s.io", ["tokenreviews"], ["create"]),
        ],
    }
    return [_role(name, roles[name]) for name in sorted(roles)]


def _metadata(name: str, namespace: str = "") -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "labels": {names.PLATFORM: "roles"}}
    return {**metadata, "namespace": namespace} if namespace else metadata


def system_bindings() -> list[dict[str, Any]]:
    """What binds the platform's own processes to their rights: controller, API, git. Installed with the platform."""
    people = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": _metadata(API, names.PEOPLE_NAMESPACE),
        "rules": [
            _rule("", ["serviceaccounts"], [*READ, "create", "delete", "impersonate"]),
            _rule("", ["serviceaccounts/token"], ["create"]),
            _rule("", ["secrets"], ["get", "list", *WRITE]),
        ],
    }
    # The certificate of the gateway names every tenant, so the controller signs it with the internal CA's key.
    gateway = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": _metadata(CONTROLLER, names.SYSTEM_NAMESPACE),
        "rules": [
            _rule("", ["secrets"], ["get"], resourceNames=["roost-ca"]),
            _rule("", ["secrets"], ["get", "update", "patch"], resourceNames=["gateway-tls"]),
            _rule("", ["secrets"], ["create"]),
            _rule("coordination.k8s.io", ["leases"], [*READ, *WRITE]),
        ],
    }
    return [
        people,
        gateway,
        *[
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": kind,
                "metadata": _metadata(name, namespace),
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name},
                "subjects": [{"kind": "ServiceAccount", "namespace": home, "name": name}],
            }
            for kind, role, name, namespace, home in (
                ("ClusterRoleBinding", "ClusterRole", CONTROLLER, "", names.SYSTEM_NAMESPACE),
                ("ClusterRoleBinding", "ClusterRole", API, "", names.SYSTEM_NAMESPACE),
                ("ClusterRoleBinding", "ClusterRole", GIT, "", names.SYSTEM_NAMESPACE),
                ("ClusterRoleBinding", "ClusterRole", names.REGISTRAR, "", names.PEOPLE_NAMESPACE),
                ("RoleBinding", "Role", API, names.PEOPLE_NAMESPACE, names.SYSTEM_NAMESPACE),
                ("RoleBinding", "Role", CONTROLLER, names.SYSTEM_NAMESPACE, names.SYSTEM_NAMESPACE),
            )
        ],
    ]
