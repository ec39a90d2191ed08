"""What the git server asks of Kubernetes: Projects, Runs, what became of them, and the lines that a run prints.

`KubeCluster` is the real one, as the ServiceAccount `roost-git`; tests use a stand-in with the same methods.
"""

from collections.abc import AsyncIterator, Iterable
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from roost.gitserver.moves import Move, building
from roost.gitserver.repositories import Name
from roost.gitserver.requests import IMPORT
from roost.kube.client import Client
from roost.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from roost.model import starts, step_lines
from roost.model.kinds.app import App, Release
from roost.model.kinds.delivery import Project, Promotion, Run
from roost.model.kinds.forge import Preview
from roost.model.kinds.source import Import
from roost.model.names import API_VERSION, BUILD, OUTCOME, PROJECT, RUN, namespace, run_name
from roost.model.refs import HEADS
from roost.model.resource import Resource

R = TypeVar("R", bound=Resource)
CONTAINER = "step"
SILENCE_S = 120.0


class Misfit(KubeError):
    """An object that does not fit its kind, as one stored by an older Roost may; the text says where."""


class Cluster(Protocol):
    """Every method may raise `roost.kube.errors.KubeError`."""

    async def project(self, name: Name) -> Project | None:
        """The Project, or None."""
        ...

    async def create_run(self, tenant: str, manifest: dict[str, Any]) -> None:
        """Create the Run; that it exists already is no error."""
        ...

    async def looks(self, space: str) -> list[dict[str, Any]]:
        """The Imports of a build namespace."""
        ...

    async def create_look(self, manifest: dict[str, Any]) -> None:
        """Create the Import; that it exists already is no error."""
        ...

    async def previews(self, space: str, project: str) -> list[Preview]:
        """The Previews of a project that are not on their way out, the oldest first."""
        ...

    async def create_preview(self, manifest: dict[str, Any]) -> None:
        """Create the Preview; that it exists already is no error."""
        ...

    async def delete_preview(self, preview: Preview) -> None:
        """Delete this very Preview; that it is gone is no error."""
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

    async def bring(self, name: Name, run: str, report: str) -> bool:
        """Lay a report on a Run of this project; whether there is such a Run."""
        ...

    async def pods(self, tenant: str, *runs: str) -> list[str]:
        """Names of a run's pods that have printed something or are about to, oldest first.

        runs: its name, and that of the pod which had waited and which it took.
        """
        ...

    def log(self, tenant: str, pod: str) -> AsyncIterator[str]:
        """The lines of a pod, until it ends."""
        ...


def built_of(project: Project, found: Iterable[Move]) -> list[Move]:
    """The moves of all that came to be that the project has built."""
    spec = project.spec
    return building(found, HEADS + spec.branch, lambda ref: starts.starts(spec, ref))


def run_for(project: Project, tenant: str, move: Move, commit: str, problem: str = "") -> dict[str, Any]:
    """The manifest of the one Run of a move, which led to `commit`; the same move gives the same name.

    problem: why it can only fail, which it then says.
    """
    made = starts.spec_of(
        project,
        move.ref,
        commit,
        attempt=move.attempt,
        sequence=move.sequence,
        author=_author(move),
        problem=problem,
    )
    return starts.manifest(project, tenant, name_of(project.metadata.name, move), made)


def _author(move: Move) -> str:
    """Who pushed; of what an import brought, nobody whom Roost knows."""
    return "" if move.person == IMPORT else move.person[:100]


def name_of(project: str, move: Move) -> str:
    """The name of the Run of a move."""
    return run_name(project, move.ref, move.commit, move.attempt)


def _parsed(kind: type[R], raw: dict[str, Any] | None) -> R | None:
    """The object; None where there is none. Misfit: one such object must not stop what is done for the others."""
    try:
        return kind.parse(raw) if raw else None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:3])
        raise Misfit(f"The {kind.KIND} {(raw or {})['metadata']['name']} does not fit its kind: {wrong}") from error


