"""Sees to it that each move of a ref that is built has its one Run, whatever dies in between.

The server calls `settle` after each push; `keep` catches up: with everything at start, later with what a push left
open because kube-apiserver did not answer. Both may do the same work, since a Run's name follows from the move.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog

from roost.gitserver import definition, moves
from roost.gitserver.cluster import Cluster, Misfit, built_of, name_of, run_for
from roost.gitserver.moves import Move
from roost.gitserver.repositories import Name, Repositories
from roost.kernel.clock import Clock
from roost.kube.errors import KubeError
from roost.model import previews
from roost.model.kinds.delivery import Project
from roost.model.names import BUILD, namespace

log = structlog.get_logger(__name__)

PAUSE_S = 2.0
SWEEP_S = 900.0
KEEP = timedelta(days=7)


def _no_place(project: Project, ref: str, tried_out: set[str]) -> str:
    """Why a ref gets no Preview although the project tries it out; empty: it has one, or needs none."""
    if ref in tried_out or not previews.wanted(project.spec, ref):
        return ""
    return (
        f"{project.spec.previews.max} previews of this project are open already, which is the most that it has"
        " (previews.max). Close a merge request, or allow more, and run it again."
    )


class Ledger:
    """Reads the logs of moves, makes the Runs, marks what is done."""

    def __init__(self, repositories: Repositories, cluster: Cluster, clock: Clock) -> None:
        self._repositories = repositories
        self._cluster = cluster
        self._clock = clock
        self._locks: defaultdict[Name, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._open: set[Name] = set()
        self._pushed: set[Name] = set()

    async def sweep(self) -> None:
        """Set repositories aside whose Project is gone, and forget what was set aside a week ago."""
        try:
            for name in list(self._repositories.all()):
                try:
                    project = await self._cluster.project(name)
                except Misfit as error:
                    log.warning("repository not swept", repository=str(name), error=str(error))
                    continue
                if project is None or project.metadata.uid != self._repositories.owner(name):
                    self._repositories.set_aside(name)
                    log.info("repository set aside", repository=str(name))
            await asyncio.to_thread(self._repositories.forget, self._clock.now() - KEEP)
        except (KubeError, OSError) as error:
            log.warning("repositories not swept", error=str(error))

    async def _tidy(self) -> None:
        """Keep what was pushed to small and quick, one repository at a time."""
        while self._pushed:
            name = self._pushed.pop()
            try:
                if self._repositories.is_untidy(name):
                    await self._repositories.tidy(name)
            except OSError as error:  # TimeoutError among them.
                log.warning("repository not tidied", repository=str(name), error=str(error))

    def touch(self, name: Name) -> None:
        """A push to this repository begins: look at it until it is settled."""
        self._open.add(name)
        self._pushed.add(name)

    def lines(self, name: Name) -> list[moves.Line]:
        """The whole log of a repository."""
        return moves.read(self._repositories.path(name))

    async def settle(self, name: Name) -> list[Move]:
        """Make the Runs that are missing; all moves that came to be, in order. KubeError or OSError: try again."""
        async with self._locks[name]:
            path = self._repositories.path(name)
            lines = moves.read(path)
            refs = await self._repositories.refs(name)
            found = moves.came_to_be(lines, refs)
            done = moves.read_done(path)
            missing = [move for move in found if move.attempt > done.get(move.ref, 0)]
            if missing or name in self._open:
                await self._make(name, found, missing, refs)
            if missing:
                moves.write_done(path, done | {move.ref: move.attempt for move in missing})
            self._open.discard(name)
            return found

    async def _make(self, name: Name, found: list[Move], missing: list[Move], refs: Mapping[str, str]) -> None:
        project = await self._cluster.project(name)
        if project is None:
            return  # Gone meanwhile: nobody waits for these any more.
        owner = await asyncio.to_thread(self._repositories.owner, name)
        if owner != project.metadata.uid:
            return
        built, tried_out = set(built_of(project, found)), await self._previews(name, project, refs)
        for move in missing:
            commit = await self._repositories.commit(name, move.commit) if move in built else ""
            if commit:
                problem = _no_place(project, move.ref, tried_out)
                await self._create(name, project, run_for(project, name.tenant, move, commit, problem))
                log.info("run made", repository=str(name), run=name_of(name.project, move), push=move.push)

    async def _previews(self, name: Name, project: Project, refs: Mapping[str, str]) -> set[str]:
        """The refs that have a Preview, once those stand for the refs that there are: as many as the project allows."""
        wanted = sorted(ref for ref in refs if previews.wanted(project.spec, ref))
        if not wanted and not project.spec.previews.environment:
            return set()
        there = await self._cluster.previews(namespace(name.tenant, BUILD), name.project)
        for preview in there:
            if preview.spec.ref not in wanted or not previews.fits(preview, project):
                await self._cluster.delete_preview(preview)
                log.info("preview closed", repository=str(name), ref=preview.spec.ref)
        kept = {preview.spec.ref for preview in there if preview.spec.ref in wanted and previews.fits(preview, project)}
        for ref in wanted:
            if ref not in kept and len(kept) < project.spec.previews.max:
                await self._cluster.create_preview(previews.manifest(project, name.tenant, ref))
                kept.add(ref)
        return kept

    async def _create(self, name: Name, project: Project, manifest: dict[str, Any]) -> None:
        made = await definition.into(self._repositories, name, project, manifest)
        await self._cluster.create_run(name.tenant, made)

    async def keep(self) -> None:
        """Catch up, for ever. Every repository is open at start, since nobody knows what was left."""
        self._open.update(self._repositories.all())
        swept = 0.0
        while True:
            self._pushed |= self._open
            for name in sorted(self._open, key=str):
                try:
                    await self.settle(name)
                except (KubeError, OSError, ValueError) as error:  # ValueError: a repository that cannot be read.
                    log.warning("runs not made yet", repository=str(name), error=str(error))
                except Exception:  # A mistake of ours that one commit brings out: it must hold up nobody else.
                    log.exception("runs not made", repository=str(name))
            await self._tidy()
            if asyncio.get_running_loop().time() > swept + SWEEP_S:
                swept = asyncio.get_running_loop().time()
                await self.sweep()
            await asyncio.sleep(PAUSE_S)
