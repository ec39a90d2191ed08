"""From models to CustomResourceDefinitions: pydantic's JSON schema becomes Kubernetes' structural OpenAPI v3.

Pure; `roost.mains.generate` calls it. What differs: no $ref, no null (an optional field is left out), no
additionalProperties beside properties, a bound on everything (so that CEL rules can be priced), defaults only in the
spec (a status is what the controller wrote, not what the server filled in), list maps for conditions.
Source: Kubernetes documentation, "Extend the Kubernetes API with CustomResourceDefinitions".
"""

from collections.abc import Mapping
from typing import Any

from roost.model.names import GROUP, VERSION
from roost.model.resource import Resource

Schema = dict[str, Any]

LONGEST_STRING = 4096
MOST_ITEMS = 1000
MOST_PROPERTIES = 200
_KEPT = (
    "type",
    "description",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
)


class NotStructural(ValueError):
    """A field that Kubernetes' structural schemas cannot express; the text names it."""


def definition(kind: type[Resource]) -> Schema:
    """The CustomResourceDefinition of a kind."""
    version: Schema = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "jsonPath": path, "type": kind_of_column} for name, path, kind_of_column in kind.COLUMNS
        ],
        "schema": {"openAPIV3Schema": root(kind)},
    }
    names: Schema = {
        "kind": kind.KIND,
        "listKind": f"{kind.KIND}List",
        "plural": kind.PLURAL,
        "singular": kind.KIND.lower(),
        "categories": ["roost"],
    }
    if kind.SHORT_NAMES:
        names["shortNames"] = list(kind.SHORT_NAMES)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": names,
            "scope": "Namespaced" if kind.NAMESPACED else "Cluster",
            "versions": [{key: value for key, value in version.items() if value != []}],
        },
    }


def root(kind: type[Resource]) -> Schema:
    """The structural schema of a whole object."""
    schema: Schema = {
        "type": "object",
        "description": (kind.__doc__ or "").strip(),
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": part(kind, "spec"),
            "status": part(kind, "status"),
        },
    }
    if kind.model_fields["spec"].is_required():
        schema["required"] = ["spec"]
    else:
        schema["properties"]["spec"]["default"] = {}
    if kind.RULES:
        schema["x-kubernetes-validations"] = [{"rule": rule, "message": message} for rule, message in kind.RULES]
    return schema


def part(kind: type[Resource], name: str) -> Schema:
    """The structural schema of `spec` or `status` of a kind."""
    model: Any = kind.model_fields[name].annotation
    raw = model.model_json_schema(by_alias=True, mode="validation")
    converted = _convert(raw, raw.get("$defs", {}), f"{kind.KIND}.{name}", defaults=name == "spec")
    conditions = converted["properties"].get("conditions") if name == "status" else None
    if conditions is not None:
        conditions["x-kubernetes-list-type"] = "map"
        conditions["x-kubernetes-list-map-keys"] = ["type"]
    return converted


def _convert(raw: Mapping[str, Any], named: Mapping[str, Any], path: str, defaults: bool) -> Schema:
    source = _resolve(raw, named, path)
    schema: Schema = {key: source[key] for key in _KEPT if key in source}
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
    if "const" in source:
        schema["enum"] = [source["const"]]
    kind = schema.get("type")
    if kind == "object":
        _object(schema, source, named, path, defaults)
    elif kind == "array":
        schema.setdefault("maxItems", MOST_ITEMS)
        schema["items"] = _convert(source.get("items", {}), named, f"{path}[]", defaults)
    elif kind == "string":
        if "enum" not in schema:
            schema.setdefault("maxLength", LONGEST_STRING)
    elif kind not in ("integer", "number", "boolean"):
        raise NotStructural(f"{path} has no single type.")
    if defaults and source.get("default") is not None:
        schema["default"] = _without_null(source["default"])
    return schema


def _object(schema: Schema, source: Mapping[str, Any], named: Mapping[str, Any], path: str, defaults: bool) -> None:
    values = source.get("additionalProperties")
    if isinstance(values, dict):
        schema["additionalProperties"] = _convert(values, named, f"{path}{{}}", defaults)
        schema.setdefault("maxProperties", MOST_PROPERTIES)
        return
    properties = source.get("properties") or {}
    schema["properties"] = {
        name: _convert(value, named, f"{path}.{name}", defaults) for name, value in properties.items()
    }


def _resolve(raw: Mapping[str, Any], named: Mapping[str, Any], path: str) -> dict[str, Any]:
    """One schema without $ref, allOf and null; what stands beside a reference wins over what it points to."""
    source = dict(raw)
    for wrapper in ("anyOf", "oneOf", "allOf"):
        if wrapper in source:
            choices = [choice for choice in source.pop(wrapper) if choice.get("type") != "null"]
            if len(choices) != 1:
                raise NotStructural(f"{path} may be one of several types.")
            source = {**_resolve(choices[0], named, path), **source}
    if "$ref" in source:
        target = named[source.pop("$ref").rpartition("/")[2]]
        source = {**_resolve(target, named, path), **source}
    return source


def _without_null(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_without_null(item) for item in value]
    return value


def fields(schema: Schema, prefix: str = "") -> list[tuple[str, Schema, bool]]:
    """All fields beneath a structural schema, in order: (path, schema, required)."""
    found = []
    required = schema.get("required", ())
    for name, value in (schema.get("properties") or {}).items():
        path = f"{prefix}.{name}" if prefix else name
        found.append((path, value, name in required))
        inner = value.get("items") or value.get("additionalProperties") or value
        suffix = "[]" if "items" in value else "{}" if "additionalProperties" in value else ""
        found += fields(inner, path + suffix)
    return found
