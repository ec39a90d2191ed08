"""What the admission policies share: how one is written, who is trusted, and pieces of CEL. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from roost.model import names

API: Final = "admissionregistration.k8s.io/v1"
CONTROLLER: Final = f"system:serviceaccount:{names.SYSTEM_NAMESPACE}:roost-controller"

# The controller; Kubernetes' own parts; and whoever could give himself every right anyway (nobody of ours holds
# `escalate`), which is how a cluster's administrator is told from a tenant.
TRUSTED: Final = (
    f"request.userInfo.username == '{CONTROLLER}'"
    " || request.userInfo.username.startsWith('system:serviceaccount:kube-system:')"
    " || request.userInfo.username.startsWith('system:node:')"
    " || request.userInfo.username in ['system:kube-controller-manager', 'system:kube-scheduler', 'system:apiserver']"
    " || authorizer.group('rbac.authorization.k8s.io').resource('clusterroles').check('escalate').allowed()"
)
REGISTRAR: Final = f"system:serviceaccount:{names.PEOPLE_NAMESPACE}:{names.REGISTRAR}"
TENANT_OF: Final = f"namespaceObject.metadata.labels['{names.TENANT}']"
ENVIRONMENT_OF: Final = f"namespaceObject.metadata.labels['{names.ENVIRONMENT}']"

IN_TENANTS: Final[list[dict[str, Any]]] = [{"key": names.TENANT, "operator": "Exists"}]
IN_ENVIRONMENTS: Final[list[dict[str, Any]]] = [
    *IN_TENANTS,
    {"key": names.ENVIRONMENT, "operator": "Exists"},
    {"key": names.ENVIRONMENT, "operator": "NotIn", "values": [names.BUILD]},
]
IN_SIGNED: Final[list[dict[str, Any]]] = [*IN_ENVIRONMENTS, {"key": names.SIGNED, "operator": "Exists"}]
IN_BUILDS: Final[list[dict[str, Any]]] = [
    *IN_TENANTS,
    {"key": names.ENVIRONMENT, "operator": "In", "values": [names.BUILD]},
]


def rule(
    groups: Sequence[str], resources: Sequence[str], operations: Sequence[str] = ("CREATE", "UPDATE")
) -> dict[str, Any]:
    """Which requests a policy looks at."""
    return {
        "apiGroups": list(groups),
        "apiVersions": ["*"],
        "operations": list(operations),
        "resources": list(resources),
    }


def check(expression: str, message: str) -> dict[str, Any]:
    """One condition that must hold, and what a person reads who broke it."""
    return {"expression": expression, "message": message, "reason": "Forbidden"}


def policy(
    name: str,
    rules: Sequence[Mapping[str, Any]],
    checks: Sequence[Mapping[str, Any]],
    where: Sequence[Mapping[str, Any]] = (),
    variables: Mapping[str, str] | None = None,
    params: tuple[str, str] | None = None,
) -> list[dict[str, Any]]:
    """A ValidatingAdmissionPolicy and the binding that makes it deny. `where`: match expressions on the namespace.

    `params`: kind of ours and name of an object in the namespace of the request, which expressions see.
    Guards fail closed: where an expression cannot be evaluated, or that object is missing, the request is refused.
    """
    # What is in no namespace passes every namespace selector: such a policy must say that it means none of it.
    scope = {"scope": "Namespaced"} if where else {}
    constraints: dict[str, Any] = {
        "resourceRules": [{**item, **scope} for item in rules],
        "matchPolicy": "Equivalent",
    }
    if where:
        constraints["namespaceSelector"] = {"matchExpressions": [dict(item) for item in where]}
    metadata = {"name": name, "labels": {names.PLATFORM: "admission"}}
    kind, reference = {}, {}
    if params is not None:
        kind = {"paramKind": {"apiVersion": names.API_VERSION, "kind": params[0]}}
        reference = {"paramRef": {"name": params[1], "parameterNotFoundAction": "Deny"}}
    return [
        {
            "apiVersion": API,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": metadata,
            "spec": {
                "failurePolicy": "Fail",
                **kind,
                "matchConstraints": constraints,
                "variables": [{"name": key, "expression": text} for key, text in (variables or {}).items()],
                "validations": [dict(item) for item in checks],
            },
        },
        {
            "apiVersion": API,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": metadata,
            "spec": {"policyName": name, "validationActions": ["Deny"], **reference},
        },
    ]


def literal(text: str) -> str:
    """A text as a regular expression that matches only it. `text`: a host name, perhaps with a port or a path."""
    return text.replace(".", "[.]")
