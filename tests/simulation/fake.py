"""A kube-apiserver in memory: what the kernel asks of one, with the same answers. `test_contract` holds it to that.

It has ConfigMaps, Events, Leases, Namespaces, Apps and what an App becomes, optimistic locking, field managers,
generations, the status subresource, finalizers, lists in pages and a history for watches. It has no users, no admission
and no schemas.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from roost.kernel.selector import matches
from roost.kube.client import APPLY, JSON_PATCH
from roost.kube.errors import KubeError, from_status
from roost.kube.transport import Request
from roost.model.conditions import timestamp
from roost.model.names import API_VERSION
from tests.simulation.fields import Owners, merge_patch

Object = dict[str, Any]
_GIVEN = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")


class Kind(NamedTuple):
    """A kind that is served. `spec`: it counts generations and has its status apart."""

    api_version: str
    name: str
    plural: str
    namespaced: bool = True
    spec: bool = False


KINDS = (
    Kind("v1", "ConfigMap", "configmaps"),
    Kind("v1", "Event", "events"),
    Kind("v1", "Namespace", "namespaces", namespaced=False),
    Kind("coordination.k8s.io/v1", "Lease", "leases"),
    Kind(API_VERSION, "App", "apps", spec=True),
    Kind(API_VERSION, "Release", "releases", spec=True),
    Kind(API_VERSION, "Domain", "domains", namespaced=False, spec=True),
    Kind("v1", "Secret", "secrets"),
    Kind("v1", "Service", "services"),
    Kind("v1", "Pod", "pods"),
    Kind("apps/v1", "Deployment", "deployments", spec=True),
    Kind("batch/v1", "Job", "jobs", spec=True),
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", spec=True),
    Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", spec=True),
    Kind(API_VERSION, "Tenant", "tenants", namespaced=False, spec=True),
    Kind(API_VERSION, "Project", "projects", spec=True),
    Kind(API_VERSION, "Run", "runs", spec=True),
    Kind(API_VERSION, "Import", "imports", spec=True),
    Kind("v1", "Node", "nodes", namespaced=False),
)


class Place(NamedTuple):
    """What a path names: a kind, and in it a namespace, an object, a subresource, where it names them."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    sub: str = ""


@dataclass(frozen=True)
class Entry:
    """One change in the history."""

    version: int
    kind: Kind
    old: Object | None
    new: Object | None


class Write(NamedTuple):
    """One write that changed something."""

    agent: str
    verb: str
    kind: str
    namespace: str
    name: str


def refuse(code: int, reason: str, message: str, field: str = "") -> KubeError:
    """The error of a status; `field` is what is wrong."""
    details = {"causes": [{"field": field, "message": message}]} if field else {}
    return from_status(code, {"reason": reason, "message": message, "code": code, "details": details})


