"""Store: the objects of one informer, by name, namespace, uid and owner.

The informer fills it; so do writers with what the server answered (`put`), so that a reconciler sees its own writes.
An older version never replaces a newer one: versions of one resource can be compared since Kubernetes 1.35.

Objects are kept packed (`packing`) and are unpacked when asked for; those that were asked for last stay at hand. What
no reconciler reads (managedFields, kubectl's last-applied-configuration, the record of operations) is dropped on the
way in.
"""

import sys
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Set
from dataclasses import dataclass

from roost.kernel.packing import Packer
from roost.kernel.selector import matches, parse
from roost.kube.reader import Object
from roost.model.names import OPERATIONS

Key = tuple[str, str]  # (namespace or "", name)
OWNER_UID = "roost.dev/owner-uid"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
TOMBSTONES = 2000
AT_HAND = 64  # Unpacked objects that stay: a namespace is read by every application in it.
_HEAD = 8  # Bytes before the packed object: its version.


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
    """What happened to one object: `old` None: it came, `new` None: it went."""

    old: Object | None
    new: Object | None


class _Index:
    """Values to the places that have them. Most have one place, which then needs no set of its own."""

    def __init__(self) -> None:
        self._found: dict[str, Key | set[Key]] = {}

    def get(self, value: str) -> Collection[Key]:
        """The places."""
        found = self._found.get(value)
        if found is None:
            return ()
        return found if isinstance(found, set) else (found,)

    def link(self, values: Iterable[str], key: Key) -> None:
        """Note that `key` has these values."""
        for value in values:
            found = self._found.get(value)
            if found is None:
                self._found[value] = key
            elif isinstance(found, set):
                found.add(key)
            elif found != key:
                self._found[value] = {found, key}

    def unlink(self, values: Iterable[str], key: Key) -> None:
        """Forget that."""
        for value in values:
            found = self._found.get(value)
            if isinstance(found, set):
                found.discard(key)
            if found == key or not found:
                self._found.pop(value, None)

    def clear(self) -> None:
        """Forget everything."""
        self._found.clear()


