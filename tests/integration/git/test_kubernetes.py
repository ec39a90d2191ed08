"""The git server with a real kube-apiserver: Runs, and what is told of them."""

import contextlib
import secrets
import subprocess
from pathlib import Path
from typing import Any

import pytest

from roost.gitserver.cluster import KubeCluster
from roost.kube.client import Client
from roost.kube.errors import AlreadyExists, RetryableError
from roost.model.kinds.delivery import Project, ProjectSpec, Run
from roost.model.names import API_VERSION
from tests.integration.apiserver import ApiServer
from tests.integration.conftest import Eventually
from tests.integration.git.conftest import Clone, Server

pytestmark = pytest.mark.integration


@pytest.fixture
async def project(client: Client, eventually: Eventually) -> str:
    """A Project of the tenant acme."""
    name = f"p{secrets.token_hex(4)}"
    with contextlib.suppress(AlreadyExists):
        await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "acme-build"}})
    await eventually(lambda: made(client, name))
    await eventually(lambda: listed(client, name))
    return name


async def made(client: Client, project: str) -> bool:
    """Whether the Project could be made; a kube-apiserver that has just learnt of a kind asks for patience."""
    with contextlib.suppress(RetryableError):
        await client.create(Project.manifest(project, ProjectSpec(), "acme-build"))
        return True
    return False


async def listed(client: Client, project: str) -> bool:
    """Whether Runs can be asked for; the same."""
    with contextlib.suppress(RetryableError):
        return await runs(client, project) == []
    return False


async def runs(client: Client, project: str) -> list[dict[str, Any]]:
    found = await client.list(API_VERSION, Run.KIND, "acme-build", f"roost.dev/project={project}")
    return sorted(found, key=lambda run: run["spec"]["attempt"])


def push(clone: Clone, server: Server, project: str, *more: str) -> "subprocess.Popen[str]":
    command = clone.command("push", *more, server.url(project), "main", project=project)
    return subprocess.Popen(command, cwd=clone.path, stderr=subprocess.PIPE, text=True, start_new_session=True)


async def test_a_push_makes_a_run_and_tells_how_it_ended(
    tmp_path: Path, clone: Clone, apiserver: ApiServer, client: Client, project: str, eventually: Eventually
) -> None:
    server = Server(tmp_path, lambda: (apiserver.client(), KubeCluster)).start()
    commit = clone.commit("app.py")
    pushing = push(clone, server, project)
    (run,) = await eventually(lambda: runs(client, project))
    assert run["spec"]["commit"] == commit and run["metadata"]["ownerReferences"][0]["name"] == project
    words = {"type": "Ready", "status": "False", "reason": "BuildFailed", "message": "Line 3 failed"}
    status = {"phase": "Failed", "finishedAt": "2026-11-28T12:00:00Z", "conditions": [words]}
    await client.patch_status(run, status, "tests")
    _, error = pushing.communicate(timeout=60)
    assert pushing.returncode == 1 and "kept, but not live: Line 3 failed" in error
    server.stop()


async def test_whatever_dies_each_move_has_one_run(
    tmp_path: Path, clone: Clone, apiserver: ApiServer, client: Client, project: str, eventually: Eventually
) -> None:
    """The run is made by the server that comes after, once, however often it starts."""

    class Deaf(KubeCluster):
        async def create_run(self, tenant: str, manifest: dict[str, Any]) -> None:
            await super().create_run(tenant, manifest)
            raise OSError("killed before the mark was written")

    first = Server(tmp_path, lambda: (apiserver.client(), Deaf)).start()
    clone.commit("a")
    pushing = push(clone, first, project)
    await eventually(lambda: runs(client, project))
    first.stop()
    pushing.communicate(timeout=60)
    for number in (1, 2):
        server = Server(tmp_path, lambda: (apiserver.client(), KubeCluster)).start()
        done = server.repository(project) / "roost-moves.done"
        await eventually(done.exists)
        assert len(await runs(client, project)) == number
        clone.commit(f"b{number}")
        pushing = push(clone, server, project)
        await eventually(lambda number=number: runs_are(client, project, number + 1))
        server.stop()
        pushing.communicate(timeout=60)
    assert [run["spec"]["attempt"] for run in await runs(client, project)] == [1, 2, 3]


async def runs_are(client: Client, project: str, number: int) -> bool:
    return len(await runs(client, project)) == number
