"""What is applied, and whether it stands already. Pure; `writer` calls it.

Every applied manifest carries the digest of itself (annotation `roost.dev/applied-<capability>`) and, when it is owned,
its owner's uid (label) and an owner reference where Kubernetes allows one (same namespace, or a cluster-scoped owner).
A live object needs no write when the digest is the same and every field of the manifest stands in it: the digest finds
what we dropped, the comparison finds what others changed. Both need nothing but the live object, so that a restarted
controller writes nothing.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from roost.kernel.store import OWNER_UID
from roost.kube.reader import Object
from roost.model.names import GROUP, REQUEST_ID
from roost.model.quantity import amount

_IDENTITY_FIELDS = ("apiVersion", "kind", "status")


@dataclass(frozen=True)
class Owner:
    """The reconciled object as the owner of what it applies."""

    api_version: str
    kind: str
    name: str
    namespace: str | None
    uid: str

    @classmethod
    def of(cls, item: Object) -> "Owner":
        """The object as an owner."""
        meta = item["metadata"]
        return cls(item["apiVersion"], item["kind"], meta["name"], meta.get("namespace"), meta["uid"])

    def may_be_referenced_by(self, namespace: str | None) -> bool:
        """Whether an object of that namespace (None: cluster-scoped) may have it as its owner reference."""
        return self.namespace is None or self.namespace == namespace

    def reference(self) -> dict[str, Any]:
        """The owner reference."""
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
        }


def annotation(capability: str) -> str:
    """Where a capability notes the digest of what it applied."""
    return f"{GROUP}/applied-{capability}"


def dress(manifest: Mapping[str, Any], capability: str, owner: Owner | None, request_id: str = "") -> Object:
    """The manifest as it is sent: with digest, owner and, on kinds of ours, the id of the request that led here."""
    meta = dict(manifest["metadata"])
    labels = dict(meta.get("labels") or {})
    annotations = dict(meta.get("annotations") or {})
    if owner is not None:
        labels[OWNER_UID] = owner.uid
        if owner.may_be_referenced_by(meta.get("namespace")):
            meta["ownerReferences"] = [owner.reference()]
    if labels:
        meta["labels"] = labels
    dressed = {**_plain(manifest), "metadata": _plain({**meta, "annotations": annotations})}
    annotations = dressed["metadata"]["annotations"]
    annotations[annotation(capability)] = digest(dressed)
    if request_id and str(manifest["apiVersion"]).startswith(GROUP + "/"):
        annotations.setdefault(REQUEST_ID, request_id)
    return dressed


def digest(manifest: Mapping[str, Any]) -> str:
    """16 hex digits over the content of a manifest; the request id does not count."""
    meta = dict(manifest["metadata"])
    meta["annotations"] = {key: value for key, value in (meta.get("annotations") or {}).items() if key != REQUEST_ID}
    return _digest({**manifest, "metadata": meta})


def carries(live: Object, dressed: Object, capability: str) -> bool:
    """Whether the live object stands as the dressed manifest says, so that applying it would change nothing."""
    name = annotation(capability)
    noted = (live["metadata"].get("annotations") or {}).get(name)
    if noted != dressed["metadata"]["annotations"][name]:
        return False
    wanted = {key: value for key, value in dressed.items() if key not in _IDENTITY_FIELDS}
    annotations = {key: value for key, value in dressed["metadata"]["annotations"].items() if key != REQUEST_ID}
    wanted["metadata"] = {**dressed["metadata"], "annotations": annotations}
    return _covers(live, wanted)


def fingerprint(live: Object) -> str:
    """16 hex digits over the content of a live object, without what changes by itself."""
    meta = {key: value for key, value in live["metadata"].items() if key not in ("resourceVersion", "managedFields")}
    content = {key: value for key, value in live.items() if key not in _IDENTITY_FIELDS}
    return _digest({**content, "metadata": meta})


def _digest(content: Object) -> str:
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()[:16]


def _plain(value: Any) -> Any:
    """JSON's own types, copied: tuples become lists, frozen mappings become dicts. There and back costs less than
    going through it value by value."""
    return msgspec.json.decode(msgspec.json.encode(value, enc_hook=_unfrozen))


def _unfrozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot stand in a manifest.")


def _covers(live: Any, wanted: Any) -> bool:
    if live == wanted:
        return True
    if isinstance(wanted, dict):
        if not isinstance(live, dict):
            return not wanted and live is None
        return all(_covers(live.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return _covers_list(live, wanted)
    if live is None:
        return wanted in ("", 0, False)
    return amount(live) is not None and amount(live) == amount(wanted)


def _covers_list(live: Any, wanted: list[Any]) -> bool:
    if not isinstance(live, list):
        return not wanted and live is None
    if wanted and all(isinstance(item, dict) for item in wanted):
        rest = list(live)
        for item in wanted:
            found = next((candidate for candidate in rest if _covers(candidate, item)), None)
            if found is None:
                return False
            rest.remove(found)
        return True
    return live == wanted
