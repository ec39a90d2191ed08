"""Tags, other branches, and runs that people start: a real git client and the real server."""

import secrets
from typing import Any

import httpx2
import pytest

from roost.gitserver import moves
from tests.integration.git.conftest import SECRET, Clone, Server, StandIn, wait_for

pytestmark = pytest.mark.integration
TRIGGERS = {
    "tags": [{"pattern": "v*", "environment": "prod"}],
    "branches": [{"pattern": "release/*", "environment": "test"}, {"pattern": "topic"}],
}
LEVEL = {"name": "LEVEL", "default": "info", "values": ["debug", "info"]}


@pytest.fixture
def triggered(cluster: StandIn) -> StandIn:
    cluster.more = {"triggers": TRIGGERS, "parameters": [LEVEL]}
    return cluster


def specs(cluster: StandIn) -> dict[str, dict[str, Any]]:
    """The specs of all runs by ref; one each."""
    found = [run["spec"] for run in cluster.runs.values()]
    assert len({spec["ref"] for spec in found}) == len(found)
    return {spec["ref"]: spec for spec in found}


def test_tags_and_branches_that_are_named_are_built(server: Server, clone: Clone, triggered: StandIn) -> None:
    commit = clone.commit("app.py")
    clone.git("tag", "--annotate", "--message", "The first.", "v1")
    clone.git("tag", "other")
    done = clone.git("push", server.url(), "main", "main:release/1", "main:elsewhere", "v1", "other")
    assert done.code == 0, done.text
    found = specs(triggered)
    assert set(found) == {"refs/heads/main", "refs/heads/release/1", "refs/tags/v1"}
    assert {spec["commit"] for spec in found.values()} == {commit}, "Of an annotated tag it is the commit."
    goes = {ref: (spec["promote"], spec["environment"]) for ref, spec in found.items()}
    assert goes["refs/heads/main"] == (True, "")
    assert goes["refs/heads/release/1"] == (True, "test")
    assert goes["refs/tags/v1"] == (True, "prod")
    assert sorted(spec["sequence"] for spec in found.values()) != [1, 1, 1]
    assert all(spec["parameters"] == {"LEVEL": "info"} for spec in found.values())
    assert "elsewhere is kept. Only main is built and deployed; and release/*, topic, v*." in done.text


def test_what_is_only_built_ends_with_that(server: Server, clone: Clone, triggered: StandIn) -> None:
    clone.commit("app.py")
    done = clone.git("push", server.url(), "main:topic")
    assert done.code == 0 and "-----> Built: " in done.text, done.text
    assert specs(triggered)["refs/heads/topic"]["promote"] is False


def test_a_tag_that_moves_runs_again_and_one_that_goes_does_not(
    server: Server, clone: Clone, triggered: StandIn
) -> None:
    clone.commit("a")
    clone.git("tag", "v1")
    clone.git("push", server.url(), "v1")
    clone.commit("b")
    clone.git("tag", "--force", "v1")
    clone.git("push", "--force", server.url(), "v1")
    assert len(triggered.runs) == 2
    assert clone.git("push", server.url(), ":v1").code == 0
    assert sorted(run["spec"]["attempt"] for run in triggered.runs.values()) == [1, 2]


def test_a_tag_of_no_commit_starts_nothing_and_holds_up_nothing(
    server: Server, clone: Clone, triggered: StandIn
) -> None:
    clone.commit("a")
    blob = clone.git("hash-object", "-w", "a").text.strip()
    clone.git("tag", "v0", blob)
    done = clone.git("push", server.url(), "v0")
    assert triggered.runs == {} and (done.code or "v0" in done.text)
    clone.commit("b")
    assert clone.git("push", server.url(), "main").code == 0
    assert set(specs(triggered)) == {"refs/heads/main"}


def test_many_tags_at_once_start_nothing(server: Server, clone: Clone, triggered: StandIn) -> None:
    clone.commit("a")
    for number in range(5):
        clone.git("tag", f"v{number}")
    done = clone.git("push", "--tags", server.url(), "main")
    assert done.code == 0 and "more than 3 refs" in done.text
    assert set(specs(triggered)) == {"refs/heads/main"}


def test_while_it_is_paused_only_people_start_runs(server: Server, clone: Clone, triggered: StandIn) -> None:
    triggered.more["triggers"] = TRIGGERS | {"paused": "v2 is bad."}
    clone.commit("a")
    done = clone.git("push", server.url(), "main", "main:topic")
    assert done.code == 0 and "Nothing is built now: v2 is bad." in done.text
    assert triggered.runs == {}
    assert start(server, {}).status_code == 201 and len(triggered.runs) == 1
    triggered.more["triggers"] = TRIGGERS
    clone.commit("b")
    clone.git("push", server.url(), "main")
    assert len(triggered.runs) == 2, "What was pushed meanwhile is not made up for."


