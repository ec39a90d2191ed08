"""The API's client for commands: JSON in, JSON out, streams of lines, problems as `Failure`. Made by `Session`.

Names below `.localhost` lead to this machine (RFC 6761), whatever the resolver says. Every read is bounded, so that
nothing hangs on a half-open connection: the API sends a heart-beat every 10 s into its streams.
"""

import json
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx2

from roost.surface.problems import Problem
from roost.surface.terminal.failure import NOT_ALLOWED, USAGE, Failure, Unreachable
from roost.surface.terminal.state import Login
from roost.surface.terminal.words import tr

TIMEOUT_S: Final = 30.0
STREAM_TIMEOUT_S: Final = 30.0
CONNECT_S: Final = 10.0
PAGE: Final = 500

HINTS: Final = {
    "unauthenticated": "Sign in with `roost login`.",
    "forbidden": "Ask an owner of the tenant for the role; `roost whoami` shows yours.",
    "not-found": "Check the name and -t, -e and -a; the `list` commands show what there is.",
    "conflict": "Look at it again and repeat the command.",
    "too-many": "Wait a little and repeat the command.",
    "unavailable": "Repeat the command in a moment; `roost node status` shows the cluster on this machine.",
    "internal": "Tell an administrator the request id.",
}


def is_local(host: str) -> bool:
    """Whether a host name leads to this machine by RFC 6761."""
    return host == "localhost" or host.endswith(".localhost")


def trust(login: Login) -> ssl.SSLContext:
    """Whom to believe: the CA of the login alone, else the system's authorities."""
    if login.ca and not Path(login.ca).is_file():
        raise Failure(
            tr("The CA file {file} is not there.", file=login.ca),
            hint=tr("Sign in again with `roost login {server} --ca FILE`.", server=login.server),
        )
    try:
        return ssl.create_default_context(cafile=login.ca or None)
    except (ssl.SSLError, OSError) as error:
        raise Failure(tr("The CA file {file} cannot be read.", file=login.ca), why=str(error)) from error


class _Local(httpx2.HTTPTransport):
    """Connects to 127.0.0.1 and keeps the name in Host and in TLS."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host="127.0.0.1")
        return super().handle_request(request)


def failure_of(problem: Problem) -> Failure:
    """A problem of the API as a command tells it."""
    why = problem.detail
    for item in problem.errors:
        if item.message not in why:
            why += f"\n       {item.field}: {item.message}"
    kind = Unreachable if problem.kind in ("unavailable", "bad-gateway") else Failure
    return kind(
        tr(problem.title),
        why=why,
        hint=tr(HINTS[problem.kind]) if problem.kind in HINTS else "",
        code=problem.exit_code,
        request_id=problem.request_id,
    )


class Client:
    """One connection pool to one API as one person."""

    def __init__(self, login: Login) -> None:
        url = httpx2.URL(login.server)
        if url.scheme not in ("http", "https") or not url.host:
            raise Failure(tr("{url} is not the address of an API.", url=login.server), code=USAGE)
        self.server = login.server.rstrip("/")
        self.token = login.token
        verify = trust(login) if url.scheme == "https" else False
        headers = {"User-Agent": "roost-cli", "Accept": "application/json"}
        if login.token:
            headers["Authorization"] = f"Bearer {login.token}"
        self.http = httpx2.Client(
            base_url=self.server,
            headers=headers,
            verify=verify,
            timeout=httpx2.Timeout(TIMEOUT_S, connect=CONNECT_S),
            transport=_Local(verify=verify) if is_local(url.host) else None,
        )

    def get(self, path: str, **params: Any) -> Any:
        """GET; the JSON of the answer. Parameters that are None or empty are left out."""
        return self.send("GET", path, params=params)

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """One request; the JSON of the answer (None where it has none). Failure for every problem."""
        try:
            answer = self.http.request(method, path, json=body, params=_clean(params), headers=dict(headers or {}))
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error
        _check(answer)
        return _json(answer)

    def items(self, path: str, **params: Any) -> dict[str, Any]:
        """A whole list, page after page: `{items, metadata}`."""
        rows: list[Any] = []
        more = ""
        while True:
            answer = self.get(path, **params, limit=PAGE, **{"continue": more})
            rows.extend(answer.get("items", ()))
            more = (answer.get("metadata") or {}).get("continue") or ""
            if not more:
                return {**answer, "items": rows}

    def lines(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """The objects of an NDJSON stream as they come; Unreachable when it breaks off. Heart-beats are dropped."""
        timeout = httpx2.Timeout(STREAM_TIMEOUT_S, connect=CONNECT_S)
        try:
            with self.http.stream("GET", path, params=_clean(params), timeout=timeout) as answer:
                if answer.is_error:
                    answer.read()
                    _check(answer)
                for line in answer.iter_lines():
                    if line.strip():
                        yield _line(line)
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error

    def close(self) -> None:
        """Give the connections back."""
        self.http.close()

    def _unreachable(self, error: httpx2.HTTPError) -> Failure:
        text = str(error) or type(error).__name__
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return Failure(
                tr("{server} is not trusted.", server=self.server),
                why=text,
                hint=tr("Sign in again with `roost login {server} --ca FILE`.", server=self.server),
                code=NOT_ALLOWED,
            )
        return Unreachable(
            tr("{server} does not answer.", server=self.server),
            why=text,
            hint=tr("Check the address and the network; `roost node status` shows the cluster on this machine."),
        )


def _clean(params: Mapping[str, Any] | None) -> dict[str, str]:
    kept = {key: value for key, value in (params or {}).items() if value not in (None, "", False)}
    return {key: "true" if value is True else str(value) for key, value in kept.items()}


def _json(answer: httpx2.Response) -> Any:
    if not answer.content:
        return None
    try:
        return answer.json()
    except ValueError as error:
        raise Failure(
            tr("The answer is not that of a Roost API."),
            why=f"{answer.request.method} {answer.request.url.path}: {answer.headers.get('content-type', '-')}",
            hint=tr("Check the server: `roost whoami` shows it."),
        ) from error


def _line(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"line": text, "time": "", "instance": "", "process": ""}


def _check(answer: httpx2.Response) -> None:
    if answer.is_success:
        return
    try:
        body = answer.json()
    except ValueError:
        body = None
    raise failure_of(Problem.read(answer.status_code, body, answer.headers.get("x-request-id", "")))
