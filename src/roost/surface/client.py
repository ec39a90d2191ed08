"""The client of the API: what the CLI and tests talk through. Synchronous; one object per base URL and token.

    api = Api("https://api.roost.localhost", token="rst_...", ca="/path/ca.crt")
    for app in api.items("/v1/tenants/acme/environments/dev/apps"): ...
    for event in api.watch("/v1/tenants/acme/environments/dev/apps", {"name": "shop"}): ...
    for line in api.logs("/v1/tenants/acme/environments/dev/apps/shop/logs", {"follow": "true"}): ...

Everything that goes wrong is raised as `roost.surface.problems.Problem`, whose `exit_code` is what a command ends with.
Names beneath `.localhost` are this machine, whatever the resolver says (RFC 6761).
"""

import base64
import hashlib
import json
import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Final, Self

import httpx2

from roost.surface.problems import Problem, unavailable

TIMEOUT_S: Final = 30.0
SILENCE_S: Final = 40.0  # Streams send a heart-beat every 10 s; one that is silent for longer is dead.
UPLOAD_S: Final = 900.0  # What takes an upload answers when all is read and checked.
RETRIES: Final = 8

Params = Mapping[str, str | int | bool]


@dataclass(frozen=True)
class WatchEvent:
    """`added`, `modified`, `deleted`, `synced` (all that stood was sent) or `reset` (forget what you held)."""

    type: str
    object: dict[str, Any]


@dataclass(frozen=True)
class LogLine:
    """A line of an instance or a step. `instance` is empty for Roost's own remarks; `time` is RFC 3339 or empty."""

    time: str
    instance: str
    process: str
    line: str


