"""A real forge and the cluster, there and back: a push, a tag and a pull request at Gitea, told by its signed webhooks,
become a version, a version in another environment and a preview, or a clear failure; and each commit says so there.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Person, get, kubectl, kubectl_json, small_app, until
from tests.e2e.outside import INSIDE, outside
from tests.e2e.page import CONTAINERFILE, PROGRAM
from tests.integration.git.gitea import Gitea, prepared
from tests.integration.git.sources import call

pytestmark = [pytest.mark.e2e, pytest.mark.full]
PORT = 3000
PROJECT = "depot"
REPOSITORY = f"mei/{PROJECT}"
BROKEN = 'FROM base/python:3.13\nRUN echo "the tests do not pass" && exit 3\n'


@dataclass(frozen=True)
class Depot:
    """The repository at the forge, and the project that follows it."""

    forge: Gitea
    member: Person

    def put(self, files: dict[str, str], branch: str = "main", base: str = "") -> str:
        """One commit on a branch, or on a new one of `base`; its id."""
        there = {item["path"]: item["sha"] for item in self._listed(base or branch)}
        changes: list[dict[str, Any]] = []
        for name, text in files.items():
            change = {"path": name, "content": base64.b64encode(text.encode()).decode()}
            known = {"operation": "update", "sha": there[name]} if name in there else {"operation": "create"}
            changes.append(change | known)
        body: dict[str, Any] = {"files": changes, "message": "A change."}
        body |= {"branch": base, "new_branch": branch} if base else {"branch": branch}
        return str(self.forge.call("POST", f"/repos/{REPOSITORY}/contents", body)["commit"]["sha"])

    def _listed(self, ref: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.forge.call("GET", f"/repos/{REPOSITORY}/contents?ref={ref}")
        return found

    def said(self, commit: str) -> list[tuple[str, str, str]]:
        """(state, context, words) of what the forge was told of a commit, the first first."""
        found = self.forge.call("GET", f"/repos/{REPOSITORY}/commits/{commit}/statuses?sort=oldest")
        return [(item["status"], item["context"], item["description"]) for item in found]

    def url(self, app: str = PROJECT, environment: str = "dev") -> str:
        """Where an application answers."""
        return f"http://{app}-{environment}.{self.member.tenant}.roost.localhost"

    def runs(self, commit: str) -> list[dict[str, Any]]:
        """The runs of a commit."""
        found = kubectl_json("-n", f"{self.member.tenant}-build", "get", "runs.roost.dev")["items"]
        return [run for run in found if run["spec"]["commit"] == commit]


def files(version: str) -> dict[str, str]:
    """The smallest application."""
    return {"Containerfile": CONTAINERFILE, "app.py": PROGRAM.replace("VERSION", version)}


@pytest.fixture(scope="module")
def depot(member: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Depot]:
    """A project that follows a repository at a Gitea outside, told by its webhook alone."""
    folder = tmp_path_factory.mktemp("forge")
    command, forge = prepared(folder / "gitea", INSIDE, PORT)
    # The forge trusts the platform's certificates, as its administrator would have it.
    with outside(folder) as host, host.serving(INSIDE, PORT, *command, SSL_CERT_FILE=member.ca):
        forge.call("POST", "/user/repos", {"name": PROJECT, "auto_init": True, "default_branch": "main"})
        made = Depot(forge, member)
        _follow(made)
        yield made


def _follow(depot: Depot) -> None:
    member, tenant = depot.member, depot.member.tenant
    allowed = '[{"op": "add", "path": "/spec/environments/0/previews", "value": true}]'
    kubectl("patch", "tenants.roost.dev", tenant, "--type=json", "-p", allowed)
    follow = ["--from", f"{depot.forge.address}/{REPOSITORY}.git", "--forge", "gitea", "--previews", "dev"]
    member.roost("project", "create", PROJECT, *follow, "--poll", "0")
    patch = '{"spec": {"triggers": {"tags": [{"pattern": "v*", "environment": "prod"}]}}}'
    kubectl("-n", f"{tenant}-build", "patch", "projects.roost.dev", PROJECT, "--type=merge", "-p", patch)
    member.roost("source", "token", PROJECT, stdin=depot.forge.tokens["mei"] + "\n")
    small_app(tenant, PROJECT)
    hook = member.roost("source", "hook", PROJECT, "-o", "json").json()
    config = {"url": hook["url"], "content_type": "json", "secret": hook["secret"]}
    wanted = {"type": "gitea", "active": True, "events": ["push", "create", "pull_request"], "config": config}
    depot.forge.call("POST", f"/repos/{REPOSITORY}/hooks", wanted)


def test_a_push_at_the_forge_becomes_a_version_and_the_commit_says_so(depot: Depot) -> None:
    commit = depot.put(files("one"))
    until(lambda: get(depot.url()).body == "one", "the pushed commit to serve", 420)
    until(lambda: [word[0] for word in depot.said(commit)][-1:] == ["success"], "the forge to be told", 120)
    states = [state for state, *_ in depot.said(commit)]
    assert states in (["pending", "success"], ["success"]), "A start that ended before it was told is left out."
    assert {context for _, context, _ in depot.said(commit)} == {f"roost/{PROJECT}"}
    assert len(depot.runs(commit)) == 1


def test_a_tag_at_the_forge_is_released_where_the_project_says(depot: Depot) -> None:
    depot.forge.call("POST", f"/repos/{REPOSITORY}/tags", {"tag_name": "v1", "target": "main"})
    until(lambda: get(depot.url(environment="prod")).body == "one", "the tag to serve in prod", 420)
    space = f"{depot.member.tenant}-build"
    found = kubectl_json("-n", space, "get", "runs.roost.dev")["items"]
    assert len([run for run in found if run["spec"]["ref"] == "refs/tags/v1"]) == 1


def test_a_commit_that_cannot_be_built_fails_and_the_commit_says_why(depot: Depot) -> None:
    commit = depot.put({"Containerfile": BROKEN})
    until(lambda: [word[0] for word in depot.said(commit)][-1:] == ["failure"], "the forge to be told", 420)
    (run,) = depot.runs(commit)
    assert run["status"]["phase"] == "Failed"
    assert get(depot.url()).body == "one", "what served before serves still"
    assert depot.said(commit)[-1][2].strip() not in ("", "It failed."), "the words say why"
    mended = depot.put(files("two"))
    until(lambda: get(depot.url()).body == "two", "the mended commit to serve", 420)
    until(lambda: [word[0] for word in depot.said(mended)][-1:] == ["success"], "the forge to be told", 120)


def test_a_pull_request_is_tried_out_by_itself_until_it_is_closed(depot: Depot) -> None:
    depot.put(files("proposed"), branch="menu", base="main")
    made = depot.forge.call("POST", f"/repos/{REPOSITORY}/pulls", {"head": "menu", "base": "main", "title": "A change"})
    app = f"{PROJECT}-mr-{made['number']}"
    until(lambda: get(depot.url(app)).body == "proposed", "the request to serve", 420)
    assert get(depot.url()).body == "two"
    depot.forge.call("PATCH", f"/repos/{REPOSITORY}/pulls/{made['number']}", {"state": "closed"})

    def apps() -> list[str]:
        found = kubectl_json("-n", f"{depot.member.tenant}-dev", "get", "apps.roost.dev")["items"]
        return sorted(item["metadata"]["name"] for item in found)

    until(lambda: apps() == [PROJECT], "the preview's application to go", 240)


def test_a_forged_delivery_makes_no_look(depot: Depot, tmp_path: Path) -> None:
    space = f"{depot.member.tenant}-build"

    def looks() -> int:
        return len(kubectl_json("-n", space, "get", "imports.roost.dev")["items"])

    before = looks()
    url = depot.member.roost("source", "hook", PROJECT, "-o", "json").json()["url"]
    body = tmp_path / "body"
    body.write_text('{"ref": "refs/heads/main"}')
    forged = _deliver(depot.member, url, body, "0" * 64)
    assert forged == "401" and looks() == before


def _deliver(person: Person, url: str, body: Path, signature: str) -> str:
    words = ["--silent", "--cacert", person.ca, "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST"]
    words += ["-H", f"X-Gitea-Signature: {signature}", "-H", "Content-Type: application/json"]
    return call("curl", *words, "--data-binary", f"@{body}", url)
