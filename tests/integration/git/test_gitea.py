"""A real forge: a signed webhook, merge requests of its own and of forks, and commit statuses, from end to end."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from roost.mains.forge import tell
from roost.model.forge_task import ForgeReport, ForgeTask
from roost.surface.fetch_token import hook_secret
from tests.integration.git.conftest import SECRET, Server, StandIn, wait_for
from tests.integration.git.drivers import Bench, Outcome
from tests.integration.git.gate import gate
from tests.integration.git.gitea import Gitea, gitea
from tests.integration.git.sources import call

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1800)]
REPOSITORY = "mei/shop"


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    with gitea(tmp_path_factory.mktemp("forge") / "gitea") as made:
        yield made


@pytest.fixture
def bench(server: Server, cluster: StandIn, tmp_path: Path, forge: Gitea) -> Iterator[Bench]:
    """A project that follows a new repository there."""
    cluster.source = f"{forge.address}/{REPOSITORY}.git"
    cluster.more = {"previews": {"environment": "dev"}, "build": {"secrets": ["npm"]}}
    forge.call("POST", "/user/repos", {"name": "shop", "auto_init": True, "default_branch": "main"})
    (tmp_path / "desk").mkdir()
    yield Bench(server, cluster, tmp_path / "desk")
    for who in ("mallory", "mei"):
        found = httpx2.get(f"{forge.address}/api/v1/repos/{who}/shop", trust_env=False)
        if found.status_code == 200:
            forge.call("DELETE", f"/repos/{who}/shop", who=who)


def look(bench: Bench, forge: Gitea, *, forks: bool = False, token: str = "") -> Outcome:
    """One import, with the forge's token beside it."""
    bench.forge = token or forge.tokens["mei"]
    named = {"forge": "gitea", "forgeApi": f"{forge.address}/api/v1", "forgeRepository": REPOSITORY}
    return bench.bring(type="git", url=bench.cluster.source, forks=forks, **named)


def change(forge: Gitea, branch: str, text: str, who: str = "mei") -> str:
    """A commit on a new branch, or on one that is there; its id."""
    body: dict[str, Any] = {"content": base64.b64encode(text.encode()).decode(), "message": text}
    place = f"/repos/{who}/shop/contents/{text}.txt"
    branches = [item["name"] for item in forge.call("GET", f"/repos/{who}/shop/branches", who=who)]
    body |= {"branch": branch} if branch in branches else {"new_branch": branch, "branch": "main"}
    made: dict[str, Any] = forge.call("POST", place, body, who)
    return str(made["commit"]["sha"])


def propose(forge: Gitea, head: str, who: str = "mei") -> int:
    """Open a pull request to main; its number."""
    made = forge.call("POST", f"/repos/{REPOSITORY}/pulls", {"head": head, "base": "main", "title": "A change"}, who)
    return int(made["number"])


def refs(bench: Bench) -> dict[str, str]:
    """The merge requests in the hosted repository."""
    lines = call(
        "git",
        "for-each-ref",
        "--format=%(refname) %(objectname)",
        "refs/merge-requests/",
        cwd=bench.server.repository(),
    )
    return dict(line.split(" ") for line in lines.splitlines())


def test_a_pull_request_is_tried_out_until_it_is_closed(bench: Bench, forge: Gitea) -> None:
    assert look(bench, forge).moved and len(bench.cluster.runs) == 1
    first = change(forge, "menu", "one")
    number = propose(forge, "menu")
    assert look(bench, forge).moved
    assert refs(bench) == {f"refs/merge-requests/{number}/head": first}
    (preview,) = bench.cluster.opened.values()
    assert preview["spec"]["app"] == f"hello-mr-{number}"
    again = look(bench, forge)
    assert (again.ok, again.moved) == (True, False) and len(bench.cluster.runs) == 2
    second = change(forge, "menu", "two")
    assert look(bench, forge).moved and refs(bench) == {f"refs/merge-requests/{number}/head": second}
    forge.call("PATCH", f"/repos/{REPOSITORY}/pulls/{number}", {"state": "closed"})
    assert not look(bench, forge).moved
    wait_for(lambda: not bench.cluster.opened, "the preview to be closed")
    assert refs(bench) == {} and len(bench.cluster.runs) == 3


def test_what_a_fork_proposes_is_ignored_or_has_no_secret(bench: Bench, forge: Gitea) -> None:
    assert look(bench, forge).moved
    forge.call("POST", f"/repos/{REPOSITORY}/forks", {}, "mallory")
    change(forge, "evil", "evil", "mallory")
    number = propose(forge, "mallory:evil", "mallory")
    assert look(bench, forge).ok and refs(bench) == {} and len(bench.cluster.runs) == 1
    bench.cluster.more["previews"]["forks"] = True
    assert look(bench, forge, forks=True).moved
    assert list(refs(bench)) == [f"refs/merge-requests/{number}/fork"]
    run = list(bench.cluster.runs.values())[-1]["spec"]
    assert run["build"]["secrets"] == [] and run["rights"] == "reduced" and run["preview"]


def test_a_token_that_is_refused_is_told_and_the_branch_comes_all_the_same(bench: Bench, forge: Gitea) -> None:
    told = look(bench, forge, token="0" * 40)
    assert (told.ok, told.reason) == (False, "TokenRefused") and "0" * 40 not in told.words
    assert len(bench.cluster.runs) == 1


def report(forge: Gitea, commit: str, state: str, folder: Path, token: str = "") -> ForgeReport:
    """What the pod of a CommitStatus does."""
    folder.mkdir(exist_ok=True)
    (folder / "token").write_text(token or forge.tokens["mei"])
    task = {"type": "gitea", "api": f"{forge.address}/api/v1", "repository": REPOSITORY, "commit": commit}
    task |= {"state": state, "context": "roost/hello", "description": "So it went.", "url": "https://api.example.org/x"}
    return tell(ForgeTask.model_validate(task), folder, folder)


def test_a_commit_shows_what_became_of_it_once(bench: Bench, forge: Gitea, tmp_path: Path) -> None:
    commit = change(forge, "main", "three")
    for state in ("pending", "pending", "failure", "failure", "success", "success"):
        assert report(forge, commit, state, tmp_path / "token").ok
    said = forge.call("GET", f"/repos/{REPOSITORY}/commits/{commit}/statuses")
    assert sorted(item["status"] for item in said) == ["failure", "pending", "success"]
    assert forge.call("GET", f"/repos/{REPOSITORY}/commits/{commit}/status")["state"] == "success"
    refused = report(forge, commit, "success", tmp_path / "token", token="0" * 40)
    assert (refused.ok, refused.reason) == (False, "TokenRefused")
    missing = report(forge, "f" * 40, "success", tmp_path / "token")
    assert (missing.ok, missing.lasting) == (False, True)


@pytest.mark.parametrize("genuine", [True, False])
def test_its_signed_webhook_makes_one_look_and_another_secret_none(
    bench: Bench, forge: Gitea, server: Server, genuine: bool
) -> None:
    secret = hook_secret(SECRET, ("acme", "hello"), "uid-1", 1 if genuine else 2)
    with gate(server) as there:
        config = {"url": f"{there.address}/hooks/acme/hello", "content_type": "json", "secret": secret}
        hook = {"type": "gitea", "active": True, "events": ["push", "pull_request"], "config": config}
        forge.call("POST", f"/repos/{REPOSITORY}/hooks", hook)
        change(forge, "main", "four")
        wait_for(lambda: bool(there.answered), "the delivery", 60)
    assert there.answered[0] == (202 if genuine else 401)
    assert len(bench.cluster.looked) == (1 if genuine else 0)
