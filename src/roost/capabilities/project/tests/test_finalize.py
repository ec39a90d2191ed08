"""With the last project of a tenant its builder goes, and not earlier."""

from typing import Any, cast

import pytest

from roost.capabilities.project.actions import finalize
from roost.kernel.action import ActionContext
from roost.kube.client import Client
from roost.kube.errors import Forbidden, NotFound, RefusedError
from roost.kube.reader import Reader
from roost.model.kinds.delivery import Project
from roost.settings import Settings

MINE = {"metadata": {"name": "hello", "namespace": "acme-build", "uid": "mine", "deletionTimestamp": "x"}}


class Cluster:
    """Projects, and what was deleted."""

    def __init__(self, projects: list[dict[str, Any]], error: RefusedError | None = None) -> None:
        self.projects = projects
        self.error = error
        self.deleted: list[str] = []

    async def list(self, api_version: str, kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        return self.projects

    async def delete(self, target: dict[str, Any]) -> None:
        if self.error is not None:
            raise self.error
        self.deleted.append(target["metadata"]["name"])


@pytest.mark.parametrize(
    ("others", "deleted"),
    [
        ([], ["builder"]),
        ([{"metadata": {"name": "a", "uid": "other"}}], []),
        ([{"metadata": {"name": "a", "uid": "other", "deletionTimestamp": "x"}}], ["builder"]),
    ],
)
async def test_the_builder_goes_with_the_last_project(others: list[dict[str, Any]], deleted: list[str]) -> None:
    cluster = Cluster([MINE, *others])
    await finalize(Project.parse(MINE), context(cluster))
    assert cluster.deleted == deleted


@pytest.mark.parametrize("error", [NotFound("no such pod", 404), Forbidden("no right any more", 403)])
async def test_a_builder_that_is_gone_or_going_is_no_error(error: RefusedError) -> None:
    await finalize(Project.parse(MINE), context(Cluster([], error)))


def context(cluster: Cluster) -> ActionContext:
    return ActionContext(MINE, cast(Client, cluster), cast(Reader, cluster), Settings())
