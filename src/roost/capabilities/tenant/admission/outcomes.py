"""Admission of what the git server lays on a Run: the report that a pod brought, and nothing else. Pure."""

from typing import Any, Final

from roost.capabilities.tenant.admission import words
from roost.capabilities.tenant.admission.words import check
from roost.model import names

GIT: Final = f"system:serviceaccount:{names.SYSTEM_NAMESPACE}:roost-git"
_NOTES: Final = "(has({0}.metadata.annotations) ? dyn({0}.metadata.annotations) : dyn({{}}))"


def outcomes() -> list[dict[str, Any]]:
    """The git server makes Runs, and of those that stand it changes one annotation: RBAC knows no fields."""
    kept = "variables.{0}.all(k, k == '" + names.OUTCOME + "' || (k in variables.{1} && {2}))"
    same = " && ".join(
        f"(has(object.metadata.{field}) ? dyn(object.metadata.{field}) : dyn({empty}))"
        f" == (has(oldObject.metadata.{field}) ? dyn(oldObject.metadata.{field}) : dyn({empty}))"
        for field, empty in (("labels", "{}"), ("ownerReferences", "[]"), ("finalizers", "[]"))
    )
    return words.policy(
        "roost-outcomes",
        [words.rule([names.GROUP], ["runs"], ["UPDATE"])],
        [
            check(
                f"request.userInfo.username != '{GIT}' || (object.spec == oldObject.spec && {same}"
                f" && {kept.format('new', 'old', 'variables.new[k] == variables.old[k]')}"
                f" && {kept.format('old', 'new', 'true')})",
                f"The git server lays reports on runs ({names.OUTCOME}) and changes nothing else of them.",
            )
        ],
        words.IN_TENANTS,
        {"new": _NOTES.format("object"), "old": _NOTES.format("oldObject")},
    )
