"""Forges as their documentations describe them: a server of each that holds to the documented calls and answers.

GitLab and GitHub cannot run here, so these are the contract that was recorded from their documentations (named in
the adapters). Gitea's is tried on a real one as well, in `tests/integration/git/test_gitea.py`.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from roost.adapters.forge import Forge, ForgeFailed, MergeRequest, Said
from roost.adapters.forges import FORGES

TOKEN = "glpat-secret"
COMMIT, OTHER = "a" * 40, "b" * 40
HEADERS = {"github": ("Authorization", f"Bearer {TOKEN}"), "gitea": ("Authorization", f"token {TOKEN}")}
HEADERS["gitlab"] = ("PRIVATE-TOKEN", TOKEN)
SAID = Said(COMMIT, "pending", "roost/shop", "It runs.", "https://api.example.org/x")


class Documented:
    """One forge: statuses by commit, newest last; and what its next answers are to be instead."""

    def __init__(self, type_: str) -> None:
        self.type = type_
        self.statuses: dict[str, list[dict[str, Any]]] = {}
        self.pulls: list[dict[str, Any]] = []
        self.posts = 0
        self.wrong: list[tuple[int, bytes]] = []
        self.paths: list[str] = []

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        parts = path.strip("/").split("/")
        if self.type == "gitlab":
            return self._gitlab(method, parts, query, body)
        if parts[:3] != ["repos", "acme", "shop"]:
            return 404, {"message": "Not Found"}
        if method == "GET" and parts[3] == "pulls":
            return 200, self._page(self.pulls, query, "per_page" if self.type == "github" else "limit")
        if method == "GET" and parts[3:] == ["commits", COMMIT, "statuses"]:
            return 200, list(reversed(self.statuses.get(COMMIT, [])))
        if method == "POST" and parts[3] == "statuses":
            return self._post(parts[4], body["context"], body, "state" if self.type == "github" else "status")
        return 404, {"message": "Not Found"}

    def _gitlab(self, method: str, parts: list[str], query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        if parts[0] != "projects" or unquote(parts[1]) != "acme/shop":
            return 404, {"message": "404 Project Not Found"}
        if method == "GET" and parts[2] == "merge_requests" and query["state"] == "opened":
            return 200, self._page(self.pulls, query, "per_page")
        if method == "GET" and parts[2:] == ["repository", "commits", COMMIT, "statuses"]:
            return 200, [item for item in self.statuses.get(COMMIT, []) if item["name"] == query["name"]]
        if method == "POST" and parts[2] == "statuses":
            mine = [item for item in self.statuses.get(parts[3], []) if item["name"] == body["name"]]
            if mine and mine[-1]["status"] == body["state"]:
                return 400, {"message": f"Cannot transition status via :run from :{body['state']}"}
            return self._post(parts[3], body["name"], body, "status")
        return 404, {"message": "404 Not Found"}

    def _post(self, commit: str, name: str, body: dict[str, Any], key: str) -> tuple[int, Any]:
        states = {"gitlab": {"running", "success", "failed"}}.get(self.type, {"pending", "success", "failure"})
        if commit != COMMIT:
            return 422 if self.type == "github" else 404, {"message": f"No commit found for SHA: {commit}"}
        assert body["state"] in states, "the documentation knows no such state"
        self.posts += 1
        kept = {"id": self.posts, "context": name, "name": name, key: body["state"]}
        assert body.get("target_url", "x"), "an address is left out, not empty"
        kept |= {"target_url": body.get("target_url"), "description": body["description"]}
        self.statuses.setdefault(commit, []).append(kept)
        return 201, kept

    @staticmethod
    def _page(items: list[dict[str, Any]], query: dict[str, str], size: str) -> list[dict[str, Any]]:
        length, page = int(query[size]), int(query.get("page", "1"))
        return items[(page - 1) * length : page * length]

    def pull(self, number: int, commit: str, *, fork: bool = False, base: str = "main") -> None:
        """Open a request."""
        if self.type == "gitlab":
            made = {"iid": number, "sha": commit, "target_branch": base, "target_project_id": 1}
            self.pulls.append(made | {"source_project_id": 2 if fork else 1})
            return
        home = {"full_name": "mallory/shop" if fork else "Acme/Shop"}
        self.pulls.append({"number": number, "head": {"sha": commit, "repo": home}, "base": {"ref": base}})


@pytest.fixture(params=sorted(FORGES))
def documented(request: pytest.FixtureRequest) -> Iterator[tuple[Documented, Forge]]:
    made = Documented(request.param)
    name, value = HEADERS[made.type]

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            made.paths.append(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            if made.wrong:
                status, content = made.wrong.pop(0)
            elif self.headers.get(name) != value:
                status, content = 401, b'{"message": "401 Unauthorized"}'
            else:
                status, answer = made.answer(self.command, parts.path, query, body)
                content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:9/stolen")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _serve

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}"
        yield made, FORGES[made.type](address, "acme/shop", TOKEN)
    finally:
        server.shutdown()
        server.server_close()


def test_each_word_is_said_once_and_the_end_follows_the_start(documented: tuple[Documented, Forge]) -> None:
    made, forge = documented
    forge.report(SAID)
    forge.report(SAID)
    assert made.posts == 1
    forge.report(Said(COMMIT, "failure", SAID.context, "pip could not find flsk.", SAID.url))
    forge.report(Said(COMMIT, "failure", SAID.context, "pip could not find flsk.", SAID.url))
    assert made.posts == 2
    forge.report(Said(COMMIT, "success", "roost/other", "x" * 300, SAID.url))
    assert made.posts == 3 and len(made.statuses[COMMIT][-1]["description"]) <= 255
    for _ in range(2):
        forge.report(Said(COMMIT, "failure", "roost/other", "It failed. `roost build show shop-1 -t acme`", ""))
    assert made.posts == 4 and made.statuses[COMMIT][-1]["target_url"] is None


def test_open_requests_are_read_page_by_page_and_forks_are_told_apart(documented: tuple[Documented, Forge]) -> None:
    made, forge = documented
    for number in range(1, 61):
        made.pull(number, COMMIT, fork=number == 60)
    made.pull(61, OTHER, base="release")
    made.pull(62, "not a commit")
    found = forge.requests("main")
    assert len(found) == 60 and found[-1] == MergeRequest(60, COMMIT, fork=True) and not found[0].fork
    assert forge.ref(7) in ("refs/pull/7/head", "refs/merge-requests/7/head")


@pytest.mark.parametrize(
    ("status", "content", "reason", "lasting"),
    [
        (401, b"{}", "TokenRefused", False),
        (403, b'{"message": "API rate limit exceeded"}', "TokenRefused", False),
        (404, b"{}", "NotThere", True),
        (500, b"oops", "Unreachable", False),
        (302, b"", "Unreachable", False),
        (200, b"<html>", "ForgeOdd", False),
        (200, b"[" * 100_000, "ForgeOdd", False),
    ],
)
def test_what_goes_wrong_is_told(
    documented: tuple[Documented, Forge], status: int, content: bytes, reason: str, lasting: bool
) -> None:
    made, forge = documented
    made.wrong = [(status, content)] * 2
    with pytest.raises(ForgeFailed) as failed:
        forge.report(SAID)
    assert (failed.value.reason, failed.value.lasting) == (reason, lasting)
    assert TOKEN not in str(failed.value) and made.posts == 0


def test_a_commit_that_is_not_there_is_given_up(documented: tuple[Documented, Forge]) -> None:
    _, forge = documented
    with pytest.raises(ForgeFailed) as failed:
        forge.report(Said(OTHER, "success", "roost/shop", "", ""))
    assert failed.value.lasting


def test_names_never_leave_their_place_in_the_address(documented: tuple[Documented, Forge]) -> None:
    made, _ = documented
    forge = FORGES[made.type](f"http://127.0.0.1:{9}", "acme/shop", TOKEN)
    with pytest.raises(ForgeFailed) as failed:
        forge.requests("main&state=closed")
    assert failed.value.reason == "Unreachable" and TOKEN not in str(failed.value)
