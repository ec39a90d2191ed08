"""Problems: what went wrong, why and what to do, as `application/problem+json` (RFC 9457).

Raised by the API's routes and read by the API's client. `type` is stable: people's scripts and the CLI's exit codes
depend on it.

    Problem
        made by the functions below, one per type
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

BASE: Final = "https://roost.dev/problems/"
MEDIA_TYPE: Final = "application/problem+json"

# type -> (status, title, exit code of the CLI)
TYPES: Final[dict[str, tuple[int, str, int]]] = {
    "malformed": (400, "The request cannot be read", 2),
    "unauthenticated": (401, "Not signed in", 4),
    "forbidden": (403, "Not allowed", 4),
    "not-found": (404, "Not found", 3),
    "method-not-allowed": (405, "Not possible here", 2),
    "exists": (409, "It exists already", 5),
    "conflict": (409, "Somebody else changed it", 5),
    "expired": (410, "Too long ago", 5),
    "too-large": (413, "Too large", 1),
    "invalid": (422, "Something in it does not fit", 2),
    "refused": (422, "Refused by a rule", 7),
    "precondition-required": (428, "Say which version you saw", 5),
    "too-many": (429, "Too many requests", 1),
    "internal": (500, "Roost failed", 1),
    "bad-gateway": (502, "A part of Roost gave no sense", 1),
    "unavailable": (503, "Not available now", 1),
    "timeout": (504, "It took too long", 6),
}


@dataclass(frozen=True)
class FieldError:
    """One field that does not fit; `field` is a path such as `spec.processes.0.port`."""

    field: str
    message: str


class Problem(Exception):
    """An error for a person. `kind` is one of TYPES, `detail` says why and what to do."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: dict[str, str] | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.request_id = request_id

    @property
    def status(self) -> int:
        """The HTTP status."""
        return TYPES[self.kind][0]

    @property
    def title(self) -> str:
        """A few words, the same for every problem of this type."""
        return TYPES[self.kind][1]

    @property
    def exit_code(self) -> int:
        """What a command that met this problem exits with."""
        return TYPES[self.kind][2]

    def body(self, request_id: str = "") -> dict[str, Any]:
        """The JSON-ready body."""
        body: dict[str, Any] = {
            "type": BASE + self.kind,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "requestId": request_id or self.request_id,
        }
        if self.errors:
            body["errors"] = [{"field": item.field, "message": item.message} for item in self.errors]
        return body

    @classmethod
    def read(cls, status: int, body: object, request_id: str = "") -> "Problem":
        """The problem that an answer carries; one made from the status where the body is none."""
        if not isinstance(body, dict) or not str(body.get("type", "")).startswith(BASE):
            return cls(_kind_of(status), _phrase(status), request_id=request_id)
        kind = str(body["type"]).removeprefix(BASE)
        errors = tuple(
            FieldError(str(item.get("field", "")), str(item.get("message", "")))
            for item in body.get("errors", ())
            if isinstance(item, dict)
        )
        return cls(
            kind if kind in TYPES else _kind_of(status),
            str(body.get("detail", "")),
            errors=errors,
            request_id=str(body.get("requestId") or request_id),
        )


def _kind_of(status: int) -> str:
    for kind, (code, _, _) in TYPES.items():
        if code == status:
            return kind
    return "malformed" if status < 500 else "internal"


def _phrase(status: int) -> str:
    try:
        return f"The server answered {status} {HTTPStatus(status).phrase}."
    except ValueError:
        return f"The server answered {status}."


def malformed(detail: str) -> Problem:
    """400: not JSON, a broken parameter."""
    return Problem("malformed", detail)


def invalid(field: str, message: str) -> Problem:
    """422: one field does not fit."""
    return Problem("invalid", f"{field}: {message}", errors=(FieldError(field, message),))


def unauthenticated(detail: str) -> Problem:
    """401."""
    return Problem("unauthenticated", detail, headers={"WWW-Authenticate": 'Bearer realm="Roost"'})


def forbidden(detail: str) -> Problem:
    """403: inside one's own tenant; what is another tenant's is `not_found`."""
    return Problem("forbidden", detail)


def not_found(what: str) -> Problem:
    """404: there is no such thing, or it is not for this person's eyes."""
    return Problem("not-found", f"There is no {what}, or you may not see it.")


def conflict(detail: str) -> Problem:
    """409: an old version."""
    return Problem("conflict", detail)


def expired(detail: str) -> Problem:
    """410: a page or a position that the server no longer knows."""
    return Problem("expired", detail)


def unavailable(detail: str) -> Problem:
    """503."""
    return Problem("unavailable", detail, headers={"Retry-After": "2"})


def too_many(detail: str, retry_after_s: int) -> Problem:
    """429."""
    return Problem("too-many", detail, headers={"Retry-After": str(max(1, retry_after_s))})
