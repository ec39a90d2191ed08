"""Sources through the API: deliveries of webhooks pass on, the secret and credentials are for those who may change."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest

from roost.settings import Settings
from roost.surface.fetch_token import hook_secret
from tests.integration.api.conftest import GIT_SECRET, Running, Team
from tests.integration.api.test_git import _serving

pytestmark = pytest.mark.integration
URL = "https://git.example.org/site.git"


class Sees:
    """A stand-in of the git server that keeps what it is asked and answers as it is told."""

    def __init__(self) -> None:
        self.url, self.status = "", 202
        self.asked: list[tuple[str, dict[str, str], bytes]] = []

    async def __call__(self, scope: object, receive: object, send: object) -> None:
        assert isinstance(scope, dict) and callable(receive) and callable(send)
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {key.decode(): value.decode() for key, value in scope["headers"]}
        self.asked.append((scope["path"], headers, body))
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"Because."})


@pytest.fixture
async def sees() -> AsyncIterator[Sees]:
    made = Sees()
    async for url in _serving(made):
        made.url = url
        yield made


@pytest.fixture
def settings(sees: Sees) -> Settings:
    """The API passes deliveries on to the stand-in."""
    return replace(Settings(), git_url=sees.url)


async def _project(api: Running, team: Team) -> str:
    http = await api.as_(team.person("developer"))
    body = {"metadata": {"name": "site"}, "spec": {"source": {"type": "git", "url": URL}}}
    made = await http.post(team.of("projects"), json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["metadata"]["uid"])


async def test_a_delivery_passes_on_as_it_came_and_with_nothing_else(api: Running, team: Team, sees: Sees) -> None:
    signed = {"X-Hub-Signature-256": "sha256=1", "X-GitHub-Delivery": "d", "Content-Type": "application/json"}
    forged = {"X-Roost-Shared": "guess", "X-Roost-Person": "ada", "Cookie": "a=b"}
    answer = await api.client(**signed, **forged).post(f"/hooks/{team.name}/site", content=b'{"ref": 1}')
    assert answer.status_code == 202, answer.text
    ((path, headers, body),) = sees.asked
    assert (path, body) == (f"/hooks/{team.name}/site", b'{"ref": 1}')
    assert headers["x-roost-shared"] == GIT_SECRET and headers["x-hub-signature-256"] == "sha256=1"
    assert not {"cookie", "x-roost-person", "user-agent"} & set(headers)


@pytest.mark.parametrize(("status", "told"), [(401, 401), (409, 409), (413, 413), (500, 503), (503, 503)])
async def test_what_the_git_server_says_becomes_a_problem(
    api: Running, team: Team, sees: Sees, status: int, told: int
) -> None:
    sees.status = status
    answer = await api.client().post(f"/hooks/{team.name}/site", content=b"{}")
    assert answer.status_code == told and answer.json()["detail"] == "Because."


async def test_odd_deliveries_get_a_clear_answer(api: Running, team: Team, sees: Sees) -> None:
    http = api.client()
    assert (await http.post("/hooks/UPPER/site", content=b"{}")).status_code == 401
    assert (await http.get(f"/hooks/{team.name}/site")).status_code == 405
    assert sees.asked == []


async def test_the_secret_is_shown_to_those_who_may_change_the_project(api: Running, team: Team, other: Team) -> None:
    uid = await _project(api, team)
    path = f"{team.of('projects')}/site/hook"
    shown = (await (await api.as_(team.person("developer"))).get(path)).json()
    assert shown["secret"] == hook_secret(GIT_SECRET, (team.name, "site"), uid, 1)
    assert base64.b64decode(shown["standardSecret"].removeprefix("whsec_")).decode() == shown["secret"]
    assert shown["url"].endswith(f"/hooks/{team.name}/site")
    assert (await (await api.as_(team.person("viewer"))).get(path)).status_code == 403
    assert (await (await api.as_(other.person("owner"))).get(path)).status_code == 404
    assert (await api.client().get(path)).status_code == 401


async def test_credentials_are_kept_and_never_given_back(api: Running, team: Team) -> None:
    await _project(api, team)
    http = await api.as_(team.person("developer"))
    path = f"{team.of('projects')}/site/credentials"
    first = await http.put(path, json={"username": "mei", "password": "hunter2"})
    assert first.status_code == 204, first.text
    project = await http.get(f"{team.of('projects')}/site")
    assert project.json()["spec"]["source"]["credentials"] == "site-source" and "hunter2" not in project.text
    second = await http.put(path, json={"sshPrivateKey": "KEY", "knownHosts": "HOST"})
    assert second.status_code == 204, second.text
    raw = await api.admin.get("v1", "Secret", "site-source", f"{team.name}-build")
    assert raw is not None and set(raw["data"]) == {"ssh-privatekey", "known_hosts"}
    for body in ({}, {"sshPrivateKey": "KEY"}, {"pasword": "x"}, {"password": "x" * 5000}):
        assert (await http.put(path, json=body)).status_code == 422
    viewer = await api.as_(team.person("viewer"))
    assert (await viewer.put(path, json={"password": "x"})).status_code == 403


@pytest.mark.parametrize(
    "source",
    [
        {"type": "git", "url": "file:///etc"},
        {"type": "git", "url": "ext::sh -c touch% /tmp/x"},
        {"type": "git", "url": "https://user:secret@git.example.org/x.git"},
        {"type": "git", "url": "ssh://-oProxyCommand=x/y"},
        {"type": "git", "url": "--upload-pack=x"},
        {"type": "git", "url": "svn://svn.example.org/x"},
        {"type": "svn", "url": "ssh://svn.example.org/x"},
        {"type": "svn", "url": "https://svn.example.org/x", "path": "../../etc"},
        {"type": "git", "url": ""},
        {"type": "hosted", "url": URL},
        {"type": "git", "url": URL, "credentials": "../other"},
    ],
)
async def test_hostile_sources_are_refused(api: Running, team: Team, source: dict[str, str]) -> None:
    http = await api.as_(team.person("developer"))
    body = {"metadata": {"name": "evil"}, "spec": {"source": source}}
    answer = await http.post(team.of("projects"), json=body, params={"dryRun": "true"})
    assert answer.status_code == 422, answer.text
    fine = {"metadata": {"name": "fine"}, "spec": {"source": {"type": "git", "url": URL}}}
    assert (await http.post(team.of("projects"), json=fine, params={"dryRun": "true"})).status_code == 201


async def _step_secrets(http: httpx2.AsyncClient, team: Team, project: str = "site") -> list[str]:
    found = (await http.get(f"{team.of('projects')}/{project}")).json()["spec"].get("stepSecrets") or []
    return [str(name) for name in found]


async def test_secrets_of_runs_are_kept_named_and_never_given_back(api: Running, team: Team, other: Team) -> None:
    await _project(api, team)
    http = await api.as_(team.person("developer"))
    path, space = f"{team.of('projects')}/site/secrets", f"{team.name}-build"
    first = await http.put(f"{path}/npm-token", json={"value": "hunter2"})
    assert first.status_code == 204, first.text
    assert (await http.put(f"{path}/npm-token", json={"value": "hunter3", "use": ["build"]})).status_code == 204
    raw = await api.admin.get("v1", "Secret", "npm-token", space)
    assert raw is not None and base64.b64decode(raw["data"]["value"]) == b"hunter3"
    shown = await http.get(path)
    assert shown.json() == {"items": [{"name": "npm-token", "variable": "NPM_TOKEN", "use": ["steps", "build"]}]}
    assert "hunter" not in shown.text + (await http.get(f"{team.of('projects')}/site")).text
    # A second project that names it holds it, when the first lets go of it.
    made = await http.post(team.of("projects"), json={"metadata": {"name": "shop"}, "spec": {}})
    assert made.status_code == 201, made.text
    assert (await http.put(f"{team.of('projects')}/shop/secrets/npm-token", json={"value": "4"})).status_code == 204
    assert (await http.delete(f"{path}/npm-token")).status_code == 204
    assert await api.admin.get("v1", "Secret", "npm-token", space) is not None
    assert await _step_secrets(http, team) == [] and await _step_secrets(http, team, "shop") == ["npm-token"]
    assert (await http.delete(f"{team.of('projects')}/shop/secrets/npm-token")).status_code == 204
    assert await api.admin.get("v1", "Secret", "npm-token", space) is None
    assert (await http.delete(f"{path}/npm-token")).status_code == 404
    viewer = await api.as_(team.person("viewer"))
    assert (await viewer.put(f"{path}/npm-token", json={"value": "x"})).status_code == 403
    stranger = await api.as_(other.person("owner"))
    assert (await stranger.put(f"{path}/npm-token", json={"value": "x"})).status_code == 404


async def test_a_secret_of_runs_never_takes_the_place_of_another_one(api: Running, team: Team) -> None:
    await _project(api, team)
    http = await api.as_(team.person("developer"))
    path, space = f"{team.of('projects')}/site", f"{team.name}-build"
    assert (await http.put(f"{path}/credentials", json={"password": "source"})).status_code == 204
    for name in ("site-source", "site-forge"):
        refused = await http.put(f"{path}/secrets/{name}", json={"value": "x"})
        assert refused.status_code == 409 and name in refused.text
    raw = await api.admin.get("v1", "Secret", "site-source", space)
    assert raw is not None and set(raw["data"]) == {"username", "password"} - {"username"}
    for name, body in (
        ("UPPER", {"value": "x"}),
        ("a_b", {"value": "x"}),
        ("empty", {"value": ""}),
        ("nul", {"value": "a\0b"}),
        ("large", {"value": "x" * 70_000}),
        ("use", {"value": "x", "use": ["production"]}),
        ("more", {"value": "x", "key": "y"}),
    ):
        assert (await http.put(f"{path}/secrets/{name}", json=body)).status_code == 422, name
        assert await api.admin.get("v1", "Secret", name.lower().replace("_", "-"), space) is None
    many = [f"secret-{number}" for number in range(20)]
    assert (await http.patch(path, json={"spec": {"stepSecrets": many}})).status_code == 200
    refused = await http.put(f"{path}/secrets/one-more", json={"value": "x"})
    assert refused.status_code == 422 and await api.admin.get("v1", "Secret", "one-more", space) is None
