"""The OpenAPI 3.1 document, made whole: what routes read and answer by themselves, problems, and an example everywhere;
and the page at `/docs` that shows it, made of three files of ours, so that it works without the world.

An example is what a schema says (`examples`, default, the first of an enum), else what its field is called; the kinds
that people meet first have one written by hand.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from roost.kernel.discovery import kinds
from roost.surface.problems import BASE, MEDIA_TYPE, not_found

router = APIRouter()
Json = dict[str, Any]
DEPTH: Final = 8
OPEN: Final = ("/healthz", "/readyz", "/v1/session", "/hooks/", "/registry/", "/v1/invitations/", "/v1/oidc")
_DIGEST: Final = "sha256:" + "4f" * 32
_IMAGE: Final = f"registry.roost-system.svc:5000/acme/shop@{_DIGEST}"
_TYPES: Final = {"index.html": "text/html", "reader.js": "text/javascript", "reader.css": "text/css"}
_HEADERS: Final = {"Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"}

# What fields of these names hold, where the schema does not say.
_WORDS: Final[dict[str, Any]] = {
    "app": "shop",
    "at": "2026-11-29T01:02:03Z",
    "by": "ada",
    "cause": "Scaled web to 3",
    "changes": [{"path": "spec.processes.web.replicas", "before": 1, "after": 3}],
    "commit": "4f" * 20,
    "digest": _DIGEST,
    "environment": "dev",
    "id": "k3j9x2",
    "image": _IMAGE,
    "instance": "shop-web-5d9c7b6f4-x2x9p",
    "mail": "ada@example.com",
    "name": "shop",
    "person": "ada",
    "program": "",
    "ref": "refs/heads/main",
    "sort": "-metadata.creationTimestamp",
    "fields": "spec.stopped=true",
    "labels": "tier=front",
    "tenant": "acme",
    "title": "Shop",
    "url": "https://git.example.com/acme/shop.git",
}
SPECS: Final[dict[str, Json]] = {
    "App": {
        "artefact": {"image": _IMAGE},
        "processes": [{"name": "web", "port": 8080, "replicas": 2}],
        "config": [{"name": "GREETING", "value": "hello"}],
    },
    "Tenant": {
        "title": "Acme",
        "environments": [{"name": "dev"}, {"name": "prod"}],
        "members": [{"person": "ada", "role": "owner"}],
    },
    "Project": {},
    "User": {"title": "Ada", "mail": "ada@example.com"},
}
BODIES: Final[dict[str, Json]] = {
    "Batch": {
        "items": [
            {"action": "patch", "name": "shop", "object": {"spec": {"stopped": True}}},
            {"action": "delete", "name": "old", "ifMatch": '"1234"'},
        ]
    },
    "Scale": {"processes": {"web": 3}},
    "ConfigChange": {"set": {"GREETING": "hello"}, "unset": ["OLD"]},
    "Rollback": {"to": 3},
    "Deploy": {"image": _IMAGE, "commit": "4f" * 20},
}
PROBLEM: Final[Json] = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong, why, and what to do (RFC 9457).",
    "required": ["type", "title", "status", "detail", "requestId"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "requestId": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                "required": ["field", "message"],
            },
        },
    },
    "example": {
        "type": BASE + "not-found",
        "title": "Not found",
        "status": 404,
        "detail": "There is no app 'shop' in acme-dev, or you may not see it.",
        "requestId": "0f3a9c5b7d21e468",
    },
}


@router.get("/docs", include_in_schema=False)
async def page() -> Response:
    """The reader."""
    return await part("index.html")


@router.get("/docs/{name}", include_in_schema=False)
async def part(name: str) -> Response:
    """One of its files."""
    if name not in _TYPES:
        raise not_found(f"page {name[:40]!r}")
    return Response(_file(name), media_type=_TYPES[name], headers=_HEADERS)


@cache
def _file(name: str) -> bytes:
    return (Path(__file__).parent / "reader" / name).read_bytes()


def complete(app: FastAPI, bodies: Sequence[type[BaseModel]]) -> None:
    """Let the application give the whole document. `bodies`: what routes read themselves, so FastAPI knows not of."""
    plain = app.openapi

    def openapi() -> Json:
        if app.openapi_schema is None:
            document = plain()
            _, extra = models_json_schema(
                [(model, "validation") for model in (*kinds(), *bodies)], ref_template="#/components/schemas/{model}"
            )
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for name, schema in extra.get("$defs", {}).items():
                schemas.setdefault(name, schema)
            _finish(document)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _finish(document: Json) -> None:
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM
    for kind in kinds():
        schemas[f"{kind.KIND}List"] = _list_schema(kind.KIND)
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    problem = {"description": "What went wrong", "content": {MEDIA_TYPE: {"schema": _reference("Problem")}}}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            responses = operation["responses"]
            responses.pop("422", None)
            responses["default"] = problem
            if not path.startswith(OPEN):
                operation["security"] = [{"token": []}]
            _list_answer(operation, schemas)
            _exemplify(operation, schemas)


def _reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _list_schema(kind: str) -> Json:
    metadata = {
        "type": "object",
        "properties": {
            "resourceVersion": {"type": "string"},
            "continue": {"type": "string", "description": "Of the next page; empty where this is the last."},
            "total": {"type": "integer"},
        },
        "required": ["resourceVersion", "continue"],
    }
    items = {"type": "array", "items": _reference(kind)}
    return {"type": "object", "properties": {"items": items, "metadata": metadata}, "required": ["items", "metadata"]}


def _list_answer(operation: Json, schemas: Mapping[str, Any]) -> None:
    kind = str(operation.get("operationId", "")).removeprefix("list")
    if f"{kind}List" in schemas and kind and operation["operationId"].startswith("list"):
        operation["responses"]["200"]["content"] = {
            "application/json": {"schema": _reference(f"{kind}List")},
            "text/event-stream": {"schema": {"type": "string", "description": "With watch=true: see docs/api.md."}},
        }


def _exemplify(operation: Json, schemas: Mapping[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        if "example" not in parameter and parameter["in"] == "path":
            parameter["example"] = _WORDS.get(parameter["name"], "shop")
    contents = [(operation.get("requestBody") or {}).get("content") or {}]
    contents += [answer.get("content") or {} for answer in operation["responses"].values()]
    for content in contents:
        found = content.get("application/json")
        if found is not None and found.get("schema") and "example" not in found:
            found["example"] = example(found["schema"], schemas)


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any], field: str = "", depth: int = 0) -> Any:
    """A value that the schema describes."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        if name in BODIES:
            return BODIES[name]
        if any(name == kind.KIND for kind in kinds()):
            return _kind_example(name, schemas, depth)
        return example(schemas.get(name, {}), schemas, field, depth + 1)
    for key in ("example", "const"):
        if key in schema:
            return schema[key]
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if field in _WORDS and schema.get("type") in (None, "string", "array"):
        return _WORDS[field]
    if schema.get("default") not in (None, "", [], {}):
        return schema["default"]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return example(schema[key][0], schemas, field, depth + 1)
    return _by_type(schema, schemas, field, depth)


