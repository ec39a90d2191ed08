"""What a Project may say: a Run is made of it much later, and has nobody to tell."""

import pytest
from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from roost.model.kinds.delivery import Build, ProjectSpec, Run, RunSpec


@pytest.mark.parametrize("branch", ["main", "m", "feature/login-2", "größe", "v1.0"])
def test_branches_of_git(branch: str) -> None:
    assert ProjectSpec(branch=branch).branch == branch


@pytest.mark.parametrize("branch", ["", "/main", "-x", "a b", "a\nb", "a\0b", "a^", "main/", "main.", "a:b", "HEAD~1"])
def test_what_git_refuses_as_a_branch(branch: str) -> None:
    with pytest.raises(ValidationError):
        ProjectSpec(branch=branch)


@pytest.mark.parametrize("app", ["My_App", "../x", "1st", "a-"])
def test_an_app_that_no_promotion_could_name(app: str) -> None:
    with pytest.raises(ValidationError):
        ProjectSpec(app=app)


@pytest.mark.parametrize("secret", ["", "a/b", "..", "A"])
def test_a_build_secret_is_the_name_of_a_secret(secret: str) -> None:
    assert Build(secrets=("npm-token", "a.b")).secrets == ("npm-token", "a.b")
    with pytest.raises(ValidationError):
        Build(secrets=(secret,))


def test_of_a_run_only_cancel_and_rerun_may_change() -> None:
    rules = " ".join(rule for rule, _ in Run.RULES)
    named = {name: to_camel(name) for name in RunSpec.model_fields}
    kept = {name for name, wire in named.items() if f"self.spec.{wire} == oldSelf.spec.{wire}" in rules}
    assert kept == set(RunSpec.model_fields) - {"cancel", "rerun"}
