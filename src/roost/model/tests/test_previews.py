"""Which refs are tried out, what that is called, and what runs of them may."""

import pytest

from roost.model import previews, starts
from roost.model.kinds.app import AppSpec, Variable
from roost.model.kinds.delivery import Project
from roost.model.refs import is_fork, request_of

COMMIT = "a" * 40


def project(name: str = "shop", **spec: object) -> Project:
    more = {"previews": {"environment": "dev", "branches": ["try/*"]}, "build": {"secrets": ["npm"]}}
    return Project.parse({"metadata": {"name": name, "namespace": "acme-build", "uid": "u"}, "spec": more | spec})


@pytest.mark.parametrize(
    ("ref", "number", "fork"),
    [
        ("refs/merge-requests/7/head", 7, False),
        ("refs/merge-requests/7/fork", 7, True),
        ("refs/merge-requests/07/head", None, False),
        ("refs/merge-requests/7/head\n", None, False),
        ("refs/merge-requests/7/head/x", None, False),
        ("refs/heads/merge-requests/7/head", None, False),
        ("refs/heads/fork", None, False),
    ],
)
def test_a_merge_requests_ref(ref: str, number: int | None, fork: bool) -> None:
    assert (request_of(ref), is_fork(ref)) == (number, fork)


def test_names_of_what_is_tried_out() -> None:
    made = project()
    assert previews.app_of(made, "refs/merge-requests/7/head") == "shop-mr-7"
    assert previews.app_of(made, "refs/heads/try/menu").startswith("shop-br-")
    long = previews.app_of(project("a-name-of-thirty-characters-xx"), "refs/merge-requests/12345678/head")
    assert long == "a-name-of-thirty-c-mr-12345678" and len(long) == 30


def test_rights_follow_from_the_ref() -> None:
    own = starts.spec_of(project(), "refs/merge-requests/7/head", COMMIT)
    assert (own.rights, own.promote, own.environment, own.app) == ("reduced", True, "dev", "shop-mr-7")
    assert own.build.secrets == ("npm",)
    forks = project(previews={"environment": "dev", "forks": True})
    fork = starts.spec_of(forks, "refs/merge-requests/7/fork", COMMIT)
    assert fork.rights == "reduced" and fork.build.secrets == () and fork.app == "shop-mr-7"
    branch = starts.spec_of(project(), "refs/heads/main", COMMIT)
    assert (branch.rights, branch.preview, branch.app) == ("full", "", "")


def test_a_fork_an_own_branch_and_a_triggered_one_are_not_tried_out() -> None:
    made = project(triggers={"branches": [{"pattern": "try/real"}]}).spec
    assert previews.wanted(made, "refs/heads/try/menu")
    assert not previews.wanted(made, "refs/merge-requests/7/fork")
    assert not previews.wanted(made, "refs/heads/main")
    assert not previews.wanted(made, "refs/heads/try/real"), "It goes where its trigger says."
    assert not previews.wanted(project(previews={}).spec, "refs/merge-requests/7/head")
    assert not starts.starts(project(triggers={"paused": "Not now."}).spec, "refs/merge-requests/7/head")


def begins(ref: str, there: AppSpec | None, **said: object) -> dict[str, str]:
    made = project(previews={"environment": "dev", "forks": True, **said})
    return {item.name: item.value for item in previews.configuration(made, ref, there)}


def test_what_a_preview_begins_with() -> None:
    own = AppSpec(
        config=(Variable(name="COLOUR", value="green"), Variable(name="SHAPE", value="round")), secret_version="0" * 16
    )
    request, more = "refs/merge-requests/7/head", [{"name": "COLOUR", "value": "red"}, {"name": "A", "value": "1"}]
    assert begins(request, own) == {}, "Nothing unless the project says so."
    assert begins(request, own, copies=True) == {"COLOUR": "green", "SHAPE": "round"}
    assert begins(request, own, copies=True, config=more) == {"A": "1", "COLOUR": "red", "SHAPE": "round"}
    assert begins(request, None, copies=True, config=more) == {"A": "1", "COLOUR": "red"}
    assert begins("refs/merge-requests/7/fork", own, copies=True, config=more) == {}, "Anybody's code would print it."