def _by_type(schema: Mapping[str, Any], schemas: Mapping[str, Any], field: str, depth: int) -> Any:
    match schema.get("type"):
        case "object":
            inner = (schema.get("properties") or {}) if depth < DEPTH else {}
            return {key: example(value, schemas, key, depth + 1) for key, value in inner.items()}
        case "array":
            items = schema.get("items")
            return [example(items, schemas, field, depth + 1)] if items and depth < DEPTH else []
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case "string":
            return "2026-11-29T01:02:03Z" if field.endswith(("At", "Time")) else "text"[: schema.get("maxLength", 4)]
    return {}


def _kind_example(kind: str, schemas: Mapping[str, Any], depth: int) -> Any:
    spec = SPECS.get(kind)
    if spec is None:
        spec = _required(schemas.get(kind, {}).get("properties", {}).get("spec", {}), schemas, "spec", depth + 1)
    name = {"Tenant": "acme", "User": "ada"}.get(kind, "shop")
    return {"apiVersion": "roost.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _required(schema: Mapping[str, Any], schemas: Mapping[str, Any], field: str, depth: int) -> Any:
    """Only what must be there."""
    found = schema
    while "$ref" in found or "allOf" in found:
        found = schemas.get(str(found["$ref"]).rpartition("/")[2], {}) if "$ref" in found else found["allOf"][0]
    if found.get("type") != "object" or depth > DEPTH:
        return example(found, schemas, field, depth)
    inner = found.get("properties") or {}
    return {key: _required(inner[key], schemas, key, depth + 1) for key in found.get("required", ())}
