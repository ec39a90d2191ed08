"""Runs that a person starts, and channels, through the API before a real kube-apiserver."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from roost.kube.errors import Invalid
from roost.model import starts
from roost.model.kinds.delivery import Project
from roost.model.names import API_VERSION
from roost.settings import Settings
from tests.integration.api.conftest import GIT_SECRET, Running, Team
from tests.integration.api.test_git import _serving

pytestmark = pytest.mark.integration
LEVEL = {"name": "LEVEL", "default": "info", "values": ["info", "debug"]}


class Starts:
    """A stand-in of the git server that makes the Run, as it would, or says what it is told to say."""

    def __init__(self) -> None:
        self.url, self.status, self.said = "", 201, b""
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.api: Running | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {key.decode(): value.decode() for key, value in scope["headers"]}
        self.asked.append((scope["path"], headers, json.loads(body)))
        said = self.said if self.status != 201 else await self._made(*scope["path"].split("/")[2:])
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": said})

    async def _made(self, tenant: str, project: str) -> bytes:
        assert self.api is not None
        raw = await self.api.admin.get(API_VERSION, "Project", project, f"{tenant}-build")
        spec = starts.spec_of(Project.parse(raw or {}), "refs/heads/main", "a" * 40, cause="manual")
        manifest = starts.manifest(Project.parse(raw or {}), tenant, f"{project}-run-1", spec)
        await self.api.admin.create(manifest)
        return json.dumps({"run": f"{project}-run-1"}).encode()


@pytest.fixture
async def git() -> AsyncIterator[Starts]:
    made = Starts()
    async for url in _serving(made):
        made.url = url
        yield made


@pytest.fixture
def settings(git: Starts) -> Settings:
    return replace(Settings(), git_url=git.url)


async def project(api: Running, team: Team, git: Starts, **spec: Any) -> str:
    """A project; where its runs are started."""
    git.api = api
    http = await api.as_(team.person("developer"))
    body = {"metadata": {"name": "site"}, "spec": {"parameters": [LEVEL], **spec}}
    made = await http.post(team.of("projects"), json=body)
    assert made.status_code == 201, made.text
    return f"{team.of('projects')}/site/runs"


async def test_who_may_push_may_start(api: Running, team: Team, other: Team, git: Starts) -> None:
    path = await project(api, team, git)
    assert (await (await api.as_(team.person("viewer"))).post(path, json={})).status_code == 403
    assert (await (await api.as_(other.person("owner"))).post(path, json={})).status_code == 404
    assert (await api.client().post(path, json={})).status_code == 401
    assert git.asked == []
    http = await api.as_(team.person("developer"))
    made = await http.post(path, json={"ref": "v1", "parameters": {"LEVEL": "debug"}, "key": "my-own-key"})
    assert made.status_code == 201, made.text
    assert made.json()["kind"] == "Run" and made.json()["spec"]["cause"] == "manual"
    ((asked, headers, body),) = git.asked
    assert asked == f"/starts/{team.name}/site"
    assert body == {"ref": "v1", "parameters": {"LEVEL": "debug"}, "key": "my-own-key"}
    assert headers["x-roost-shared"] == GIT_SECRET and headers["x-roost-person"] == team.person("developer")
    assert not {"cookie", "authorization", "user-agent"} & set(headers)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"parameters": {"LEVEL": "trace"}}, "parameters.LEVEL"),
        ({"parameters": {"OTHER": "x"}}, "parameters.OTHER"),
        ({"parameters": {"LEVEL": "info\nFROM evil"}}, "parameters.LEVEL"),
        ({"parameters": {"LEVEL": "x" * 2000}}, "parameters.LEVEL"),
        ({"parameters": {"LEVEL": 7}}, "parameters.LEVEL"),
        ({"parameters": ["LEVEL"]}, "parameters"),
        ({"ref": "x" * 300}, "ref"),
        ({"key": "a b"}, "key"),
        ({"commit": "a" * 40}, "commit"),
    ],
)
async def test_what_does_not_fit_is_named(
    api: Running, team: Team, git: Starts, body: dict[str, Any], field: str
) -> None:
    path = await project(api, team, git)
    answer = await (await api.as_(team.person("developer"))).post(path, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"].startswith(field) and git.asked == []


async def test_what_the_git_server_says_becomes_a_problem(api: Running, team: Team, git: Starts) -> None:
    path = await project(api, team, git)
    http = await api.as_(team.person("developer"))
    for status, told in ((400, 422), (404, 404), (409, 409), (413, 413), (503, 503), (500, 503)):
        git.status, git.said = status, b"ref: there is no branch or tag 'x'."
        answer = await http.post(path, json={"ref": "x"})
        assert (answer.status_code, answer.json()["detail"]) == (told, git.said.decode())


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"triggers": {"schedules": [{"name": "a", "cron": "* * * * *"}]}}, "60 times in an hour"),
        ({"triggers": {"schedules": [{"name": "a", "cron": "* * * * * *"}]}}, "five fields"),
        ({"triggers": {"schedules": [{"name": "a", "cron": "0 0 * * *", "zone": "Mars/Base"}]}}, "no time zone"),
        ({"triggers": {"tags": [{"pattern": "a b"}]}}, "triggers.tags"),
        ({"parameters": [{"name": "PATH"}]}, "means something to the build"),
        ({"parameters": [{"name": "X", "pattern": "("}]}, "no regular expression"),
        ({"parameters": [{"name": "X", "values": ["a"]}]}, "none of a"),
        ({"concurrency": {"max": 0}}, "concurrency.max"),
    ],
)
async def test_a_project_that_cannot_be_kept_is_refused(
    api: Running, team: Team, git: Starts, spec: dict[str, Any], words: str
) -> None:
    http = await api.as_(team.person("developer"))
    answer = await http.post(team.of("projects"), json={"metadata": {"name": "site"}, "spec": spec})
    assert answer.status_code == 422 and words in answer.text, answer.text


CHANNEL = {"type": "webhook", "url": "https://chat.example.org/hook", "secret": "chat-channel"}


async def test_a_channel_and_its_secret(api: Running, team: Team, other: Team) -> None:
    http = await api.as_(team.person("developer"))
    made = await http.post(team.of("channels"), json={"metadata": {"name": "chat"}, "spec": CHANNEL})
    assert made.status_code == 201, made.text
    path = f"{team.of('channels')}/chat/secret"
    assert (await (await api.as_(team.person("viewer"))).post(path)).status_code == 403
    assert (await (await api.as_(other.person("owner"))).post(path)).status_code == 404
    first, second = [(await http.post(path)).json()["secret"] for _ in range(2)]
    assert first != second and len(base64.b64decode(first.removeprefix("whsec_"))) == 32
    raw = await api.admin.get("v1", "Secret", "chat-channel", f"{team.name}-build")
    assert raw is not None and base64.b64decode(raw["data"]["secret"]).decode() == second
    shown = await http.get(f"{team.of('channels')}/chat")
    assert second not in shown.text


@pytest.mark.parametrize(
    "spec",
    [
        {**CHANNEL, "url": "https://localhost/x"},
        {**CHANNEL, "url": "file:///etc/passwd"},
        {**CHANNEL, "url": "https://a.example.org/\r\nX: y"},
        {**CHANNEL, "url": ""},
        {**CHANNEL, "secret": ""},
        {**CHANNEL, "secret": "../other/secret"},
        {**CHANNEL, "to": ["a@example.org"]},
        {"type": "mail", "to": []},
        {"type": "mail", "to": ["a@example.org\nBcc: b@example.org"]},
        {"type": "mail", "to": ["a@example.org"] * 11},
        {**CHANNEL, "events": ["everything"]},
    ],
)
async def test_a_channel_that_leads_elsewhere_is_refused(api: Running, team: Team, spec: dict[str, Any]) -> None:
    http = await api.as_(team.person("owner"))
    answer = await http.post(team.of("channels"), json={"metadata": {"name": "chat"}, "spec": spec})
    assert answer.status_code == 422, answer.text
    meta = {"name": "chat", "namespace": f"{team.name}-build"}
    with pytest.raises(Invalid):
        await api.admin.create({"apiVersion": API_VERSION, "kind": "Channel", "metadata": meta, "spec": spec})


async def test_nobody_writes_notices(api: Running, team: Team) -> None:
    http = await api.as_(team.person("owner"))
    spec = {"channel": "chat", "event": "run.failed", "at": "now", "facts": {"message": "buy"}}
    answer = await http.post(team.of("notices"), json={"metadata": {"name": "n"}, "spec": spec})
    assert answer.status_code == 403, answer.text
