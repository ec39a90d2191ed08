"""Operations: who changed an object, when, and what, kept with the object itself. Pure.

Each write through the API adds an entry to an annotation, in the same write as the change: both are kept or neither.
Bounded: the newest MAX_ENTRIES, MAX_CHANGES differences each, MAX_BYTES in all. Who writes past the API (kubectl, a
controller) leaves no entry; Kubernetes' managedFields tell which program wrote which fields when, and stand beside.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from pydantic import Field, ValidationError

from roost.api.kinds import CAUSE, OURS, spec_model
from roost.kernel.store import LAST_APPLIED
from roost.model.names import AUTHOR, OPERATIONS, REQUEST_ID
from roost.model.resource import Model, Resource

MAX_ENTRIES: Final = 30
MAX_CHANGES: Final = 20
MAX_BYTES: Final = 16_384
MAX_VALUE: Final = 160
API_MANAGER: Final = "roost-api"
_OWN: Final = frozenset([AUTHOR, REQUEST_ID, CAUSE, LAST_APPLIED])


class FieldChange(Model):
    """One field, before and after; absent where it was not there."""

    path: str = Field(max_length=300)
    before: Any = None
    after: Any = None


class Operation(Model):
    """One change of an object."""

    at: str = Field(max_length=40, description="RFC 3339.")
    by: str = Field("", max_length=63, description="The person; empty where only the program is known.")
    action: str = Field(max_length=20, description="create, change; or what the program did: Update, Apply.")
    cause: str = Field("", max_length=300)
    request_id: str = Field("", max_length=40)
    program: str = Field("", max_length=128, description="Which program wrote, past the API.")
    changes: tuple[FieldChange, ...] = Field((), max_length=MAX_CHANGES)
    omitted: int = Field(0, ge=0, description="Changes that are not told, as there were too many.")


class Operations(Model):
    """The changes of an object, the newest first."""

    items: tuple[Operation, ...] = Field((), max_length=200)


def record(
    kind: type[Resource], manifest: dict[str, Any], before: Mapping[str, Any] | None, at: datetime
) -> dict[str, Any]:
    """The manifest, which is signed already, with an entry on how it differs from `before` (None: it is new)."""
    notes = manifest["metadata"]["annotations"]
    changes = [] if before is None else list(_changes(kind, before, manifest))
    entry: dict[str, Any] = {
        "at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "by": notes.get(AUTHOR, ""),
        "action": "create" if before is None else "change",
        "requestId": notes.get(REQUEST_ID, ""),
        "changes": changes[:MAX_CHANGES],
    }
    if notes.get(CAUSE):
        entry["cause"] = notes[CAUSE]
    if len(changes) > MAX_CHANGES:
        entry["omitted"] = len(changes) - MAX_CHANGES
    entries = [*_entries(before or {}), entry][-MAX_ENTRIES:]
    while len(text := msgspec.json.encode(entries)) > MAX_BYTES and len(entries) > 1:
        entries.pop(0)
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": {**notes, OPERATIONS: text.decode()}}}


def read(raw: Mapping[str, Any]) -> Operations:
    """What is known of an object's changes."""
    found = []
    for entry in _entries(raw):
        try:
            found.append(Operation.model_validate(entry))
        except ValidationError:
            continue  # Somebody wrote it by hand.
    found += _programs(raw)
    return Operations(items=tuple(sorted(found, key=lambda item: item.at, reverse=True)[:200]))


def _entries(raw: Mapping[str, Any]) -> list[Any]:
    text = ((raw.get("metadata") or {}).get("annotations") or {}).get(OPERATIONS, "")
    try:
        entries = msgspec.json.decode(text) if text else []
    except (msgspec.DecodeError, RecursionError):
        return []
    return entries if isinstance(entries, list) else []


def _programs(raw: Mapping[str, Any]) -> Iterator[Operation]:
    """Writes past the API, as far as managedFields tell: the last one of each program."""
    for item in raw["metadata"].get("managedFields") or ():
        if item.get("subresource") or item.get("manager") == API_MANAGER or not item.get("time"):
            continue
        paths = list(_owned(item.get("fieldsV1") or {}, ""))
        yield Operation(
            at=str(item["time"])[:40],
            action=str(item.get("operation", ""))[:20],
            program=str(item.get("manager", ""))[:128],
            changes=tuple(FieldChange(path=path[:300]) for path in paths[:MAX_CHANGES]),
            omitted=max(0, len(paths) - MAX_CHANGES),
        )


def _owned(tree: Any, path: str) -> Iterator[str]:
    """The paths of a fieldsV1 tree, as deep as fields have names."""
    for key, below in tree.items() if isinstance(tree, Mapping) else ():
        if not key.startswith("f:"):
            continue
        here = f"{path}.{key[2:]}" if path else key[2:]
        deeper = list(_owned(below, here))
        if deeper:
            yield from deeper
        else:
            yield here


def _changes(kind: type[Resource], before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from _differ("spec", _whole(kind, before.get("spec") or {}), _whole(kind, after.get("spec") or {}))
    for which in ("labels", "annotations"):
        pair = [
            {
                key: value
                for key, value in (item["metadata"].get(which) or {}).items()
                if key not in _OWN and not key.startswith(OURS)
            }
            for item in (before, after)
        ]
        yield from _differ(f"metadata.{which}", *pair)


def _whole(kind: type[Resource], spec: Mapping[str, Any]) -> Any:
    """The spec with every default, which the cluster fills in and a caller leaves out."""
    try:
        model = spec_model(kind).model_validate(spec)
    except ValidationError:
        return spec
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def _differ(path: str, before: Any, after: Any) -> Iterator[dict[str, Any]]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from _differ(f"{path}.{key}", before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and (names := _named(before, after)) is not None:
        for name in names:
            yield from _differ(f"{path}.{name}", _item(before, name), _item(after, name))
    else:
        sides = {"before": _short(before), "after": _short(after)}
        yield {"path": path[:300], **{side: value for side, value in sides.items() if value is not None}}


def _named(before: list[Any], after: list[Any]) -> list[str] | None:
    """The names of all items, where each has one."""
    items = [*before, *after]
    if not all(isinstance(item, Mapping) and isinstance(item.get("name"), str) for item in items):
        return None
    return sorted({item["name"] for item in items})


def _item(items: list[Any], name: str) -> Any:
    return next((item for item in items if item["name"] == name), None)


def _short(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "…"
