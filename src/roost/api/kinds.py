"""Kinds: what a body may say about an object of one of our kinds, and what of it goes to kube-apiserver. Pure.

The caller decides spec, labels and annotations; everything else (status, owners, finalizers, uid, our own labels) is
kept as it stands, whatever the body says.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from roost.api.errors import from_validation
from roost.kernel.store import LAST_APPLIED
from roost.model import names
from roost.model.resource import Resource
from roost.surface.people import person_name
from roost.surface.problems import FieldError, Problem, invalid

OURS: Final = "roost.dev/"
CAUSE: Final = "roost.dev/cause"

_BODY: Final = frozenset(["apiVersion", "kind", "metadata", "spec", "status"])
_METADATA: Final = frozenset(["name", "namespace", "labels", "annotations", "resourceVersion"])
_KEPT: Final = frozenset(
    [
        "uid",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "selfLink",
        "ownerReferences",
        "finalizers",
    ]
)
_PLAIN_NAME: Final = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_KEY: Final = re.compile(r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")
_LABEL_VALUE: Final = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?\Z")
MAX_ANNOTATION: Final = 4096
MAX_ENTRIES: Final = 60


def spec_model(kind: type[Resource]) -> type[BaseModel]:
    """The model of a kind's spec."""
    model = kind.model_fields["spec"].annotation
    assert isinstance(model, type) and issubclass(model, BaseModel)
    return model


def _any_name(name: str) -> str:
    if not _PLAIN_NAME.match(name):
        raise names.NameRefused(f"{name[:80]!r} cannot be a name: 1 to 63 lower-case letters, digits and hyphens.")
    return name


_DOTTED: Final = frozenset(["Domain"])  # Kinds whose objects are named by more than one label.
_NAMES: Final[dict[str, Callable[[str], str]]] = {
    "Tenant": names.tenant_name,
    "App": names.app_name,
    "Project": names.app_name,
    "Domain": names.host_name,
    "User": person_name,
}


def checked_name(kind: type[Resource], name: Any, new: bool = False) -> str:
    """`name`, when an object of this kind may have it; Problem invalid. `new`: it is about to be given."""
    if not isinstance(name, str):
        raise invalid("metadata.name", "A name is needed, as text.")
    check = _NAMES.get(kind.KIND, _any_name) if new or kind.KIND in _DOTTED else _any_name
    try:
        return check(name)
    except names.NameRefused as error:
        raise invalid("metadata.name", str(error)) from error


def read_spec(kind: type[Resource], spec: Any) -> dict[str, Any]:
    """The spec as the wire has it: only what the caller said, names in camelCase. Problem invalid."""
    if not isinstance(spec, Mapping):
        raise invalid("spec", "It must be an object.")
    try:
        model = spec_model(kind).model_validate(spec)
    except ValidationError as error:
        raise from_validation(error, "spec") from error
    _cross_check(kind, model)
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)


def _cross_check(kind: type[Resource], spec: Any) -> None:
    if kind.KIND != "Tenant":
        return
    known = {item.name for item in spec.environments}
    for index, item in enumerate(spec.environments):
        try:
            names.environment_name(item.name)
        except names.NameRefused as error:
            raise invalid(f"spec.environments.{index}.name", str(error)) from error
    for which, entries in (("members", spec.members), ("groups", spec.groups)):
        for index, entry in enumerate(entries):
            unknown = set(entry.environments) - known
            if unknown:
                raise invalid(f"spec.{which}.{index}.environments", f"There is no environment {sorted(unknown)[0]!r}.")


