"""What kube-apiserver says becomes a problem that a person understands."""

import pytest

from roost.api.errors import from_kube
from roost.kube import errors as kube


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (kube.Forbidden('apps "x" is forbidden: User "u" cannot get resource "apps"', 403), "forbidden", "role"),
        (kube.Forbidden("exceeded quota: quota, requested: pods=1", 403), "refused", "exceeded quota"),
        (kube.NotFound("x", 404), "not-found", "app 'shop'"),
        (kube.AlreadyExists("x", 409), "exists", "app 'shop'"),
        (kube.Conflict("x", 409), "conflict", "Read it again"),
        (kube.Gone("x", 410), "expired", "Begin the list again"),
        (kube.TooLarge("x", 413), "too-large", "1.5 MB"),
        (kube.BadRequest("unable to parse requirement", 400), "malformed", "parse"),
        (kube.TooManyRequests("x", 3), "too-many", "slow down"),
        (kube.Unreachable("connection to 10.0.0.1 refused"), "unavailable", "Try again"),
        (kube.UnknownKind("x"), "unavailable", "kind"),
    ],
)
def test_each_error_has_its_problem(error: kube.KubeError, kind: str, said: str) -> None:
    problem = from_kube(error, "app 'shop'")
    assert problem.kind == kind
    assert said in problem.detail
    assert "10.0.0.1" not in problem.detail, "Addresses of the platform are nobody's business."


@pytest.mark.parametrize(
    ("said", "whom"),
    [
        ('cannot list resource "users" in API group "roost.dev" at the cluster scope', "an administrator"),
        ('cannot delete resource "tenants" in API group "roost.dev" at the cluster scope', "an administrator"),
        ('cannot patch resource "tenants" in API group "roost.dev" at the cluster scope', "an owner"),
        ('cannot create resource "apps" in API group "roost.dev" in the namespace "acme-dev"', "an owner"),
    ],
)
def test_whoever_may_not_is_told_whom_to_ask(said: str, whom: str) -> None:
    assert f"Ask {whom}" in from_kube(kube.Forbidden(f'x is forbidden: User "u" {said}', 403), "it").detail


def test_a_rule_of_admission_is_a_refusal_and_a_schema_names_fields() -> None:
    policy = kube.Invalid("ValidatingAdmissionPolicy 'images' denied request: Not by digest.", 422, "Invalid")
    assert from_kube(policy).kind == "refused"
    cause = {"field": "spec.processes", "message": "Two processes have the same name."}
    schema = kube.Invalid("App is invalid", 422, "Invalid", {"details": {"causes": [cause]}})
    problem = from_kube(schema)
    assert (problem.kind, problem.errors[0].field) == ("invalid", "spec.processes")
