"""What calls to kube-apiserver raise, as one tree; everybody who calls `roost.kube` catches these and nothing else.

    KubeError
    ├── UnknownKind            discovery does not know the kind (its CRD is missing, or the name is misspelt)
    ├── ConfigRefused          no usable kubeconfig or ServiceAccount
    ├── RetryableError         try again after `retry_after_s`
    │   ├── Unreachable        no answer: refused, reset, timed out (a write may have happened)
    │   ├── TooManyRequests    429
    │   └── Unavailable        500, 502, 503, 504
    └── RefusedError           an answer that will be the same next time, unless something changes
        ├── BadRequest         400
        ├── Unauthorized       401
        ├── Forbidden          403: RBAC, quota, admission
        ├── NotFound           404
        ├── Conflict           409: resourceVersion, uid or field ownership
        │   └── AlreadyExists  409 on create
        ├── Gone               410, or a version from the future (etcd was restored): list again
        ├── TooLarge           413
        └── Invalid            422: the schema, or a rule

The text of each is what the server said, fit for a person; `status` keeps the whole Status object.
"""

from collections.abc import Mapping
from typing import Any


class KubeError(Exception):
    """Anything that a call to kube-apiserver may raise."""


class UnknownKind(KubeError):
    """The cluster does not serve this kind."""


class ConfigRefused(KubeError):
    """There is no usable kubeconfig or ServiceAccount."""


class RetryableError(KubeError):
    """Worth trying again after `retry_after_s` seconds (0: as the caller likes)."""

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unreachable(RetryableError):
    """No answer came. A write may or may not have happened."""


class TooManyRequests(RetryableError):
    """The server asks to slow down."""


class Unavailable(RetryableError):
    """The server answered that it cannot answer."""


class RefusedError(KubeError):
    """The server said no. `code` is the HTTP status, `reason` the server's CamelCase word, `status` its Status."""

    def __init__(self, message: str, code: int, reason: str = "", status: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.status: Mapping[str, Any] = status or {}

    @property
    def causes(self) -> list[Mapping[str, Any]]:
        """The single mistakes, as {field, message, reason}, where the server named them."""
        return list((self.status.get("details") or {}).get("causes") or [])


class BadRequest(RefusedError):
    """The request could not be read."""


class Unauthorized(RefusedError):
    """Nobody that the server knows."""


class Forbidden(RefusedError):
    """Not allowed: by RBAC, by quota or by admission."""


class NotFound(RefusedError):
    """There is no such object."""


class Conflict(RefusedError):
    """The object is another than the one that was read, or a field belongs to another manager."""


class AlreadyExists(Conflict):
    """An object of that name stands already."""


class Gone(RefusedError):
    """The server's history does not hold that resourceVersion: it is too old, or from before etcd was restored."""


class TooLarge(RefusedError):
    """The object is larger than the server takes."""


class Invalid(RefusedError):
    """The object breaks its schema or a rule."""


_BY_CODE: dict[int, type[RefusedError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: TooLarge,
    422: Invalid,
}


def from_status(code: int, status: Mapping[str, Any], retry_after_s: float = 0.0) -> KubeError:
    """The error for an HTTP status and the Status object that came with it (or inside a watch)."""
    reason = str(status.get("reason") or "")
    message = str(status.get("message") or f"kube-apiserver answered {code}")
    details = status.get("details") or {}
    wait_s = retry_after_s or float(details.get("retryAfterSeconds") or 0)
    if any(cause.get("reason") == "ResourceVersionTooLarge" for cause in details.get("causes") or ()):
        return Gone(message, 410, "ResourceVersionTooLarge", status)
    if code == 429:
        return TooManyRequests(message, wait_s or 1.0)
    if code >= 500:
        return Unavailable(message, wait_s)
    if reason == "AlreadyExists":
        return AlreadyExists(message, code, reason, status)
    if reason in ("Expired", "Gone"):
        return Gone(message, code, reason, status)
    return _BY_CODE.get(code, RefusedError)(message, code, reason, status)
