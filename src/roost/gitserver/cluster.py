"""What the git server asks of Kubernetes: Projects, Runs, what became of them, and the lines that a run prints.

`KubeCluster` is the real one, as the ServiceAccount `roost-git`; tests use a stand-in with the same methods.
"""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from roost.gitserver.moves import Move
from roost.gitserver.repositories import Name
from roost.kube.client import Client
from roost.kube.errors import AlreadyExists
from roost.model.kinds.app import App, Release
from roost.model.kinds.delivery import Project, Promotion, Run, RunSpec
from roost.model.names import API_VERSION, AUTHOR, BUILD, PROJECT, RUN, TENANT, namespace, run_name

CONTAINER = "step"
SILENCE_S = 120.0


class Cluster(Protocol):
    """Every method may raise `roost.kube.errors.KubeError`."""

    async def project(self, name: Name) -> Project | None:
        """The Project, or None."""
        ...

    async def create_run(self, tenant: str, manifest: dict[str, Any]) -> None:
        """Create the Run; that it exists already is no error."""
        ...

    async def run(self, tenant: str, name: str) -> Run | None:
        """The Run, or None."""
        ...

    async def promotion(self, space: str, name: str) -> Promotion | None:
        """The Promotion, or None."""
        ...

    async def release(self, space: str, name: str) -> Release | None:
        """The Release, or None."""
        ...

    async def app(self, space: str, name: str) -> App | None:
        """The App, or None."""
        ...

    async def pods(self, tenant: str, run: str) -> list[str]:
        """Names of the run's pods that have printed something or are about to, oldest first."""
        ...

    def log(self, tenant: str, pod: str) -> AsyncIterator[str]:
        """The lines of a pod, until it ends."""
        ...


def run_for(project: Project, tenant: str, move: Move) -> dict[str, Any]:
    """The manifest of the one Run of a move; the same move gives the same name."""
    meta = project.metadata
    spec = RunSpec(
        project=meta.name,
        ref=move.ref,
        commit=move.commit,
        attempt=move.attempt,
        author=move.person[:100],
        build=project.spec.build,
    )
    owner = {"apiVersion": API_VERSION, "kind": Project.KIND, "name": meta.name, "uid": meta.uid}
    return Run.manifest(
        name_of(meta.name, move),
        spec,
        namespace(tenant, BUILD),
        labels={TENANT: tenant, PROJECT: meta.name},
        annotations={AUTHOR: move.person},
        ownerReferences=[owner],
    )


def name_of(project: str, move: Move) -> str:
    """The name of the Run of a move."""
    return run_name(project, move.ref, move.commit, move.attempt)


class KubeCluster:
    """The cluster by `client`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def project(self, name: Name) -> Project | None:
        """The Project, or None."""
        raw = await self._client.get(API_VERSION, Project.KIND, name.project, namespace(name.tenant, BUILD))
        return Project.parse(raw) if raw else None

    async def create_run(self, tenant: str, manifest: dict[str, Any]) -> None:
        """Create the Run; that it exists already is no error."""
        try:
            await self._client.create(manifest, "roost-git")
        except AlreadyExists:
            return

    async def run(self, tenant: str, name: str) -> Run | None:
        """The Run, or None."""
        raw = await self._client.get(API_VERSION, Run.KIND, name, namespace(tenant, BUILD))
        return Run.parse(raw) if raw else None

    async def promotion(self, space: str, name: str) -> Promotion | None:
        """The Promotion, or None."""
        raw = await self._client.get(API_VERSION, Promotion.KIND, name, space)
        return Promotion.parse(raw) if raw else None

    async def release(self, space: str, name: str) -> Release | None:
        """The Release, or None."""
        raw = await self._client.get(API_VERSION, Release.KIND, name, space)
        return Release.parse(raw) if raw else None

    async def app(self, space: str, name: str) -> App | None:
        """The App, or None."""
        raw = await self._client.get(API_VERSION, App.KIND, name, space)
        return App.parse(raw) if raw else None

    async def pods(self, tenant: str, run: str) -> list[str]:
        """Names of the run's pods whose container has started, oldest first."""
        found = await self._client.list("v1", "Pod", namespace(tenant, BUILD), f"{RUN}={run}")
        begun = [pod for pod in found if (pod.get("status") or {}).get("phase") in ("Running", "Succeeded", "Failed")]
        begun.sort(key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"]))
        return [pod["metadata"]["name"] for pod in begun]

    async def log(self, tenant: str, pod: str) -> AsyncIterator[str]:
        """The lines of a pod, until it ends."""
        path = f"api/v1/namespaces/{namespace(tenant, BUILD)}/pods/{pod}/log"
        async for line in self._client.lines(path, {"follow": "true", "container": CONTAINER}, SILENCE_S):
            yield line
