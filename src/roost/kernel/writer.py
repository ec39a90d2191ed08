"""Writer: carries out what a plan wants of Kubernetes' objects. One per reconciliation; `reconciler` calls it.

Applies in order, each as its identity, only where the live object does not stand as wanted; remembers what is owned
(`inventory`), also when a later step fails; prunes what the inventory has and the plan lacks, by uid, as the identity
that applied it. Deletes nothing that is not in the inventory, but for what a crash kept from getting there: objects
that carry our digest and this owner.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from roost.kernel import metrics
from roost.kernel.applied import Owner, annotation, carries, dress, fingerprint
from roost.kernel.events import Recorder
from roost.kernel.lease import Fence
from roost.kernel.reader import CachedReader
from roost.kernel.store import OWNER_UID
from roost.kube.client import Client
from roost.kube.errors import AlreadyExists, Conflict, Invalid, NotFound
from roost.kube.reader import Object
from roost.model.errors import Waiting
from roost.model.plan import DEPLOYER, PLATFORM, Apply

Inventory = list[dict[str, Any]]


@dataclass
class Means:
    """What all share: client, caches, fence, Events; `same` notes what the server changes by itself when we apply."""

    client: Client
    reader: CachedReader
    fence: Fence
    recorder: Recorder
    same: dict[tuple[str, str], str] = field(default_factory=dict)


class Writer:
    """The writes of one reconciliation of one object."""

    def __init__(self, means: Means, capability: str, owner: Owner, request_id: str = "") -> None:
        self._means = means
        self._capability = capability
        self._owner = owner
        self._request_id = request_id
        self.inventory: Inventory = []
        self._log = structlog.get_logger("roost.kernel.writer")

    async def apply(self, items: Iterable[Apply]) -> None:
        """Apply in order. What is owned stands in `inventory` afterwards, also when one of them raised."""
        for item in items:
            live = await self._stand(item)
            if item.owned:
                self._record(live, item.identity)

    async def prune(self, inventory: Iterable[Mapping[str, Any]]) -> Inventory:
        """Delete what `inventory` has and this plan did not apply; what of it still stands afterwards."""
        kept = {entry["uid"] for entry in self.inventory}
        known = [dict(entry) for entry in inventory]
        dropped = [entry for entry in [*self._strays(known), *reversed(known)] if entry["uid"] not in kept]
        standing = []
        for entry in dropped:
            live = await self._live(entry) or await self._served(entry)  # A cache may lag behind the inventory.
            if live is None or live["metadata"]["uid"] != entry["uid"]:
                continue
            if live["metadata"].get("deletionTimestamp") or not await self._delete(entry):
                standing.append(dict(entry))
        return standing

    async def _stand(self, item: Apply) -> Object:
        owner = self._owner if item.owned else None
        dressed = dress(item.manifest, self._capability, owner, self._request_id)
        live = await self._live(dressed)
        if live is not None and item.owned:
            self._ours(live)
        if item.create:
            return live or await self._create(dressed, item)
        if live is not None and self._unchanged(live, dressed):
            metrics.UNCHANGED.labels(self._capability).inc()
            return live
        return await self._patch(dressed, item, live)

    def _unchanged(self, live: Object, dressed: Object) -> bool:
        if carries(live, dressed, self._capability):
            return True
        mark = str(dressed["metadata"]["annotations"][annotation(self._capability)])
        return self._means.same.get((live["metadata"]["uid"], self._capability)) == mark + fingerprint(live)

    async def _patch(self, dressed: Object, item: Apply, live: Object | None) -> Object:
        """Apply. Conflict when meanwhile another object stands there: what is not ours is never overwritten."""
        self._means.fence.check()
        client = self._client(item.identity, dressed)
        sent = dressed
        if live is not None:
            sent = {**dressed, "metadata": {**dressed["metadata"], "uid": live["metadata"]["uid"]}}
        force = live is not None or not item.owned
        try:
            result = await client.apply(sent, f"roost-{self._capability}", force)
        except Invalid as error:
            if any(cause.get("field") == "metadata.uid" for cause in error.causes):
                raise Conflict("Another object of that name stands there by now.", 409, "Conflict") from error
            raise
        self._wrote("apply", result, item.identity)
        key = (result["metadata"]["uid"], self._capability)
        self._means.same.pop(key, None)
        if not carries(result, dressed, self._capability):
            mark = dressed["metadata"]["annotations"][annotation(self._capability)]
            self._means.same[key] = mark + fingerprint(result)
        return result

    async def _create(self, dressed: Object, item: Apply) -> Object:
        self._means.fence.check()
        client = self._client(item.identity, dressed)
        meta = dressed["metadata"]
        try:
            result = await client.create(dressed, f"roost-{self._capability}")
        except AlreadyExists:
            found = await self._means.client.get(
                dressed["apiVersion"], dressed["kind"], meta["name"], meta.get("namespace")
            )
            if found is None:
                raise
            self._means.reader.note(found)
            if item.owned:
                self._ours(found)
            return found
        self._wrote("create", result, item.identity)
        return result

    async def _delete(self, entry: Mapping[str, Any]) -> bool:
        """Whether it is gone already."""
        self._means.fence.check()
        target = _target(entry)
        client = self._client(entry.get("identity") or PLATFORM, target)
        try:
            gone = await client.delete(target, uid=entry["uid"])
        except NotFound:
            return True
        except Conflict:
            standing = await self._served(entry)
            if standing is None or standing["metadata"]["uid"] != entry["uid"]:
                return True  # Another one of its name stands there.
            raise
        self._wrote("delete", target, entry.get("identity") or PLATFORM)
        return gone

    def _ours(self, live: Object) -> None:
        """Waiting when something of that name stands that is not this owner's: it is never taken over."""
        meta = live["metadata"]
        if (meta.get("labels") or {}).get(OWNER_UID) == self._owner.uid:
            return
        name = f"{live['kind']} {meta['name']}"
        if meta.get("deletionTimestamp") or self._left_by_an_earlier_one(meta):
            raise Waiting("NameTaken", f"An older {name} is still being removed.", after_s=2.0)
        message = f"A {name} that belongs to something else stands already: remove it, or take another name."
        raise Waiting("NameTaken", message, after_s=30.0)

    def _left_by_an_earlier_one(self, meta: Mapping[str, Any]) -> bool:
        """Whether an owner of the same kind and name had it, that is no more: the garbage collector is on its way."""
        return any(
            (reference.get("kind"), reference.get("name")) == (self._owner.kind, self._owner.name)
            for reference in meta.get("ownerReferences") or ()
        )

    def _strays(self, known: Inventory) -> Inventory:
        """What a crash between a write and the status kept out of the inventory."""
        uids = {entry["uid"] for entry in known}
        identity = PLATFORM if self._owner.namespace is None else DEPLOYER
        return [
            _entry(item, identity)
            for item in self._means.reader.owned_by(self._owner.uid)
            if item["metadata"]["uid"] not in uids
            and (item["metadata"].get("labels") or {}).get(OWNER_UID) == self._owner.uid
            and annotation(self._capability) in (item["metadata"].get("annotations") or {})
        ]

    def _record(self, live: Object, identity: str) -> None:
        self.inventory.append(_entry(live, identity))

    async def _live(self, entry: Mapping[str, Any]) -> Object | None:
        target = entry if "metadata" in entry else _target(entry)
        meta = target["metadata"]
        return await self._means.reader.get(target["apiVersion"], target["kind"], meta["name"], meta.get("namespace"))

    async def _served(self, entry: Mapping[str, Any]) -> Object | None:
        """As `_live`, past the caches."""
        return await self._means.client.get(entry["apiVersion"], entry["kind"], entry["name"], entry.get("namespace"))

    def _client(self, identity: str, manifest: Mapping[str, Any]) -> Client:
        return self._means.client.act_as(identity, manifest["metadata"].get("namespace"))

    def _wrote(self, verb: str, item: Object, identity: str) -> None:
        meta = item["metadata"]
        metrics.WRITES.labels(self._capability, verb, item["kind"]).inc()
        self._log.info(verb, kind=item["kind"], name=meta["name"], namespace=meta.get("namespace"), identity=identity)
        if "uid" in meta:
            self._means.reader.note(item)


def _entry(item: Object, identity: str) -> dict[str, Any]:
    """An object in the inventory, as `roost.model.resource.InventoryItem` has it on the wire."""
    meta = item["metadata"]
    entry = {"apiVersion": item["apiVersion"], "kind": item["kind"], "name": meta["name"], "uid": meta["uid"]}
    if meta.get("namespace"):
        entry["namespace"] = meta["namespace"]
    entry["identity"] = identity
    return entry


def _target(entry: Mapping[str, Any]) -> Object:
    """What names an entry of the inventory to a client."""
    meta = {"name": entry["name"]}
    if entry.get("namespace"):
        meta["namespace"] = entry["namespace"]
    return {"apiVersion": entry["apiVersion"], "kind": entry["kind"], "metadata": meta}
