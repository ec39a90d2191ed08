"""Runtime: all capabilities at work. Shares one informer per kind among them, starts the workers when caches are full.

`roost.mains.controller` runs it under the Lease; tests run it with capabilities of their own.
"""

import asyncio
from collections.abc import Iterable

import structlog

from roost.kernel.capability import Capability, Watch, load
from roost.kernel.clock import Clock, SystemClock
from roost.kernel.controller import Controller, group_of, scope_of, share_of
from roost.kernel.events import Recorder
from roost.kernel.informer import Informer, Scope
from roost.kernel.lease import Fence
from roost.kernel.reader import CachedReader
from roost.kernel.reconciler import Parts, Reconciler
from roost.kernel.store import key_of
from roost.kernel.writer import Means
from roost.kube.client import SILENCE_S, Client, Selection
from roost.settings import Settings


class Runtime:
    """Reconciles the objects of capabilities until cancelled."""

    def __init__(
        self,
        client: Client,
        capabilities: Iterable[Capability],
        settings: Settings,
        clock: Clock | None = None,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._client = client
        self._capabilities = [item for item in capabilities if item.resource and item.plan]
        names = [Parts(item).resource.KIND for item in self._capabilities]
        if len(set(names)) < len(names):
            raise ValueError(f"Two capabilities reconcile one kind, and would fight over its status: {sorted(names)}.")
        self._settings = settings
        self._clock = clock or SystemClock()
        self._silence_s = silence_s
        self.ready = asyncio.Event()
        self._log = structlog.get_logger("roost.kernel.runtime")

    async def run(self, fence: Fence) -> None:
        """Fill the caches, then work. `ready` is set when the workers start."""
        informers = self._informers()
        recorder = Recorder(self._client, lambda item: group_of(key_of(item)))
        means = Means(self._client, CachedReader(self._client, informers.values()), fence, recorder)
        works = []
        for capability in self._capabilities:
            parts = Parts(capability)
            primary = _find(informers, Watch(*scope_of(parts.resource)))
            reconciler = Reconciler(parts, means, self._settings, self._clock)
            controller = Controller(
                capability.name, parts.resource, primary, self._clock, share_of(self._settings.workers)
            )
            controller.follow(primary, None, reconciler.origin)
            for watch in _watches(capability):
                controller.follow(_find(informers, watch), watch)
            works.append((controller, reconciler))
        async with asyncio.TaskGroup() as group:
            for informer in informers.values():
                group.create_task(informer.run())
            for informer in informers.values():
                await informer.synced.wait()
            self._log.info("The caches are full: working.", kinds=len(informers), capabilities=len(works))
            self.ready.set()
            for controller, reconciler in works:
                group.create_task(controller.run(reconciler, self._settings))

    def _informers(self) -> dict[Scope, Informer]:
        """One per kind and selection; where somebody watches all of a kind, that one serves everybody."""
        asked: set[Scope] = set()
        for capability in self._capabilities:
            asked.add(_scope(Watch(*scope_of(Parts(capability).resource))))
            asked.update(_scope(watch) for watch in _watches(capability))
        wide = {scope for scope in asked if scope.selection == Selection()}
        kept = [scope for scope in asked if scope in wide or Scope(scope.api_version, scope.kind) not in wide]
        order = sorted(kept, key=lambda scope: (scope.api_version, scope.kind, str(scope.selection)))
        return {scope: Informer(self._client, scope, self._clock, self._silence_s) for scope in order}


def _scope(watch: Watch) -> Scope:
    return Scope(watch.api_version, watch.kind, Selection(watch.namespace, watch.labels))


def _find(informers: dict[Scope, Informer], watch: Watch) -> Informer:
    return informers.get(Scope(watch.api_version, watch.kind)) or informers[_scope(watch)]


def _watches(capability: Capability) -> tuple[Watch, ...]:
    return load(capability.watches) if capability.watches else ()