def read_body(kind: type[Resource], body: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a body after checks of its outer shape. Problem invalid names every field that does not fit."""
    errors = [FieldError(key[:100], "There is no such field.") for key in body if key not in _BODY]
    for key, wanted in (("apiVersion", names.API_VERSION), ("kind", kind.KIND)):
        if key in body and body[key] != wanted:
            errors.append(FieldError(key, f"Here it can only be {wanted!r}."))
    metadata = body.get("metadata", {})
    if not isinstance(metadata, Mapping):
        raise invalid("metadata", "It must be an object.")
    for key in metadata:
        if key not in _METADATA and key not in _KEPT:
            errors.append(FieldError(f"metadata.{key[:100]}", "There is no such field, or it is not yours to set."))
    errors += _entry_errors(metadata, "labels") + _entry_errors(metadata, "annotations")
    if errors:
        detail = "; ".join(f"{item.field}: {item.message}" for item in errors)
        raise Problem("invalid", detail[:2000], errors=tuple(errors[:50]))
    return dict(metadata)


def _entry_errors(metadata: Mapping[str, Any], which: str) -> list[FieldError]:
    entries = metadata.get(which)
    if entries is None:
        return []
    if not isinstance(entries, Mapping) or len(entries) > MAX_ENTRIES:
        return [FieldError(f"metadata.{which}", f"It must be an object with at most {MAX_ENTRIES} entries.")]
    errors = []
    for key, value in entries.items():
        field = f"metadata.{which}.{key[:100]}"
        if not _KEY.match(key):
            errors.append(FieldError(field, "A key has letters, digits, '-', '_', '.', and may have a prefix."))
        elif value is None:
            continue
        elif not isinstance(value, str):
            errors.append(FieldError(field, "The value must be text."))
        elif which == "labels" and not _LABEL_VALUE.match(value):
            errors.append(FieldError(field, "A label's value has at most 63 letters, digits, '-', '_', '.'."))
        elif len(value) > MAX_ANNOTATION:
            errors.append(FieldError(field, f"An annotation has at most {MAX_ANNOTATION} characters."))
    return errors


def _entries(metadata: Mapping[str, Any], which: str, current: Mapping[str, str]) -> dict[str, str]:
    """What the caller wants of labels or annotations; ours stay as they stand."""
    given = metadata.get(which)
    wanted: dict[str, str] = {
        key: value for key, value in current.items() if key.startswith(OURS) or key == LAST_APPLIED
    }
    for key, value in (current if given is None else given).items():
        if value is None:
            continue
        if key.startswith(OURS) and current.get(key) != value:
            raise invalid(f"metadata.{which}.{key}", "Keys that begin with roost.dev/ are set by Roost.")
        wanted[key] = value
    return wanted


def sign(manifest: dict[str, Any], person: str, request_id: str, cause: str = "") -> dict[str, Any]:
    """The manifest with who changed it, in which request and (where a route knows it) why, in words."""
    notes = {key: value for key, value in (manifest["metadata"].get("annotations") or {}).items() if key != CAUSE}
    notes |= {names.AUTHOR: person, names.REQUEST_ID: request_id}
    if cause:
        notes[CAUSE] = cause[:300]
    manifest["metadata"]["annotations"] = notes
    return manifest


def new_manifest(kind: type[Resource], body: Mapping[str, Any], namespace: str | None) -> dict[str, Any]:
    """The manifest to create from a body."""
    metadata = read_body(kind, body)
    for key in ("ownerReferences", "finalizers"):
        if metadata.get(key):
            raise invalid(f"metadata.{key}", "It is set by Roost.")
    name = checked_name(kind, metadata.get("name"), new=True)
    if namespace is not None and metadata.get("namespace", namespace) != namespace:
        raise invalid("metadata.namespace", f"Here it can only be {namespace!r}.")
    meta: dict[str, Any] = {"name": name}
    if namespace is not None:
        meta["namespace"] = namespace
    meta["labels"] = _entries(metadata, "labels", {})
    meta["annotations"] = _entries(metadata, "annotations", {})
    spec = read_spec(kind, body.get("spec", {}))
    return {"apiVersion": names.API_VERSION, "kind": kind.KIND, "metadata": meta, "spec": spec}


def replaced(kind: type[Resource], current: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """`current` with spec, labels and annotations of the body; the rest stays."""
    metadata = read_body(kind, body)
    name = current["metadata"]["name"]
    if metadata.get("name", name) != name:
        raise invalid("metadata.name", f"A name cannot be changed; this is {name!r}.")
    if metadata.get("namespace", current["metadata"].get("namespace")) != current["metadata"].get("namespace"):
        raise invalid("metadata.namespace", "An object cannot move.")
    return _with(kind, current, metadata, read_spec(kind, body.get("spec", {})))


def patched(kind: type[Resource], current: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """`current` after a merge patch of spec, labels and annotations."""
    metadata = read_body(kind, patch)
    merged_meta = dict(metadata)
    for which in ("labels", "annotations"):
        if metadata.get(which) is not None:
            merged_meta[which] = merge(current["metadata"].get(which) or {}, metadata[which])
    spec = read_spec(kind, merge(current.get("spec") or {}, patch.get("spec", {})))
    return _with(kind, current, merged_meta, spec)


def _with(
    kind: type[Resource], current: Mapping[str, Any], metadata: Mapping[str, Any], spec: dict[str, Any]
) -> dict[str, Any]:
    meta = dict(current["metadata"])
    meta.pop("managedFields", None)
    for which in ("labels", "annotations"):
        meta[which] = _entries(metadata, which, meta.get(which) or {})
    return {"apiVersion": names.API_VERSION, "kind": kind.KIND, "metadata": meta, "spec": spec}


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def shown(raw: Mapping[str, Any]) -> dict[str, Any]:
    """An object as it is given out: without managedFields and notes that are long and for programs."""
    metadata = {key: value for key, value in raw["metadata"].items() if key != "managedFields"}
    notes = metadata.get("annotations") or {}
    if names.OPERATIONS in notes or LAST_APPLIED in notes:
        unread = (names.OPERATIONS, LAST_APPLIED)
        metadata["annotations"] = {key: value for key, value in notes.items() if key not in unread}
    return {**raw, "metadata": metadata}
