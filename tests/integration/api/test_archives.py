"""Archives through the API: who may, and the way to the real git server, whose own tests say what it takes."""

import base64
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from roost.gitserver.app import GitServer
from roost.gitserver.ledger import Ledger
from roost.gitserver.repositories import Repositories
from roost.kernel.clock import SystemClock
from tests.integration.api.conftest import GIT_SECRET, Running, Team
from tests.integration.api.test_git import _serving
from tests.integration.git.conftest import StandIn

pytestmark = pytest.mark.integration


def packed(text: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo("app.py")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


@pytest.fixture
async def cluster(api: Running, tmp_path: Path) -> AsyncIterator[StandIn]:
    """A real git server behind the API; its Kubernetes is a stand-in in which every project takes archives."""
    repositories = Repositories(tmp_path / "repositories", 100, 4)
    repositories.prepare()
    made = StandIn(source_type="archive")
    cluster: Any = made
    server = GitServer(repositories, Ledger(repositories, cluster, SystemClock()), cluster, GIT_SECRET, SystemClock())
    async for url in _serving(server):
        object.__setattr__(api.settings, "git_url", url)
        yield made


async def project(api: Running, team: Team) -> str:
    http = await api.as_(team.person("developer"))
    body = {"metadata": {"name": "site"}, "spec": {"source": {"type": "archive"}}}
    made = await http.post(team.of("projects"), json=body)
    assert made.status_code == 201, made.text
    return f"{team.of('projects')}/site/archive"


async def test_an_upload_is_a_run_of_who_uploaded_it(api: Running, team: Team, cluster: StandIn) -> None:
    path = await project(api, team)
    http = await api.as_(team.person("developer"))
    body = packed("one")
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    first = await http.put(path, content=body, headers={"Content-Digest": digest})
    assert first.status_code == 200, first.text
    assert first.json()["moved"] and first.json()["run"] in cluster.runs
    assert cluster.runs[first.json()["run"]]["spec"]["author"] == team.person("developer")
    assert (await http.put(path, content=body)).json()["moved"] is False
    altered = await http.put(path, content=body + b"x", headers={"Content-Digest": digest})
    assert altered.status_code == 400 and "upload it again" in altered.json()["detail"]
    odd = await http.put(path, content=body, headers={"Content-Digest": "md5=x"})
    assert odd.status_code == 422


async def test_only_who_may_change_the_project_uploads(api: Running, team: Team, other: Team, cluster: StandIn) -> None:
    path = await project(api, team)
    body = packed("one")
    assert (await (await api.as_(team.person("viewer"))).put(path, content=body)).status_code == 403
    assert (await (await api.as_(other.person("owner"))).put(path, content=body)).status_code == 404
    assert (await api.client().put(path, content=body)).status_code == 401
    forged = {"X-Roost-Person": team.person("owner"), "X-Roost-Shared": "guess", "X-Roost-Project": "other"}
    done = await (await api.as_(team.person("developer"))).put(path, content=body, headers=forged)
    assert done.status_code == 200
    assert [run["spec"]["author"] for run in cluster.runs.values()] == [team.person("developer")]


async def test_what_is_refused_says_why_and_what_is_too_large_is_bounded(
    api: Running, team: Team, cluster: StandIn
) -> None:
    path = await project(api, team)
    http = await api.as_(team.person("developer"))
    refused = await http.put(path, content=b"no archive at all")
    assert refused.status_code == 422 and "zip, tar or tar.gz" in refused.json()["detail"]
    large = await http.put(path, content=b"\x1f\x8b" + b"x" * (6 << 20))
    assert large.status_code == 413 and cluster.runs == {}
    missing = await http.put(path.replace("site", "nosuch"), content=packed("one"))
    assert missing.status_code == 404


async def test_the_forges_token_is_kept_and_never_given_back(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    path = f"{team.of('projects')}/shop"
    source = {"type": "git", "url": "https://git.example.org/acme/shop.git"}
    made = await http.post(team.of("projects"), json={"metadata": {"name": "shop"}, "spec": {"source": source}})
    assert made.status_code == 201, made.text
    assert (await http.put(f"{path}/token", json={"token": "hunter2"})).status_code == 422, "It names no forge."
    assert (await http.patch(path, json={"spec": {"forge": {"type": "gitea"}}})).status_code == 200
    kept = await http.put(f"{path}/token", json={"token": "hunter2"})
    assert kept.status_code == 204, kept.text
    shown = await http.get(path)
    assert shown.json()["spec"]["forge"]["token"] == "shop-forge" and "hunter2" not in shown.text
    raw = await api.admin.get("v1", "Secret", "shop-forge", f"{team.name}-build")
    assert raw is not None and set(raw["data"]) == {"token"}, "A build secret has the key `value`: no run can name it."
    for body in ({}, {"token": ""}, {"token": "a b"}, {"token": "x" * 5000}, {"tokens": "x"}):
        assert (await http.put(f"{path}/token", json=body)).status_code == 422
    viewer = await api.as_(team.person("viewer"))
    assert (await viewer.put(f"{path}/token", json={"token": "x"})).status_code == 403


@pytest.mark.parametrize(
    "spec",
    [
        {"source": {"type": "archive", "url": "https://git.example.org/x.git"}},
        {"source": {"type": "image"}},
        {"source": {"type": "image", "image": "nginx"}},
        {"source": {"type": "image", "image": "https://registry.example.org/x:1"}},
        {"source": {"type": "image", "image": "registry.example.org/../etc:1"}},
        {"source": {"type": "image", "image": "registry.example.org/x:1 --flag"}},
        {"source": {"type": "git", "url": "https://git.example.org/x.git", "only": ["lib"]}},
        {"source": {"type": "svn", "url": "https://svn.example.org/x", "only": ["../etc"]}},
        {"source": {"type": "hosted"}, "forge": {"type": "gitea"}},
        {"forge": {"type": "sourcehut"}},
        {
            "source": {"type": "git", "url": "https://g.example.org/a/b"},
            "forge": {"type": "gitea", "api": "file:///etc"},
        },
        {
            "source": {"type": "git", "url": "https://g.example.org/a/b"},
            "forge": {"type": "gitea", "repository": "../x"},
        },
        {"previews": {"environment": "dev", "max": 1000}},
        {"previews": {"environment": "../prod"}},
        {"previews": {"environment": "dev", "branches": ["*/*"]}},
    ],
)
async def test_hostile_and_senseless_specs_are_refused(api: Running, team: Team, spec: dict[str, Any]) -> None:
    http = await api.as_(team.person("developer"))
    body = {"metadata": {"name": "evil"}, "spec": spec}
    answer = await http.post(team.of("projects"), json=body, params={"dryRun": "true"})
    assert answer.status_code == 422, answer.text


async def test_their_harmless_twins_are_taken(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    git = {"type": "git", "url": "https://git.example.org/x/y.git"}
    for spec in (
        {"source": {"type": "archive"}},
        {"source": {"type": "image", "image": "registry.example.org/team/x:1"}},
        {"source": {"type": "svn", "url": "https://svn.example.org/x", "path": "trunk", "only": ["lib"]}},
        {"source": git, "forge": {"type": "gitlab", "api": "https://git.example.org/api/v4"}},
        {"previews": {"environment": "dev", "branches": ["try/*"]}},
    ):
        body = {"metadata": {"name": "fine"}, "spec": spec}
        answer = await http.post(team.of("projects"), json=body, params={"dryRun": "true"})
        assert answer.status_code == 201, answer.text