class Store:
    """Objects of one kind. What it gives is shared: never change it in place."""

    def __init__(self) -> None:
        self._packer = Packer()
        self._items: dict[Key, bytes] = {}
        self._at_hand: OrderedDict[Key, Object] = OrderedDict()
        self._namespaces = _Index()
        self._owners = _Index()
        self._uids: _Index | None = None  # Made when first asked for: children are never found by theirs.
        self._labels: dict[str, _Index] = {}  # By label, only for labels that were asked for.
        self._gone: OrderedDict[Key, int] = OrderedDict()
        self.newest = 0  # The highest version that was put or removed.

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: Key) -> Object | None:
        """The object, or None."""
        found = self._at_hand.get(key)
        if found is not None:
            self._at_hand.move_to_end(key)
            return found
        packed = self._items.get(key)
        return None if packed is None else self._keep_at_hand(key, self._packer.unpack(packed[_HEAD:]))

    def place_of(self, uid: str) -> Key | None:
        """Where the object of that uid stands, or None."""
        if self._uids is None:
            self._uids = _Index()
            for key in self._items:
                self._uids.link([self._read(key)["metadata"]["uid"]], key)
        return next(iter(self._uids.get(uid)), None)

    def keys(self) -> tuple[Key, ...]:
        """Where all objects stand."""
        return tuple(self._items)

    def list(self, namespace: str | None = None, labels: str = "") -> list[Object]:
        """Objects of a namespace (None: of all) that match a selector, sorted by namespace and name."""
        found = (self._read(key) for key in sorted(self._candidates(namespace, labels)))
        return [item for item in found if not labels or matches(labels, item["metadata"].get("labels") or {})]

    def owned_by(self, uid: str) -> Iterator[Object]:
        """The objects with that owner."""
        for key in sorted(self._owners.get(uid)):
            yield self._read(key)

    def put(self, item: Object) -> Change | None:
        """Keep an object; None when the store knows this version, or a later one, already."""
        _slim(item)
        key, version = key_of(item), version_of(item)
        packed = self._items.get(key)
        if packed is not None and version and version <= _version(packed):
            return None
        if version and version <= self._gone.get(key, 0):
            return None
        old = None if packed is None else self._read(key)
        if old is not None:
            self._unlink(key, old)
        else:
            key = (sys.intern(key[0]), key[1])  # Thousands of objects share the text of their namespace.
        self.newest = max(self.newest, version)
        self._items[key] = version.to_bytes(_HEAD) + self._packer.pack(item)
        for index, values in self._indexes(key, item):
            index.link(values, key)
        if old is not None:  # A change: whoever hears of it will ask for it. A first list would only pass through.
            self._at_hand.pop(key, None)
            self._keep_at_hand(key, item)
        return Change(old, item)

    def remove(self, key: Key, version: int) -> Change | None:
        """Forget an object that was deleted at `version`; None when a later one stands there."""
        packed = self._items.get(key)
        if packed is None or (version and version < _version(packed)):
            return None
        old = self._read(key)
        self._unlink(key, old)
        del self._items[key]
        self._at_hand.pop(key, None)
        self._gone[key] = max(version, version_of(old))
        self.newest = max(self.newest, version)
        while len(self._gone) > TOMBSTONES:
            self._gone.popitem(last=False)
        return Change(old, None)

    def retain(self, standing: Set[Key], version: int) -> tuple[Change, ...]:
        """A list made at `version` was put; what it lacks is gone unless it was put later."""
        changes = [
            self.remove(key, version)
            for key in sorted(self._items.keys() - standing)
            if not version or _version(self._items[key]) <= version
        ]
        return tuple(change for change in changes if change is not None)

    def reset(self) -> tuple[Change, ...]:
        """Forget everything: the server's history is another than the one that was followed."""
        changes = tuple(Change(self._read(key), None) for key in self._items)
        for index in (self._namespaces, self._owners, *self._labels.values()):
            index.clear()
        for kept in (self._items, self._at_hand, self._gone):
            kept.clear()
        self._uids, self._labels, self.newest = None, {}, 0
        return changes

    def _read(self, key: Key) -> Object:
        """An object that stands; it does not come to hand by that."""
        found = self._at_hand.get(key)
        return self._packer.unpack(self._items[key][_HEAD:]) if found is None else found

    def _keep_at_hand(self, key: Key, item: Object) -> Object:
        self._at_hand[key] = item
        if len(self._at_hand) > AT_HAND:
            self._at_hand.popitem(last=False)
        return item

    def _candidates(self, namespace: str | None, labels: str) -> Iterable[Key]:
        """Where objects may stand that match: by a label with one value, or by namespace, whichever is fewer."""
        places: Collection[Key] = self._items.keys() if namespace is None else self._namespaces.get(namespace)
        for requirement in parse(labels):
            if requirement.operator == "in" and len(requirement.values) == 1:
                labelled = self._label_index(requirement.key).get(next(iter(requirement.values)))
                if len(labelled) < len(places):
                    places = labelled
        return places if namespace is None else [key for key in places if key[0] == namespace]

    def _label_index(self, label: str) -> _Index:
        index = self._labels.get(label)
        if index is None:
            index = self._labels[label] = _Index()
            for key in self._items:
                index.link(_label(self._read(key), label), key)
        return index

    def _indexes(self, key: Key, item: Object) -> Iterator[tuple[_Index, Iterable[str]]]:
        yield self._namespaces, [key[0]]
        yield self._owners, owners_of(item)
        if self._uids is not None:
            yield self._uids, [item["metadata"]["uid"]]
        for label, index in self._labels.items():
            yield index, _label(item, label)

    def _unlink(self, key: Key, old: Object) -> None:
        for index, values in self._indexes(key, old):
            index.unlink(values, key)


def _slim(item: Object) -> None:
    """Drop what is large and read by nobody."""
    meta = item["metadata"]
    meta.pop("managedFields", None)
    annotations = meta.get("annotations")
    if annotations and (LAST_APPLIED in annotations or OPERATIONS in annotations):
        unread = (LAST_APPLIED, OPERATIONS)
        meta["annotations"] = {name: value for name, value in annotations.items() if name not in unread}


def _version(packed: bytes) -> int:
    return int.from_bytes(packed[:_HEAD])


def _label(item: Object, label: str) -> list[str]:
    """The value of a label, or nothing."""
    labels = item["metadata"].get("labels") or {}
    return [labels[label]] if label in labels else []
