"""Kubernetes Events: told when Ready of an object changes, so that `kubectl describe` shows its history.

Bounded, as upstream's recorder is: what happens again within ten minutes raises the count of the Event that stands; an
object has 25 writes in hand and gets one more every five minutes, a tenant 200 and one a second. What goes beyond is
counted, not told: the condition says it anyhow. That an Event cannot be written never stops the work.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from roost.kernel import metrics
from roost.kube.client import Client
from roost.kube.errors import AlreadyExists, KubeError, NotFound
from roost.kube.reader import Object
from roost.model.conditions import Condition, timestamp
from roost.model.names import short_digest

LONGEST_MESSAGE = 1000
SAME_WITHIN = timedelta(minutes=10)
REMEMBERED = 4096  # Events, and buckets; the oldest are forgotten.


@dataclass(frozen=True)
class Rate:
    """So many at once, and then one more every `every_s` seconds."""

    burst: int
    every_s: float


OF_OBJECT = Rate(25, 300.0)
OF_GROUP = Rate(200, 1.0)


class Buckets:
    """Token buckets by key; the ones that were used last are remembered."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._left: OrderedDict[Hashable, tuple[float, datetime]] = OrderedDict()

    def left(self, key: Hashable, now: datetime) -> float:
        """How many may be taken now."""
        found = self._left.get(key)
        if found is None:
            return float(self._rate.burst)
        return min(float(self._rate.burst), found[0] + (now - found[1]).total_seconds() / self._rate.every_s)

    def take(self, key: Hashable, now: datetime) -> None:
        """Take one."""
        self._left[key] = (self.left(key, now) - 1.0, now)
        self._left.move_to_end(key)
        if len(self._left) > REMEMBERED:
            self._left.popitem(last=False)


@dataclass(frozen=True)
class _Told:
    """An Event that stands."""

    target: Object
    count: int
    since: datetime


class Recorder:
    """Writes Events of one process. `group` says whose object it is: the tenant."""

    def __init__(self, client: Client, group: Callable[[Object], Hashable]) -> None:
        self._client = client
        self._group = group
        self._objects = Buckets(OF_OBJECT)
        self._groups = Buckets(OF_GROUP)
        self._told: OrderedDict[Hashable, _Told] = OrderedDict()

    async def tell(self, item: Object, condition: Condition, capability: str, now: datetime) -> None:
        """Tell that a condition became what it is; a failure is logged and nothing else."""
        uid, group = item["metadata"]["uid"], self._group(item)
        if self._objects.left(uid, now) < 1 or self._groups.left(group, now) < 1:
            metrics.EVENTS_DROPPED.labels(capability).inc()
            return
        self._objects.take(uid, now)
        self._groups.take(group, now)
        key = (uid, capability, condition.type, condition.status, condition.reason)
        try:
            before = self._told.get(key)
            if before is None or now - before.since > SAME_WITHIN or not await self._again(key, before, condition, now):
                told = event(item, condition, capability, now)
                self._remember(key, _Told(told, 1, now))
                await self._client.create(told, "roost-events")
        except AlreadyExists:
            return
        except KubeError as error:
            structlog.get_logger("roost.kernel.events").warning("An Event could not be written.", error=str(error))

    async def _again(self, key: Hashable, before: _Told, condition: Condition, now: datetime) -> bool:
        """Whether the Event still stands, and says now that it happened once more."""
        changes = {"count": before.count + 1, "lastTimestamp": timestamp(now), "message": _message(condition)}
        try:
            await self._client.patch(before.target, changes, "roost-events")
        except NotFound:
            return False
        self._remember(key, _Told(before.target, before.count + 1, before.since))
        return True

    def _remember(self, key: Hashable, told: _Told) -> None:
        named = {name: told.target["metadata"][name] for name in ("name", "namespace")}
        self._told[key] = _Told({"apiVersion": "v1", "kind": "Event", "metadata": named}, told.count, told.since)
        self._told.move_to_end(key)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)


def event(item: Object, condition: Condition, capability: str, now: datetime) -> dict[str, Any]:
    """The Event that says that an object's condition became what it is. Told twice by two processes, it stands once."""
    meta = item["metadata"]
    namespace = meta.get("namespace") or "default"
    what = (condition.type, condition.status, condition.reason, condition.message)
    digest = short_digest(meta["uid"], str(meta.get("generation")), meta["resourceVersion"], *what, length=16)
    moment = timestamp(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{meta['name'][:100]}.{digest}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": item["apiVersion"],
            "kind": item["kind"],
            "name": meta["name"],
            "uid": meta["uid"],
            **({"namespace": meta["namespace"]} if meta.get("namespace") else {}),
        },
        "type": "Warning" if condition.status == "False" else "Normal",
        "reason": condition.reason or condition.type,
        "message": _message(condition),
        "source": {"component": f"roost-{capability}"},
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }


def _message(condition: Condition) -> str:
    return (condition.message or f"{condition.type} is {condition.status}.")[:LONGEST_MESSAGE]