class Api:
    """Calls to one API as one person."""

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        ca: str | Path | None = None,
        transport: httpx2.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        url = httpx2.URL(base_url.rstrip("/"))
        # One command may read on one replica what another has just written on the other: ask the cluster itself.
        headers = {"User-Agent": "roost-cli", "Accept": "application/json", "Cache-Control": "no-cache"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._extensions: dict[str, Any] = {}
        if url.host.endswith(".localhost"):
            headers["Host"] = url.netloc.decode("ascii")
            self._extensions["sni_hostname"] = url.host
            url = url.copy_with(host="127.0.0.1")
        self._pause = pause
        self._http = httpx2.Client(
            base_url=url,
            headers=headers,
            timeout=TIMEOUT_S,
            verify=_trust(ca),
            transport=transport,
            trust_env=not self._extensions,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # One answer

    def form(self, path: str, fields: Mapping[str, str]) -> dict[str, Any]:
        """POST of a form, as OAuth has it (RFC 6749, 5.2): an answer with `error` is no Problem."""
        try:
            response = self._http.post(path, data=dict(fields), extensions=self._extensions)
            found = response.json()
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error
        except ValueError:
            found = None
        if not isinstance(found, dict) or (response.status_code >= 400 and "error" not in found):
            raise _problem(response)
        return found

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The JSON of the answer ({} where there is none). Problem for everything that is no success."""
        return self._answer(method, path, params, json=body, headers=dict(headers or {}))

    def upload(self, path: str, file: BufferedIOBase, params: Params | None = None) -> dict[str, Any]:
        """PUT of a file's content, from its beginning, with its digest (RFC 9530)."""
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        digest = base64.b64encode(hashlib.file_digest(file, "sha256").digest()).decode()
        file.seek(0)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size),
            "Content-Digest": f"sha-256=:{digest}:",
        }
        timeout = httpx2.Timeout(TIMEOUT_S, read=UPLOAD_S, write=UPLOAD_S)
        return self._answer("PUT", path, params, content=file, headers=headers, timeout=timeout)

    def _answer(self, method: str, path: str, params: Params | None, **more: Any) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, params=_query(params), extensions=self._extensions, **more)
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error
        if response.status_code >= 400:
            raise _problem(response)
        if not response.content:
            return {}
        try:
            answer = response.json()
        except ValueError as error:
            raise Problem(
                "bad-gateway", "The server's answer is no JSON. Is this the address of a Roost API?"
            ) from error
        return answer if isinstance(answer, dict) else {"items": answer}

    def get(self, path: str, params: Params | None = None) -> dict[str, Any]:
        """GET."""
        return self.request("GET", path, params=params)

    def post(self, path: str, body: Any = None, params: Params | None = None) -> dict[str, Any]:
        """POST."""
        return self.request("POST", path, {} if body is None else body, params)

    def put(self, path: str, body: Any, params: Params | None = None) -> dict[str, Any]:
        """PUT."""
        return self.request("PUT", path, body, params)

    def patch(self, path: str, body: Any, params: Params | None = None) -> dict[str, Any]:
        """PATCH: a merge patch."""
        return self.request("PATCH", path, body, params)

    def delete(self, path: str, params: Params | None = None) -> dict[str, Any]:
        """DELETE."""
        return self.request("DELETE", path, params=params)

    def items(self, path: str, params: Params | None = None) -> Iterator[dict[str, Any]]:
        """Every object of a collection, page by page."""
        rest = ""
        while True:
            page = self.get(path, {**(params or {}), "limit": 500, **({"continue": rest} if rest else {})})
            yield from page.get("items", ())
            rest = (page.get("metadata") or {}).get("continue", "")
            if not rest:
                return

    def sign_in(self, name: str, password: str) -> dict[str, Any]:
        """`{token, expiresAt, person, initialPassword}`; later calls of this object use the token."""
        session = self.post("/v1/session", {"name": name, "password": password})
        self._http.headers["Authorization"] = f"Bearer {session['token']}"
        return session

    # Streams

    def watch(self, path: str, params: Params | None = None) -> Iterator[WatchEvent]:
        """Events for ever: a broken connection is taken up again where it broke. Close the generator to end."""
        position, failures = "", 0
        while True:
            try:
                for event in self._events(path, params, position):
                    failures = 0
                    position = event.id or position
                    if event.event == "error":
                        raise Problem.read(500, json.loads(event.data))
                    if event.event == "reset":
                        position = ""
                    if event.event != "bookmark":
                        yield WatchEvent(event.event, json.loads(event.data))
            except httpx2.HTTPError as error:
                failures = self._try_again(failures, _unreachable(error))
            except Problem as problem:
                if problem.kind not in ("unavailable", "bad-gateway", "timeout"):
                    raise
                failures = self._try_again(failures, problem)

    def _try_again(self, failures: int, problem: Problem) -> int:
        if failures >= RETRIES:
            raise problem
        self._pause(min(5.0, 0.2 * 2**failures))
        return failures + 1

    def _events(self, path: str, params: Params | None, position: str) -> Iterator[httpx2.ServerSentEvent]:
        headers = {"Accept": "text/event-stream"}
        if position:
            headers["Last-Event-ID"] = position
        with self._stream(path, {**(params or {}), "watch": True}, headers, SILENCE_S) as response:
            yield from httpx2.EventSource(response)

    def logs(self, path: str, params: Params | None = None) -> Iterator[LogLine]:
        """The lines of a log; with `follow` until the server ends them (a run that is over) or you close it."""
        try:
            with self._stream(path, params, {"Accept": "application/x-ndjson"}, SILENCE_S) as response:
                for text in response.iter_lines():
                    if not text:
                        continue
                    item = json.loads(text)
                    if "type" in item:
                        raise Problem.read(int(item.get("status", 500)), item)
                    yield LogLine(item["time"], item["instance"], item["process"], item["line"])
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error

    def download(self, path: str) -> Iterator[bytes]:
        """The bytes of a file, as they come. Problem where there is none, or where it broke off."""
        try:
            with self._stream(path, None, {"Accept": "*/*"}, TIMEOUT_S) as response:
                yield from response.iter_bytes()
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error

    def _stream(self, path: str, params: Params | None, headers: dict[str, str], silence_s: float) -> "_Streaming":
        return _Streaming(
            self._http.stream(
                "GET",
                path,
                params=_query(params),
                headers=headers,
                timeout=httpx2.Timeout(TIMEOUT_S, read=silence_s),
                extensions=self._extensions,
            )
        )


class _Streaming:
    """A streamed answer that raises its Problem on entering."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __enter__(self) -> httpx2.Response:
        response: httpx2.Response = self._inner.__enter__()
        if response.status_code >= 400:
            try:
                response.read()
                raise _problem(response)
            finally:
                self._inner.__exit__(None, None, None)
        return response

    def __exit__(self, *details: Any) -> None:
        self._inner.__exit__(*details)


def _trust(ca: str | Path | None) -> ssl.SSLContext | bool:
    if ca is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(ca))
    except (OSError, ssl.SSLError) as error:
        raise Problem("invalid", f"The CA file {ca} cannot be used: {error}") from error


def _query(params: Params | None) -> dict[str, str]:
    return {
        key: ("true" if value else "false") if isinstance(value, bool) else str(value)
        for key, value in (params or {}).items()
    }


def _problem(response: httpx2.Response) -> Problem:
    try:
        body = response.json()
    except ValueError:
        body = None
    return Problem.read(response.status_code, body, response.headers.get("x-request-id", ""))


def _unreachable(error: httpx2.HTTPError) -> Problem:
    if isinstance(error, httpx2.TimeoutException):
        return Problem("timeout", "The API did not answer in time. Is it well? Try again.")
    return unavailable(
        f"The API cannot be reached: {error or type(error).__name__}. Check the address and the network."
    )
