"""Store: the objects of one informer, by name, namespace, uid and owner.

The informer fills it; so do writers with what the server answered (`put`), so that a reconciler sees its own writes.
An older version never replaces a newer one: versions of one resource can be compared since Kubernetes 1.35.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from roost.kernel.selector import matches, parse
from roost.kube.reader import Object

Key = tuple[str, str]  # (namespace or "", name)
OWNER_UID = "roost.dev/owner-uid"
TOMBSTONES = 2000


def key_of(item: Object) -> Key:
    """Where an object stands."""
    meta = item["metadata"]
    return meta.get("namespace") or "", meta["name"]


def version_of(item: Object) -> int:
    """Its version as a number; 0 where there is none."""
    text = item["metadata"].get("resourceVersion") or ""
    return int(text) if text.isdigit() else 0


def owners_of(item: Object) -> set[str]:
    """The uids of its owners: by owner reference, and by the label that the kernel sets."""
    meta = item["metadata"]
    uids = {reference["uid"] for reference in meta.get("ownerReferences") or ()}
    label = (meta.get("labels") or {}).get(OWNER_UID)
    return uids | {label} if label else uids


@dataclass(frozen=True)
class Change:
    """What became of one object; `old` or `new` is None when it came or went."""

    old: Object | None
    new: Object | None


class Store:
    """Objects of one kind."""

    def __init__(self) -> None:
        self._items: dict[Key, Object] = {}
        self._namespaces: dict[str, set[Key]] = {}
        self._owners: dict[str, set[Key]] = {}
        self._uids: dict[str, Key] = {}
        self._labels: dict[str, dict[str, set[Key]]] = {}  # By label and value; for labels that were asked for.
        self._gone: OrderedDict[Key, int] = OrderedDict()
        self.newest = 0  # The highest version that was put or removed.

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: Key) -> Object | None:
        """The object, or None."""
        return self._items.get(key)

    def by_uid(self, uid: str) -> Object | None:
        """The object of that uid, or None."""
        key = self._uids.get(uid)
        return None if key is None else self._items[key]

    def keys(self) -> tuple[Key, ...]:
        """Where all objects stand."""
        return tuple(self._items)

    def list(self, namespace: str | None = None, labels: str = "") -> list[Object]:
        """Objects of a namespace (None: of all) that match a selector, sorted by namespace and name."""
        keys = self._candidates(labels)
        if keys is None:
            keys = self._items.keys() if namespace is None else self._namespaces.get(namespace, set())
        elif namespace is not None:
            keys = {key for key in keys if key[0] == namespace}
        found = (self._items[key] for key in sorted(keys))
        return [item for item in found if not labels or matches(labels, item["metadata"].get("labels") or {})]

    def owned_by(self, uid: str) -> Iterator[Object]:
        """The objects with that owner."""
        for key in sorted(self._owners.get(uid, ())):
            yield self._items[key]

    def put(self, item: Object) -> Change | None:
        """Keep an object; None when the store knows this version, or a later one, already."""
        item["metadata"].pop("managedFields", None)
        key, version = key_of(item), version_of(item)
        old = self._items.get(key)
        if old is not None and version and version <= version_of(old):
            return None
        if version and version <= self._gone.get(key, 0):
            return None
        if old is not None:
            self._unlink(key, old)
        self.newest = max(self.newest, version)
        self._items[key] = item
        self._uids[item["metadata"]["uid"]] = key
        for index, values in self._indexes(key, item):
            self._link(index, values, key)
        return Change(old, item)

    def remove(self, key: Key, version: int) -> Change | None:
        """Forget an object that was deleted at `version`; None when a later one stands there."""
        old = self._items.get(key)
        if old is None or (version and version < version_of(old)):
            return None
        self._unlink(key, old)
        del self._items[key]
        self._gone[key] = max(version, version_of(old))
        self.newest = max(self.newest, version)
        while len(self._gone) > TOMBSTONES:
            self._gone.popitem(last=False)
        return Change(old, None)

    def replace(self, items: Iterable[Object], version: int) -> tuple[Change, ...]:
        """Take over a list made at `version`; what it lacks is gone unless it was put later."""
        changes = []
        standing = set()
        for item in items:
            standing.add(key_of(item))
            changes.append(self.put(item))
        for key in self._items.keys() - standing:
            if not version or version_of(self._items[key]) <= version:
                changes.append(self.remove(key, version))
        return tuple(change for change in changes if change is not None)

    def reset(self) -> tuple[Change, ...]:
        """Forget everything: the server's history is another than the one that was followed."""
        changes = tuple(Change(item, None) for item in self._items.values())
        for index in (self._items, self._namespaces, self._owners, self._uids, self._labels, self._gone):
            index.clear()
        self.newest = 0
        return changes

    def _candidates(self, labels: str) -> Set[Key] | None:
        """Where objects may stand that match a selector with `label=value`; None when nothing narrows it down."""
        for requirement in parse(labels):
            if requirement.operator == "in" and len(requirement.values) == 1:
                if requirement.key not in self._labels:
                    self._labels[requirement.key] = {}
                    for key, item in self._items.items():
                        self._link(self._labels[requirement.key], _label(item, requirement.key), key)
                return self._labels[requirement.key].get(next(iter(requirement.values)), set())
        return None

    def _indexes(self, key: Key, item: Object) -> Iterator[tuple[dict[str, set[Key]], Iterable[str]]]:
        yield self._namespaces, [key[0]]
        yield self._owners, owners_of(item)
        for label, index in self._labels.items():
            yield index, _label(item, label)

    @staticmethod
    def _link(index: dict[str, set[Key]], values: Iterable[str], key: Key) -> None:
        for value in values:
            index.setdefault(value, set()).add(key)

    def _unlink(self, key: Key, old: Object) -> None:
        for index, values in self._indexes(key, old):
            for value in values:
                index[value].discard(key)
                if not index[value]:
                    del index[value]
        self._uids.pop(old["metadata"]["uid"], None)


def _label(item: Object, label: str) -> list[str]:
    """The value of a label, or nothing."""
    labels = item["metadata"].get("labels") or {}
    return [labels[label]] if label in labels else []
