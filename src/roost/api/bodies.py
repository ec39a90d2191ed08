"""Bodies: JSON from a caller, read strictly. What does not fit is a Problem that names the field, never a 500."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError

from roost.api.errors import from_validation
from roost.surface.problems import malformed

B = TypeVar("B", bound=BaseModel)
MAX_DEPTH = 40


async def read_json(request: Request) -> dict[str, Any]:
    """The body as a JSON object; Problem malformed where it is none."""
    content_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if content_type not in ("application/json", "application/merge-patch+json"):
        raise malformed("Send the body as application/json.")
    try:
        body = msgspec.json.decode(await request.body())
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise malformed(f"The body is no JSON: {str(error)[:200]}") from error
    if not isinstance(body, dict):
        raise malformed("The body must be a JSON object.")
    if too_deep(body):
        raise malformed(f"The body is nested more than {MAX_DEPTH} levels deep.")
    return body


def too_deep(value: Any) -> bool:
    """Is anything nested deeper than MAX_DEPTH? Without recursion, as the input is not trusted."""
    layer = [value]
    for _ in range(MAX_DEPTH):
        following: list[Any] = []
        for item in layer:
            if isinstance(item, dict):
                following.extend(item.values())
            elif isinstance(item, list):
                following.extend(item)
        layer = [item for item in following if isinstance(item, dict | list)]
        if not layer:
            return False
    return True


async def read_model(request: Request, model: type[B]) -> B:
    """The body as that model."""
    return parse(model, await read_json(request))


def parse(model: type[B], body: Mapping[str, Any]) -> B:
    """The model; Problem invalid with every field that does not fit."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise from_validation(error) from error


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    content = msgspec.json.encode(body)
    return Response(content, status, headers=dict(headers or {}), media_type="application/json")


def body_schema(name: str) -> dict[str, Any]:
    """The OpenAPI of a body that the route reads itself; `name` is a schema of the document."""
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
