"""One request to the git server and its answer, over ASGI; what of the request is read before git sees it."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from roost.gitserver.backend import ClientGone
from roost.gitserver.repositories import Name, NoRepository
from roost.gitserver.requests import Refused

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

IDLE_S: Final = 120.0  # A client that sends nothing for so long is given up.
NO_CACHE: Final = [(b"cache-control", b"no-cache, max-age=0, must-revalidate")]


class Exchange:
    """One request and its answer."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._whole = False
        self.started = False

    async def part(self) -> bytes | None:
        """The next part of the body; None at its end. ClientGone where the client hung up."""
        while not self._whole:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone("The client hung up.")
            self._whole = not message.get("more_body", False)
            if message.get("body"):
                return bytes(message["body"])
        return None

    async def gone(self) -> None:
        """Returns when the client has hung up; only after the whole body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            continue

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Begin the answer."""
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes, more: bool = True) -> None:
        """Go on with the answer, or end it."""
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def text(self, status: int, message: str) -> None:
        """A whole answer for a person."""
        headers = [(b"content-type", b"text/plain; charset=utf-8"), *NO_CACHE]
        if status == 401:
            headers.append((b"www-authenticate", b'Basic realm="roost"'))
        await self.start(status, headers)
        await self.write(f"{message}\n".encode(), more=False)


def named(path: str) -> Name:
    """The repository of `<tenant>/<project>`; Refused where it can be none."""
    try:
        return Name.parse(*path.split("/", 1))
    except (NoRepository, TypeError) as error:
        raise Refused(404, "There is no such project.") from error


async def whole_body(exchange: Exchange, limit: int) -> bytes:
    """The whole body; Refused where it has more than `limit` bytes."""
    body = b""
    while (part := await asyncio.wait_for(exchange.part(), IDLE_S)) is not None:
        body += part
        if len(body) > limit:
            raise Refused(413, f"This takes {limit >> 10} KiB at most.")
    return body


def headers_of(scope: Scope) -> dict[str, str]:
    """The headers by their names, in lower case."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
