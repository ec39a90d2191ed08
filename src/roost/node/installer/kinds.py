"""What a change of custom resource definitions means for the objects that there are. Pure.

Two questions before anything is applied: are there objects stored in a version that the new definition no longer has
(then it must not be applied), and do objects hold fields that the new definition does not know (then they would be lost
with the next write). After it is applied: must objects be written anew in the version that is stored from now on.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Definition = Mapping[str, Any]
Object = Mapping[str, Any]


def storage(definition: Definition) -> str:
    """The version that objects are stored in."""
    return next(str(item["name"]) for item in definition["spec"]["versions"] if item.get("storage"))


def stored(held: Definition) -> list[str]:
    """The versions that objects may be stored in now, as the cluster knows."""
    return list((held.get("status") or {}).get("storedVersions") or [storage(held)])


def problems(held: Mapping[str, Definition], wanted: Sequence[Definition]) -> list[str]:
    """Why definitions must not be applied over those that are `held`, by name; empty when they may."""
    found = []
    for definition in wanted:
        before = held.get(definition["metadata"]["name"])
        if before is None:
            continue
        name = definition["metadata"]["name"]
        there = {item["name"] for item in definition["spec"]["versions"]}
        lost = [item for item in stored(before) if item not in there]
        if lost:
            found.append(
                f"{name}: objects may be stored as {', '.join(lost)}, which the other version does not know. Go "
                "through a version that knows both, which writes them anew."
            )
        for part in ("group", "scope"):
            if before["spec"][part] != definition["spec"][part]:
                found.append(f"{name}: {part} would change, which Kubernetes does not allow.")
        strategy = (definition["spec"].get("conversion") or {}).get("strategy", "None")
        if len(there) > 1 and strategy == "None" and not _alike(definition):
            found.append(f"{name}: its versions differ and nothing converts between them.")
    return found


def _alike(definition: Definition) -> bool:
    """Whether all versions have the same schema, so that no conversion is needed."""
    schemas = [item.get("schema") for item in definition["spec"]["versions"]]
    return all(item == schemas[0] for item in schemas)


def migrations(held: Mapping[str, Definition], wanted: Sequence[Definition]) -> list[Definition]:
    """Definitions whose objects must be written anew once these are applied: some are stored in another version."""
    return [
        definition
        for definition in wanted
        if (before := held.get(definition["metadata"]["name"])) is not None and stored(before) != [storage(definition)]
    ]


def schema(definition: Definition, version: str) -> Mapping[str, Any]:
    """The schema of a version; an empty one where it has none."""
    for item in definition["spec"]["versions"]:
        if item["name"] == version:
            found: Mapping[str, Any] = (item.get("schema") or {}).get("openAPIV3Schema") or {}
            return found
    return {}


def unknown(value: Any, known: Mapping[str, Any], held: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Paths of the fields of `value` that the schema `known` lacks and would prune.

    What the server filled in by itself from the schema that it has (`held`), or what is empty, is nobody's.
    """
    if known.get("x-kubernetes-preserve-unknown-fields"):
        return
    if isinstance(value, Mapping):
        properties, more = known.get("properties"), known.get("additionalProperties")
        if properties is None and not more and known.get("type") != "object":
            return
        for key, item in value.items():
            below = (properties or {}).get(key, more if isinstance(more, Mapping) else None)
            there = (held.get("properties") or {}).get(key) or {}
            if below is not None:
                yield from unknown(item, below, there, f"{path}.{key}")
            elif not more and item not in ("", [], {}, None, there.get("default")):
                yield f"{path}.{key}"
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from unknown(item, known.get("items") or {}, held.get("items") or {}, f"{path}[]")


def losses(definition: Definition, held: Definition, objects: Sequence[Object]) -> list[str]:
    """Fields in use that a definition does not know: `kind: field (in how many)`. What every object has is no field."""
    counted: dict[str, int] = {}
    for item in objects:
        version = str(item["apiVersion"]).rpartition("/")[2]
        body = {key: value for key, value in item.items() if key not in ("apiVersion", "kind", "metadata")}
        known = schema(definition, version)
        for path in sorted(set(unknown(body, known, schema(held, version))) if known else ()):
            counted[path] = counted.get(path, 0) + 1
    kind = definition["spec"]["names"]["kind"]
    return [f"{kind}: {path.lstrip('.')} (in {number})" for path, number in sorted(counted.items())]
