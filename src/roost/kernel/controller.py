"""Controller: one capability's queue and workers, and which events lead to which object. `runtime` makes them."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import structlog

from roost.kernel import metrics
from roost.kernel.capability import Watch
from roost.kernel.clock import Clock
from roost.kernel.informer import Handler, Informer
from roost.kernel.queue import Queue
from roost.kernel.reconciler import Reconciler
from roost.kernel.selector import matches
from roost.kernel.store import Change, Key, key_of, owners_of
from roost.kube.reader import Object
from roost.model.names import API_VERSION, REQUEST_ID, TENANT, split_namespace
from roost.model.resource import Resource
from roost.settings import Settings


class Controller:
    """Looks after all objects of one kind for one capability."""

    def __init__(
        self, name: str, resource: type[Resource], primary: Informer, clock: Clock, share: int | None = None
    ) -> None:
        self.name = name
        self._resource = resource
        self._primary = primary
        self._clock = clock
        self.queue: Queue[Key] = Queue(clock.chance, group=group_of, share=share)

    def follow(self, informer: Informer, watch: Watch | None, origin: object = None) -> None:
        """Queue objects on what an informer tells: about the kind itself (None) or about another kind."""
        if watch is None:
            informer.subscribe(lambda change: self.queue.add(key_of(change.new or change.old or {})), origin)
            return
        informer.subscribe(self._handler(watch))

    async def run(self, reconciler: Reconciler, settings: Settings) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(settings.workers):
                    group.create_task(self._work(reconciler, settings))
        finally:
            self.queue.close()

    async def _work(self, reconciler: Reconciler, settings: Settings) -> None:
        while True:
            key = await self.queue.get()
            metrics.QUEUED.labels(self.name).set(len(self.queue))
            try:
                await self._look(reconciler, key, settings.resync_s)
            finally:
                self.queue.done(key)

    async def _look(self, reconciler: Reconciler, key: Key, resync_s: float) -> None:
        item = self._primary.store.get(key)
        if item is None:
            self.queue.forget(key)
            return
        annotations = item["metadata"].get("annotations") or {}
        structlog.contextvars.bind_contextvars(
            capability=self.name, object="/".join(part for part in key if part), request_id=annotations.get(REQUEST_ID)
        )
        with metrics.RECONCILE_S.labels(self.name).time():
            result = await reconciler.reconcile(item, self.queue.failures(key))
        judgement = result.judgement
        metrics.RECONCILES.labels(self.name, "error" if judgement else "ok").inc()
        if judgement is not None and judgement.retry:
            self.queue.retry(key, judgement.least_s)
            return
        self.queue.settle(key)
        later_s = resync_s * (0.8 + 0.4 * self._clock.chance())
        self.queue.add_after(key, later_s if result.after_s is None else min(result.after_s, later_s))

    def _handler(self, watch: Watch) -> Handler:
        find = self._finder(watch.owner)

        def handle(change: Change) -> None:
            if _is_none(watch, change):
                return
            for item in (change.old, change.new):
                if item is not None and _concerns(watch, item):
                    for key in find(item):
                        self.queue.add(key)

        return handle

    def _finder(self, owner: str) -> Callable[[Object], Iterable[Key]]:
        if owner == "owner":
            return self._owners
        if owner == "name":
            return lambda item: [self._place(item, item["metadata"]["name"])]
        if owner == "tenant":
            return _tenant
        if owner == "all":
            return lambda item: self._primary.store.keys()
        named = owner.removeprefix("named:")
        if named != owner:
            return lambda item: [self._place(item, named)]
        field = owner.removeprefix("field:")
        if field != owner:
            return lambda item: [self._place(item, name)] if (name := _field(item, field)) else []
        label = owner.removeprefix("label:")
        if label == owner:
            raise ValueError(f"{owner!r} does not say how the owner is found.")
        return lambda item: [self._place(item, name)] if (name := _labels(item).get(label)) else []

    def _owners(self, item: Object) -> list[Key]:
        found = [self._primary.store.place_of(uid) for uid in owners_of(item)]
        return [key for key in found if key is not None]

    def _place(self, item: Object, name: str) -> Key:
        return (item["metadata"].get("namespace") or "") if self._resource.NAMESPACED else "", name


def group_of(key: Key) -> str:
    """Whose an object is: its tenant's, or its namespace's; of a cluster-scoped one its own."""
    return _tenant_of_namespace(key[0]) if key[0] else key[1]


@lru_cache(maxsize=4096)
def _tenant_of_namespace(namespace: str) -> str:
    split = split_namespace(namespace)
    return split[0] if split else namespace


def share_of(workers: int) -> int:
    """How many of the workers one tenant may have: never all, where there are several."""
    return max(1, workers * 3 // 4)


def scope_of(resource: type[Resource]) -> tuple[str, str]:
    """apiVersion and kind of a kind of ours."""
    return API_VERSION, resource.KIND


def _concerns(watch: Watch, item: Object) -> bool:
    """Whether an object is one that the watch asked for (its informer may hold more)."""
    namespace = item["metadata"].get("namespace")
    return watch.namespace in (None, namespace) and matches(watch.labels, _labels(item))


def _is_none(watch: Watch, change: Change) -> bool:
    """Whether a change leaves everything as it was that the watch is for."""
    old, new = change.old, change.new
    if not watch.only or old is None or new is None:
        return False
    return all(_value(old, path) == _value(new, path) for path in watch.only)


def _labels(item: Object) -> dict[str, str]:
    return item["metadata"].get("labels") or {}


def _field(item: Object, path: str) -> str:
    """The text at `spec.promotion` and the like, or nothing."""
    value = _value(item, path)
    return value if isinstance(value, str) else ""


def _value(item: Object, path: str) -> Any:
    """What stands at `spec.taints` and the like, or None."""
    value: Any = item
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _tenant(item: Object) -> list[Key]:
    """The Tenant of an object: by its label, or by its namespace's name (a Namespace's own name)."""
    meta = item["metadata"]
    named = _labels(item).get(TENANT)
    if named:
        return [("", named)]
    split = split_namespace(meta["name"] if item["kind"] == "Namespace" else meta.get("namespace") or "")
    return [("", split[0])] if split else []