class Server:
    """The state of a cluster. Every request is one step: nothing happens within."""

    def __init__(self, chance: random.Random, now: Callable[[], datetime]) -> None:
        self._chance = chance
        self._now = now
        self._objects: dict[tuple[Kind, str, str], Object] = {}
        self._owners: dict[str, Owners] = {}
        self._pages: dict[str, tuple[list[Object], int]] = {}
        self.version = 100
        self.oldest = 100
        self.history: list[Entry] = []
        self.writes: list[Write] = []
        self.ring: Callable[[], None] = lambda: None
        for name in ("default", "one", "elsewhere"):
            self._commit(Place(KINDS[2], "", name), None, self._fresh({"metadata": {"name": name}}, KINDS[2]))

    def standing(self, kind: str) -> list[Object]:
        """All objects of a kind, as they are, for whoever judges: read them, and no more."""
        return [
            item for (of, _, _), item in sorted(self._objects.items(), key=lambda entry: entry[0]) if of.name == kind
        ]

    def forget_history(self) -> None:
        """What etcd's compaction does: earlier versions can be neither watched nor paged on."""
        self.oldest = self.version
        self.history = []
        self._pages = {}

    def handle(self, request: Request, agent: str = "", behind: int = 0) -> bytes:
        """Answer what is no watch; a list is `behind` by that many changes. KubeError for what is refused."""
        parts = request.path.split("/")
        version, rest = (parts[1], parts[2:]) if parts[0] == "api" else (f"{parts[1]}/{parts[2]}", parts[3:])
        if not rest:
            return msgspec.json.encode(self._discover(version))
        place = _place(version, rest)
        body = msgspec.json.decode(msgspec.json.encode(request.body)) if request.body is not None else None
        if request.method == "GET":
            return msgspec.json.encode(self._get(place) if place.name else self._list(place, request.params, behind))
        before = self.version
        answer = self._write(place, request, body)
        if self.version != before:
            name = place.name or answer["metadata"]["name"]
            self.writes.append(Write(agent, request.method, place.kind.name, place.namespace, name))
        return msgspec.json.encode(answer)

    def events(self, path: str, since: int, labels: str) -> Iterator[tuple[int, Object]]:
        """(version, event) of what happened after a version, as a watch with that selector tells it."""
        parts = path.split("/")
        version, rest = (parts[1], parts[2:]) if parts[0] == "api" else (f"{parts[1]}/{parts[2]}", parts[3:])
        place = _place(version, rest)
        for entry in self.history[since - self.oldest :]:  # Versions have no gaps.
            if entry.kind == place.kind:
                told = _event(entry, place.namespace, labels)
                if told is not None:
                    yield entry.version, told

    def _write(self, place: Place, request: Request, body: Any) -> Object:
        manager, dry = request.params.get("fieldManager", ""), "dryRun" in request.params
        if request.method == "POST":
            name = body["metadata"]["name"]
            return self._create(place._replace(name=name), body, (manager, "Update"), dry)
        if request.method == "DELETE":
            return self._delete(place, body or {})
        kind = request.headers.get("Content-Type", "")
        if request.method == "PATCH" and kind == APPLY:
            return self._apply(place, body, manager, request.params.get("force") == "true", dry)
        live = self._get(place)
        if request.method == "PUT":
            new = body
        elif kind == JSON_PATCH:
            raise refuse(415, "UnsupportedMediaType", "This fake knows no JSON patch.")
        else:
            new = merge_patch(live, body)
            # A merge patch names a version only to be refused; what it does not name is not checked.
            new["metadata"]["resourceVersion"] = (body.get("metadata") or {}).get("resourceVersion", "")
        self._check(live, new, place)
        return self._change(place, live, self._settle(place, live, new), (manager, "Update"), dry)

    # The verbs

    def _discover(self, version: str) -> Object:
        kinds = [kind for kind in KINDS if kind.api_version == version]
        if not kinds:
            raise refuse(404, "NotFound", "the server could not find the requested resource")
        return {"resources": [{"name": k.plural, "kind": k.name, "namespaced": k.namespaced} for k in kinds]}

    def _get(self, place: Place) -> Object:
        found = self._objects.get(place[:3])
        if found is None:
            raise refuse(404, "NotFound", f'{place.kind.plural} "{place.name}" not found')
        return deepcopy(found)

    def _list(self, place: Place, params: Mapping[str, str], behind: int = 0) -> Object:
        if "fieldSelector" in params:
            raise refuse(400, "BadRequest", "This fake knows no field selectors.")
        if "continue" in params:
            if params["continue"] not in self._pages:
                raise refuse(410, "Expired", "The provided continue parameter is too old.")
            items, version = self._pages.pop(params["continue"])
        else:
            wanted, version = params.get("labelSelector", ""), max(self.oldest, self.version - behind)
            items = [
                item
                for (kind, namespace, _), item in sorted(self._as_of(version).items(), key=lambda entry: entry[0])
                if kind == place.kind
                and place.namespace in ("", namespace)
                and matches(wanted, item["metadata"].get("labels") or {})
            ]
        limit = int(params.get("limit", "0")) or len(items)
        meta = {"resourceVersion": str(version)}
        if len(items) > limit:
            meta["continue"] = f"{version}-{len(self._pages)}-{self._chance.getrandbits(32)}"
            self._pages[meta["continue"]] = items[limit:], version
        return {"metadata": meta, "items": [deepcopy(item) for item in items[:limit]]}

    def _as_of(self, version: int) -> dict[tuple[Kind, str, str], Object]:
        """The objects as they stood at a version that the history reaches."""
        if version == self.version:
            return self._objects
        objects = dict(self._objects)
        for entry in reversed(self.history[version - self.oldest :]):
            meta = (entry.new or entry.old or {})["metadata"]
            place = (entry.kind, meta.get("namespace", ""), meta["name"])
            objects.pop(place, None)
            if entry.old is not None:
                objects[place] = entry.old
        return objects

    def _create(self, place: Place, body: Object, owner: tuple[str, str], dry: bool) -> Object:
        if place.kind.namespaced and (KINDS[2], "", place.namespace) not in self._objects:
            raise refuse(404, "NotFound", f'namespaces "{place.namespace}" not found')
        if place[:3] in self._objects:
            raise refuse(409, "AlreadyExists", f'{place.kind.plural} "{place.name}" already exists')
        made = self._fresh(body, place.kind)
        if place.kind.namespaced:
            made["metadata"]["namespace"] = place.namespace
        return self._change(place, None, made, owner, dry)

    def _apply(self, place: Place, body: Object, manager: str, force: bool, dry: bool) -> Object:
        if place.kind.spec:
            body = {key: value for key, value in body.items() if key != "status"}
        owner = (manager, "Apply")
        live, uid = self._objects.get(place[:3]), body["metadata"].pop("uid", "")
        if uid and live is None:
            raise refuse(409, "Conflict", "uid mismatch: no existing object was found")
        if live is not None and uid not in ("", live["metadata"]["uid"]):
            raise refuse(422, "Invalid", "metadata.uid: field is immutable", "metadata.uid")
        if live is None:
            return self._create(place, body, owner, dry)
        new, owners = deepcopy(live), deepcopy(self._owners[live["metadata"]["uid"]])
        conflicts = owners.apply(owner, new, body)
        if conflicts and not force:
            raise refuse(409, "Conflict", f"Apply failed with {len(conflicts)} conflicts: {conflicts[:3]}")
        self._check(live, {**new, "metadata": {**new["metadata"], "resourceVersion": ""}}, place)
        done = self._change(place, live, self._settle(place, live, new), None, dry)
        if not dry:
            self._owners[live["metadata"]["uid"]] = owners
        return done

    def _delete(self, place: Place, options: Object) -> Object:
        live = self._get(place)
        uid = (options.get("preconditions") or {}).get("uid")
        if uid and uid != live["metadata"]["uid"]:
            raise refuse(409, "Conflict", "Precondition failed: UID in precondition is another")
        if live["metadata"].get("finalizers"):
            new = deepcopy(live)
            if "deletionTimestamp" not in new["metadata"]:
                new["metadata"] |= {"deletionTimestamp": timestamp(self._now()), "deletionGracePeriodSeconds": 0}
                if place.kind.spec:
                    new["metadata"]["generation"] += 1
            self._commit(place, live, new)
            return new
        self._commit(place, live, None)
        return {"kind": "Status", "status": "Success", "metadata": {"name": place.name}}

    # What they share

    def _fresh(self, body: Object, kind: Kind) -> Object:
        made = {**deepcopy(body), "apiVersion": kind.api_version, "kind": kind.name}
        if kind.spec:
            made.pop("status", None)
        bits = f"{self._chance.getrandbits(128):032x}"
        uid = "-".join((bits[:8], bits[8:12], bits[12:16], bits[16:20], bits[20:]))
        made["metadata"] |= {"uid": uid, "creationTimestamp": timestamp(self._now())}
        if kind.spec:
            made["metadata"]["generation"] = 1
        return made

    def _check(self, live: Object, new: Object, place: Place) -> None:
        meta, before = new["metadata"], live["metadata"]
        if meta.get("resourceVersion") and meta["resourceVersion"] != before["resourceVersion"]:
            raise refuse(409, "Conflict", f'Operation cannot be fulfilled on "{place.name}": it has been modified')
        if meta.get("uid") and meta["uid"] != before["uid"]:
            raise refuse(422, "Invalid", "metadata.uid: field is immutable", "metadata.uid")
        added = set(meta.get("finalizers") or ()) - set(before.get("finalizers") or ())
        if "deletionTimestamp" in before and added and place.sub != "status":
            raise refuse(422, "Invalid", "no new finalizers can be added if the object is being deleted")

    def _settle(self, place: Place, live: Object, new: Object) -> Object:
        """What of a new content this path may change, and what the server itself says."""
        if place.sub == "status":
            new = {**live, **({"status": new["status"]} if "status" in new else {})}
        elif place.kind.spec:
            new = {key: value for key, value in new.items() if key != "status"}
            new |= {"status": live["status"]} if "status" in live else {}
        new = deepcopy({**new, "apiVersion": live["apiVersion"], "kind": live["kind"]})
        meta = {key: value for key, value in new["metadata"].items() if key not in _GIVEN}
        meta |= {key: live["metadata"][key] for key in _GIVEN if key in live["metadata"]}
        if place.kind.spec and _content(new) != _content(live):
            meta["generation"] += 1
        new["metadata"] = {**meta, "resourceVersion": live["metadata"]["resourceVersion"]}
        return new

    def _change(
        self, place: Place, live: Object | None, new: Object, owner: tuple[str, str] | None, dry: bool
    ) -> Object:
        if live is not None and _plain(live) == _plain(new):
            return live
        if dry:
            return new
        if owner is not None:
            owners = self._owners.setdefault(new["metadata"]["uid"], Owners())
            owners.update(owner, live or {}, new)
        finished = "deletionTimestamp" in new["metadata"] and not new["metadata"].get("finalizers")
        self._commit(place, live, None if finished else new)
        return new

    def _commit(self, place: Place, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and _plain(old) == _plain(new):
            return
        self.version += 1
        if new is not None:
            new["metadata"]["resourceVersion"] = str(self.version)
            self._objects[place[:3]] = deepcopy(new)
        else:
            del self._objects[place[:3]]
        self.history.append(Entry(self.version, place.kind, deepcopy(old), deepcopy(new)))
        self.ring()


def _place(version: str, rest: list[str]) -> Place:
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    kind = next((k for k in KINDS if (k.api_version, k.plural) == (version, rest[0])), None)
    if kind is None:
        raise refuse(404, "NotFound", "the server could not find the requested resource")
    return Place(kind, namespace, *rest[1:])


def _content(item: Object) -> Object:
    return {key: value for key, value in item.items() if key not in ("metadata", "status")}


def _plain(item: Object) -> Object:
    """Without what says nothing: a version, and fields that are empty."""
    meta = {key: value for key, value in item["metadata"].items() if key != "resourceVersion" and value not in ({}, [])}
    return {**item, "metadata": meta}


def _event(entry: Entry, namespace: str, labels: str) -> Object | None:
    def selected(item: Object | None) -> bool:
        if item is None or namespace not in ("", item["metadata"].get("namespace", "")):
            return False
        return matches(labels, item["metadata"].get("labels") or {})

    before, now = selected(entry.old), selected(entry.new)
    if now:
        return {"type": "MODIFIED" if before else "ADDED", "object": entry.new}
    if not before or entry.old is None:
        return None
    last = entry.new or entry.old
    meta = {**last["metadata"], "resourceVersion": str(entry.version)}
    return {"type": "DELETED", "object": {**entry.old, "metadata": meta}}