class KubeCluster:
    """The cluster by `client`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def project(self, name: Name) -> Project | None:
        """The Project, or None."""
        raw = await self._client.get(API_VERSION, Project.KIND, name.project, namespace(name.tenant, BUILD))
        return _parsed(Project, raw)

    async def create_run(self, tenant: str, manifest: dict[str, Any]) -> None:
        """Create the Run; that it exists already is no error."""
        try:
            await self._client.create(manifest, "roost-git")
        except AlreadyExists:
            return

    async def looks(self, space: str) -> list[dict[str, Any]]:
        """The Imports of a build namespace."""
        return await self._client.list(API_VERSION, Import.KIND, space)

    async def create_look(self, manifest: dict[str, Any]) -> None:
        """Create the Import; that it exists already is no error."""
        try:
            await self._client.create(manifest, "roost-git")
        except AlreadyExists:
            return

    async def previews(self, space: str, project: str) -> list[Preview]:
        """The Previews of a project that are not on their way out, the oldest first."""
        found = await self._client.list(API_VERSION, Preview.KIND, space, f"{PROJECT}={project}")
        there = [item for raw in found if (item := _parsed(Preview, raw)) and not item.metadata.deletion_timestamp]
        return sorted(there, key=lambda item: (item.metadata.creation_timestamp or "", item.metadata.name))

    async def create_preview(self, manifest: dict[str, Any]) -> None:
        """Create the Preview; that it exists already is no error. Misfit while an earlier one is on its way out."""
        try:
            await self._client.create(manifest, "roost-git")
        except AlreadyExists as error:
            meta = manifest["metadata"]
            there = await self._client.get(API_VERSION, Preview.KIND, meta["name"], meta["namespace"])
            if there is None or there["metadata"].get("deletionTimestamp"):
                raise Misfit(f"The preview {meta['name']} is still being closed.") from error

    async def delete_preview(self, preview: Preview) -> None:
        """Delete this very Preview; that it is gone is no error."""
        meta = {"name": preview.metadata.name, "namespace": preview.metadata.namespace, "uid": preview.metadata.uid}
        try:
            await self._client.delete(
                {"apiVersion": API_VERSION, "kind": Preview.KIND, "metadata": meta}, preview.metadata.uid
            )
        except (NotFound, Conflict):
            return

    async def run(self, tenant: str, name: str) -> Run | None:
        """The Run, or None."""
        raw = await self._client.get(API_VERSION, Run.KIND, name, namespace(tenant, BUILD))
        return _parsed(Run, raw)

    async def promotion(self, space: str, name: str) -> Promotion | None:
        """The Promotion, or None."""
        raw = await self._client.get(API_VERSION, Promotion.KIND, name, space)
        return _parsed(Promotion, raw)

    async def release(self, space: str, name: str) -> Release | None:
        """The Release, or None."""
        raw = await self._client.get(API_VERSION, Release.KIND, name, space)
        return _parsed(Release, raw)

    async def app(self, space: str, name: str) -> App | None:
        """The App, or None."""
        raw = await self._client.get(API_VERSION, App.KIND, name, space)
        return _parsed(App, raw)

    async def bring(self, name: Name, run: str, report: str) -> bool:
        """Lay a report on a Run of this project; whether there is such a Run."""
        there = await self.run(name.tenant, run)
        if there is None or there.spec.project != name.project:
            return False
        meta = {"name": run, "namespace": namespace(name.tenant, BUILD)}
        changes = {"metadata": {"uid": there.metadata.uid, "annotations": {OUTCOME: report}}}
        try:
            await self._client.patch(
                {"apiVersion": API_VERSION, "kind": Run.KIND, "metadata": meta}, changes, "roost-git"
            )
        except (NotFound, Conflict):
            return False
        return True

    async def pods(self, tenant: str, *runs: str) -> list[str]:
        """Names of the run's pods whose container has started, oldest first."""
        found = await self._client.list("v1", "Pod", namespace(tenant, BUILD), f"{RUN} in ({','.join(runs)})")
        begun = [pod for pod in found if (pod.get("status") or {}).get("phase") in ("Running", "Succeeded", "Failed")]
        begun.sort(key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"]))
        return [pod["metadata"]["name"] for pod in begun]

    async def log(self, tenant: str, pod: str) -> AsyncIterator[str]:
        """The lines of a pod, until it ends; whose words they are is left out."""
        path = f"api/v1/namespaces/{namespace(tenant, BUILD)}/pods/{pod}/log"
        async for line in self._client.lines(path, {"follow": "true", "container": CONTAINER}, SILENCE_S):
            yield step_lines.read(line)[1]
