"""The envelope of every request: an id, a bound on the body, headers that keep browsers careful, one line in the log.

Pure ASGI and outermost, so that streams pass without buffering.
"""

import logging
import re
import secrets
import time
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roost.api import metrics, seen
from roost.api.errors import problem_response
from roost.surface.problems import Problem

MAX_BODY = 1_600_000
# What streams to the git server, which bounds it.
_STREAMED = re.compile(r"^/[^/]+/[^/]+\.git/|^/v1/tenants/[^/]+/projects/[^/]+/archive$")
_LOG = logging.getLogger("roost.api.access")
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


@dataclass
class _Answer:
    status: int = 0
    first_byte_s: float = 0.0


class Envelope:
    """Wraps the application. Git bodies (`*.git/*`) and archives are bounded by the git server, not here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        # Never the caller's: an id that others choose could point an auditor to the wrong line.
        id_ = secrets.token_hex(8)
        scope["roost.request_id"] = id_
        answer = _Answer()
        started = time.perf_counter()

        async def send_out(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                answer.status = message["status"]
                answer.first_byte_s = time.perf_counter() - started
                present = {name.lower() for name, _ in message.get("headers", ())}
                extra = [pair for pair in _HEADERS if pair[0] not in present]
                extra += [(b"set-cookie", line) for line in seen.cookies(scope.get("roost.wrote", {}))]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", id_.encode()), *extra]
            await send(message)

        with metrics.OPEN.track_inprogress():
            try:
                await self._guarded(scope, receive, send_out, id_)
            finally:
                if scope["path"] not in ("/healthz", "/readyz"):
                    _count(scope, answer)
                    _log(scope, id_, answer.status, time.perf_counter() - started)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send, id_: str) -> None:
        if scope["type"] == "websocket" or _STREAMED.match(scope["path"]):
            await self._app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY:
            await problem_response(_too_large(), id_)(scope, receive, send)
            return
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MAX_BODY:
                raise _too_large()
            return message

        await self._app(scope, bounded, send)


def _too_large() -> Problem:
    return Problem("too-large", f"A body has at most {MAX_BODY} bytes.", headers={"Connection": "close"})


def _count(scope: Scope, answer: _Answer) -> None:
    method = str(scope.get("method", "WS"))
    method = method if method in metrics.METHODS else "other"
    # The pattern, never the path: paths are the callers' and without end.
    route = str(getattr(scope.get("route"), "path", "")) or "none"
    metrics.REQUESTS.labels(method, route, str(answer.status)).inc()
    if answer.status:
        metrics.REQUEST_S.labels(method, route).observe(answer.first_byte_s)


def _log(scope: Scope, id_: str, status: int, seconds: float) -> None:
    _LOG.info(
        "request",
        extra={
            "request_id": id_,
            "method": scope.get("method", "WS"),
            "path": scope["path"][:300],
            "status": status,
            "milliseconds": round(seconds * 1000, 1),
            "person": scope.get("roost.person", ""),
        },
    )
