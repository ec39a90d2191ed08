"""Errors to problems: what kube-apiserver, FastAPI and our own code raise becomes `application/problem+json`.

Called by the application factory (handlers) and by routes that know better what was meant (`from_kube`).
"""

import logging
import re
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from roost.kube.errors import (
    AlreadyExists,
    BadRequest,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    NotFound,
    RefusedError,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    UnknownKind,
)
from roost.surface.problems import (
    MEDIA_TYPE,
    FieldError,
    Problem,
    conflict,
    expired,
    forbidden,
    malformed,
    not_found,
    too_many,
    unavailable,
)

_RBAC = re.compile(r"cannot [a-z]+ resource ")
_OF_ALL = re.compile(r'cannot ([a-z]+) resource "([a-z/]+)" .* at the cluster scope')
_LOG = logging.getLogger("roost.api")
MAX_ERRORS = 50


def _who_may(message: str) -> str:
    """Whom to ask. Of what is in no tenant, owners have a say only in their own Tenant as it stands."""
    of_all = _OF_ALL.search(message)
    if of_all is None or (of_all[2] == "tenants" and of_all[1] in ("get", "update", "patch", "watch")):
        return "an owner of the tenant"
    return "an administrator of the platform"


def from_kube(error: KubeError, what: str = "such object") -> Problem:
    """The problem for an answer of kube-apiserver. `what`: the thing asked for, e.g. `app shop in acme-dev`."""
    match error:
        case Forbidden() if _RBAC.search(str(error)):
            return forbidden(f"Your role does not allow this with {what}. Ask {_who_may(str(error))}.")
        case Forbidden():
            return Problem("refused", _clean(error))
        case NotFound():
            return not_found(what)
        case UnknownKind():
            return unavailable("The cluster does not serve this kind yet. Try again in a moment.")
        case AlreadyExists():
            return Problem("exists", f"There is already a {what}.")
        case Conflict():
            return conflict(f"The {what} was changed meanwhile. Read it again and repeat your change.")
        case Gone():
            return expired("This position is too old. Begin the list again.")
        case TooLarge():
            return Problem("too-large", "The object is larger than the cluster takes (about 1.5 MB).")
        case Invalid():
            return _invalid(error)
        case BadRequest():
            return malformed(_clean(error))
        case TooManyRequests():
            return too_many("The cluster asks to slow down. Try again.", int(error.retry_after_s) or 1)
        case Unauthorized():
            # The API itself is not known (yet, after a restart); the caller has nothing to do with it.
            return unavailable("The cluster does not answer now. Try again in a moment.")
        case RefusedError():
            return Problem("refused", _clean(error))
        case _:
            _LOG.warning("kube-apiserver did not answer", extra={"cause": str(error)[:500]})
            return unavailable("The cluster does not answer now. Try again in a moment.")


def _clean(error: Exception) -> str:
    return str(error)[:2000]


def _invalid(error: Invalid) -> Problem:
    errors = tuple(
        FieldError(str(cause.get("field", "")), str(cause.get("message", ""))) for cause in error.causes[:MAX_ERRORS]
    )
    # A rule of admission (ValidatingAdmissionPolicy) names no field; a schema does.
    if not any(item.field for item in errors) or "ValidatingAdmissionPolicy" in str(error):
        return Problem("refused", _clean(error))
    detail = "; ".join(f"{item.field}: {item.message}" for item in errors)
    return Problem("invalid", detail[:2000], errors=errors)


def from_validation(error: ValidationError | RequestValidationError, prefix: str = "") -> Problem:
    """The problem for what pydantic refused; fields are named as they stand in the body, `prefix` before them."""
    errors = []
    found = error.errors()[:MAX_ERRORS]
    for item in found:
        # A list whose only item is wrong is told as too short as well; the item says it better.
        if item["type"] == "too_short" and any(
            len(other["loc"]) > len(item["loc"]) and other["loc"][: len(item["loc"])] == item["loc"] for other in found
        ):
            continue
        path = ".".join(str(part) for part in item["loc"] if part not in ("body", "query"))
        field = ".".join(part for part in (prefix, path) if part)
        said = str(item["msg"]).removeprefix("Value error, ")
        message = "There is no such field." if item["type"] == "extra_forbidden" else said
        errors.append(FieldError(field[:300], message[:500]))
    detail = "; ".join(f"{item.field}: {item.message}" if item.field else item.message for item in errors)
    return Problem("invalid", detail[:2000], errors=tuple(errors))


def request_id(request: Request) -> str:
    """The id that the envelope gave this request."""
    return str(request.scope.get("roost.request_id", ""))


def problem_response(problem: Problem, request_id_: str) -> Response:
    """The answer that carries a problem."""
    content = msgspec.json.encode(problem.body(request_id_))
    return Response(content, problem.status, headers=dict(problem.headers), media_type=MEDIA_TYPE)


def _from_http(error: HTTPException, path: str) -> Problem:
    if error.status_code == 404:
        return Problem("not-found", f"There is nothing at {path[:200]}. See /openapi.json for what there is.")
    if error.status_code == 405:
        return Problem("method-not-allowed", "This method is not possible here.", headers=dict(error.headers or {}))
    if error.status_code == 413:
        return Problem("too-large", str(error.detail))
    return Problem.read(error.status_code, None)


def install(app: FastAPI) -> None:
    """Give the application its handlers."""

    async def on_problem(request: Request, error: Any) -> Response:
        return problem_response(error, request_id(request))

    async def on_kube(request: Request, error: Any) -> Response:
        return problem_response(from_kube(error), request_id(request))

    async def on_validation(request: Request, error: Any) -> Response:
        return problem_response(from_validation(error), request_id(request))

    async def on_http(request: Request, error: Any) -> Response:
        return problem_response(_from_http(error, request.url.path), request_id(request))

    async def on_model(request: Request, error: Any) -> Response:
        # Bodies are checked where they are read; this is an object that stands in the cluster.
        detail = f"The object as it stands does not fit its model: {str(error)[:1000]}"
        return problem_response(Problem("refused", detail), request_id(request))

    async def on_anything(request: Request, error: Any) -> Response:
        problem = Problem("internal", "Roost failed; this is a fault of Roost. Report the request id to the operators.")
        return problem_response(problem, request_id(request))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(KubeError, on_kube)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(ValidationError, on_model)
    app.add_exception_handler(Exception, on_anything)
