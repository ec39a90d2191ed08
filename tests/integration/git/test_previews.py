"""Merge requests in the hosted repository: each open one has its Preview and its runs, with reduced rights."""

import pytest

from tests.integration.git.conftest import Clone, Server, StandIn, wait_for

pytestmark = pytest.mark.integration
REF = "refs/merge-requests/7/head"


@pytest.fixture
def trying(cluster: StandIn) -> StandIn:
    """The project tries merge requests out in dev."""
    cluster.more = {"previews": {"environment": "dev", "max": 2, "branches": ["try/*"]}, "build": {"secrets": ["npm"]}}
    return cluster


def push(clone: Clone, server: Server, ref: str, name: str) -> str:
    """A commit to that ref; its id."""
    commit = clone.commit(name)
    done = clone.git("push", "--force", server.url(), f"HEAD:{ref}")
    assert done.code == 0, done.text
    return commit


def test_a_merge_request_is_tried_out_by_itself(server: Server, trying: StandIn, clone: Clone) -> None:
    first = push(clone, server, REF, "a")
    ((name, preview),) = trying.opened.items()
    assert name == "hello-mr-7" and preview["spec"]["app"] == "hello-mr-7" and preview["spec"]["ref"] == REF
    (run,) = trying.runs.values()
    said = run["spec"]
    assert said["commit"] == first and said["preview"] == name and said["app"] == "hello-mr-7"
    assert (said["rights"], said["environment"], said["promote"]) == ("reduced", "dev", True)
    assert said["build"]["secrets"] == [], "Nothing that is not merged has a secret."
    push(clone, server, REF, "b")
    assert len(trying.opened) == 1 and [item["spec"]["attempt"] for item in trying.runs.values()] == [1, 2]


def test_it_goes_with_its_ref_and_comes_again_with_it(server: Server, trying: StandIn, clone: Clone) -> None:
    push(clone, server, REF, "a")
    assert clone.git("push", server.url(), f":{REF}").code == 0
    wait_for(lambda: not trying.opened, "the preview to be closed")
    assert clone.git("push", server.url(), f"HEAD:{REF}").code == 0
    assert list(trying.opened) == ["hello-mr-7"] and len(trying.runs) == 2


def test_what_comes_from_a_fork_is_not_built_unless_it_may_be_and_has_no_secret(
    server: Server, trying: StandIn, clone: Clone
) -> None:
    fork = "refs/merge-requests/8/fork"
    push(clone, server, fork, "a")
    assert trying.runs == {} and trying.opened == {}
    trying.more["previews"]["forks"] = True
    push(clone, server, fork, "b")
    (run,) = trying.runs.values()
    assert run["spec"]["build"]["secrets"] == [] and run["spec"]["rights"] == "reduced"


def test_branches_that_the_project_names_are_tried_out_and_its_own_is_not(
    server: Server, trying: StandIn, clone: Clone
) -> None:
    push(clone, server, "refs/heads/main", "a")
    push(clone, server, "refs/heads/other", "b")
    assert trying.opened == {} and len(trying.runs) == 1
    push(clone, server, "refs/heads/try/new-menu", "c")
    (preview,) = trying.opened.values()
    assert preview["spec"]["app"].startswith("hello-br-") and len(trying.runs) == 2
    main, tried = trying.runs.values()
    assert main["spec"]["preview"] == "" and tried["spec"]["preview"] == preview["metadata"]["name"]


def test_no_more_than_the_project_has_and_the_run_says_so(server: Server, trying: StandIn, clone: Clone) -> None:
    for number in (1, 2, 3):
        push(clone, server, f"refs/merge-requests/{number}/head", f"f{number}")
    assert sorted(trying.opened) == ["hello-mr-1", "hello-mr-2"]
    problems = [run["spec"]["problem"] for run in trying.runs.values()]
    assert problems[:2] == ["", ""] and "previews.max" in problems[2]
    assert clone.git("push", server.url(), ":refs/merge-requests/1/head").code == 0
    wait_for(lambda: sorted(trying.opened) == ["hello-mr-2", "hello-mr-3"], "the place to be given on")


def test_without_previews_a_merge_request_is_only_kept(server: Server, cluster: StandIn, clone: Clone) -> None:
    push(clone, server, REF, "a")
    assert cluster.runs == {} and cluster.opened == {}


@pytest.mark.parametrize(
    "ref",
    [
        "refs/merge-requests/0/head",
        "refs/merge-requests/7/merge",
        "refs/merge-requests/x/head",
        "refs/merge-requests/7/head/deeper",
        "refs/merge-requests/999999999/head",
        "refs/pull/7/head",
        "refs/roost/x",
    ],
)
def test_other_refs_are_refused(server: Server, trying: StandIn, clone: Clone, ref: str) -> None:
    clone.commit("a")
    done = clone.git("push", server.url(), f"HEAD:{ref}")
    assert done.code and "merge-requests" in done.text and trying.runs == {} and trying.opened == {}


def test_kubernetes_away_for_a_while_loses_nothing(server: Server, trying: StandIn, clone: Clone) -> None:
    trying.down = 2
    clone.commit("a")
    assert clone.git("push", server.url(), f"HEAD:{REF}").code == 0
    wait_for(lambda: len(trying.runs) == 1 and len(trying.opened) == 1, "run and preview")


def test_another_environment_or_name_is_another_preview(server: Server, trying: StandIn, clone: Clone) -> None:
    push(clone, server, REF, "a")
    trying.more["previews"]["environment"] = "test"
    push(clone, server, REF, "b")
    ((_, preview),) = trying.opened.items()
    assert preview["spec"]["environment"] == "test"
    trying.more["app"] = "bistro"
    push(clone, server, REF, "c")
    ((_, preview),) = trying.opened.items()
    assert preview["spec"]["app"] == "bistro-mr-7"