@pytest.mark.parametrize("pattern", ["--upload-pack=x", "$(touch${IFS}x)*", "-*", "..*", "@{u}*", "'*", "refs/heads/*"])
def test_hostile_patterns_match_names_and_nothing_else(
    server: Server, clone: Clone, cluster: StandIn, pattern: str
) -> None:
    cluster.more = {"triggers": {"branches": [{"pattern": pattern}], "tags": [{"pattern": pattern}]}}
    clone.commit("app.py")
    done = clone.git("push", server.url(), "main", "main:topic")
    assert done.code == 0, done.text
    assert set(specs(cluster)) == {"refs/heads/main"}


def start(server: Server, body: dict[str, Any], **headers: str) -> httpx2.Response:
    """What the server says to a start, which the API passes on."""
    told = {"X-Roost-Shared": SECRET, "X-Roost-Tenant": "acme", "X-Roost-Project": "hello", "X-Roost-Person": "ada"}
    sent = {"key": f"key-{secrets.token_hex(4)}", **body}
    url = f"http://127.0.0.1:{server.port}/starts/acme/hello"
    return httpx2.post(url, json=sent, headers=told | headers, trust_env=False, timeout=30)


@pytest.fixture
def pushed(server: Server, clone: Clone, triggered: StandIn) -> str:
    """The commit of main, v1 and x (a branch and a tag)."""
    commit = clone.commit("app.py")
    clone.git("tag", "v1")
    clone.git("tag", "x")
    clone.git("push", server.url(), "main", "main:refs/heads/x", "v1", "x")
    wait_for(lambda: len(triggered.runs) == 2, "two runs")
    triggered.runs.clear()
    return commit


def test_a_person_starts_a_branch_or_a_tag(server: Server, triggered: StandIn, pushed: str) -> None:
    answer = start(server, {"parameters": {"LEVEL": "debug"}})
    assert answer.status_code == 201, answer.text
    assert answer.json()["ref"] == "refs/heads/main" and answer.json()["commit"] == pushed
    assert start(server, {"ref": "v1"}).json()["ref"] == "refs/tags/v1"
    assert start(server, {"ref": "refs/tags/x"}).status_code == 201
    found = specs(triggered)
    main = found["refs/heads/main"]
    assert (main["cause"], main["author"], main["parameters"]) == ("manual", "ada", {"LEVEL": "debug"})
    assert main["sequence"] == 4, "Nothing that moved before is newer."
    assert found["refs/tags/v1"]["environment"] == "prod" and found["refs/tags/x"]["promote"] is False


def test_the_same_key_is_the_same_run(server: Server, clone: Clone, triggered: StandIn, pushed: str) -> None:
    first = start(server, {"key": "once-and-only"}).json()["run"]
    clone.commit("next")
    clone.git("push", server.url(), "main")
    assert start(server, {"key": "once-and-only"}).json()["run"] == first
    assert sum(run["spec"]["cause"] == "manual" for run in triggered.runs.values()) == 1


def test_while_kubernetes_is_away_nothing_is_promised(server: Server, triggered: StandIn, pushed: str) -> None:
    triggered.down = 1
    answer = start(server, {"key": "again-and-again"})
    assert answer.status_code == 503 and "send the same request again" in answer.text
    assert start(server, {"key": "again-and-again"}).status_code == 201 and len(triggered.runs) == 1


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"ref": "nowhere"}, 404, "no branch or tag 'nowhere'. There are: main, v1, x"),
        ({"ref": "x"}, 409, "a branch and a tag: say refs/heads/x or refs/tags/x"),
        ({"ref": "--upload-pack=touch /tmp/x"}, 404, "no branch or tag"),
        ({"ref": "main\n"}, 404, "no branch or tag"),
        ({"ref": "HEAD"}, 404, "no branch or tag"),
        ({"ref": "main^{/x}"}, 404, "no branch or tag"),
        ({"ref": "m" * 251}, 400, "ref: "),
        ({"parameters": {"LEVEL": "trace"}}, 400, "parameters.LEVEL: 'trace' is none of debug, info"),
        ({"parameters": {"PATH": "/tmp"}}, 400, "parameters.PATH: the project declares no such parameter"),
        ({"parameters": {"LEVEL": "a\nb"}}, 400, "parameters.LEVEL"),
        ({"parameters": {"LEVEL": 1}}, 400, "parameters.LEVEL"),
        ({"parameters": {f"P{n}": "" for n in range(21)}}, 400, "parameters: "),
        ({"parameters": {"LEVEL": "x" * 70_000}}, 413, "64 KiB"),
        ({"commit": "0" * 40}, 400, "commit: "),
        ({"key": "a/../b and more"}, 400, "key: "),
    ],
)
def test_what_does_not_fit_starts_nothing_and_is_named(
    server: Server, triggered: StandIn, pushed: str, body: dict[str, Any], status: int, words: str
) -> None:
    answer = start(server, body)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert triggered.runs == {}


def test_only_the_api_starts_runs(server: Server, triggered: StandIn, pushed: str) -> None:
    for header, value in (("Shared", "x"), ("Tenant", "other"), ("Project", "other"), ("Person", "a b")):
        assert start(server, {}, **{f"X-Roost-{header}": value}).status_code == 403
    assert triggered.runs == {}
    assert all(line.person == "ada" for line in moves.read(server.repository()))
