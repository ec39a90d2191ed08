"""The API for commands: `roost.surface.client.Api` with its problems told as `Failure`. Made by `Session`."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from roost.surface.client import Api
from roost.surface.problems import Problem
from roost.surface.terminal.failure import NOT_ALLOWED, USAGE, Failure, Unreachable
from roost.surface.terminal.state import Login
from roost.surface.terminal.words import tr

HINTS: Final = {
    "unauthenticated": "Sign in with `roost login`.",
    "forbidden": "`roost whoami` shows your roles.",
    "not-found": "Check the name and -t, -e and -a; the `list` commands show what there is.",
    "invalid": "Correct what is named and repeat the command; `--help` tells what is allowed.",
    "conflict": "Look at it again and repeat the command.",
    "too-many": "Wait a little and repeat the command.",
    "unavailable": "Repeat the command in a moment; `roost node status` shows the cluster on this machine.",
    "timeout": "Repeat the command in a moment; `roost node status` shows the cluster on this machine.",
    "internal": "Tell an administrator the request id.",
}
AWAY: Final = ("unavailable", "bad-gateway", "timeout")


def is_local(host: str) -> bool:
    """Whether a host name leads to this machine by RFC 6761."""
    return host == "localhost" or host.endswith(".localhost")


def trust(login: Login) -> ssl.SSLContext:
    """Whom to believe: the CA of the login alone, else the system's authorities."""
    _check_ca(login)
    return ssl.create_default_context(cafile=login.ca or None)


def _check_ca(login: Login) -> None:
    if login.ca and not Path(login.ca).is_file():
        raise Failure(
            tr("The CA file {file} is not there.", file=login.ca),
            hint=tr("Sign in again with `roost login {server} --ca FILE`.", server=login.server),
        )


def failure_of(problem: Problem, server: str = "") -> Failure:
    """A problem of the API as a command tells it."""
    if "CERTIFICATE_VERIFY_FAILED" in problem.detail:
        return Failure(
            tr("{server} is not trusted.", server=server),
            why=problem.detail,
            hint=tr("Sign in again with `roost login {server} --ca FILE`.", server=server),
            code=NOT_ALLOWED,
        )
    why = problem.detail
    for item in problem.errors:
        if item.message not in why:
            why += f"\n       {item.field}: {item.message}"
    kind = Unreachable if problem.kind in AWAY else Failure
    return kind(
        tr(problem.title),
        why=why,
        hint=tr(HINTS[problem.kind]) if problem.kind in HINTS else "",
        code=problem.exit_code,
        request_id=problem.request_id,
    )


class Client:
    """One API as one person."""

    def __init__(self, login: Login) -> None:
        url = urlsplit(login.server)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise Failure(tr("{url} is not the address of an API.", url=login.server), code=USAGE)
        _check_ca(login)
        self.server = login.server.rstrip("/")
        self.token = login.token
        with self._told():
            self.api = Api(self.server, login.token or None, login.ca or None)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except Problem as problem:
            raise failure_of(problem, self.server) from problem

    def get(self, path: str) -> dict[str, Any]:
        """GET; the JSON of the answer."""
        return self.send("GET", path)

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """One request; the JSON of the answer. Parameters that are None, empty or False are left out."""
        with self._told():
            return self.api.request(method, path, body, _clean(params), headers)

    def upload(self, path: str, file: BufferedIOBase, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """PUT of a file's content; the JSON of the answer."""
        with self._told():
            return self.api.upload(path, file, _clean(params))

    def form(self, path: str, fields: Mapping[str, str]) -> dict[str, Any]:
        """A form, as OAuth has it: the JSON of the answer, also where its `error` says no."""
        with self._told():
            return self.api.form(path, fields)

    def items(self, path: str, **params: Any) -> dict[str, Any]:
        """A whole list, page after page: `{items}`."""
        with self._told():
            return {"items": list(self.api.items(path, _clean(params)))}

    def lines(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """The lines of a log as they come; Unreachable when the stream breaks off."""
        with self._told():
            for line in self.api.logs(path, _clean(params)):
                yield {"time": line.time, "instance": line.instance, "process": line.process, "line": line.line}

    def download(self, path: str) -> Iterator[bytes]:
        """The bytes of a file, as they come."""
        with self._told():
            yield from self.api.download(path)

    def close(self) -> None:
        """Give the connections back."""
        self.api.close()


def _clean(params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (params or {}).items() if value is not None and value not in ("", False)}
