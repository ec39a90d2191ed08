"""One HTTP/1.1 exchange with the git server, passed on in both directions as it comes. For `git`.

The two directions are independent: an answer that comes while the request's body is still being sent (a refusal) is
passed on at once. Ordinary HTTP clients send the whole body first and would turn it into a broken pipe.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import h11

CONNECT_S: Final = 5.0
SILENCE_S: Final = 900.0
CHUNK: Final = 64 * 1024
Headers = list[tuple[bytes, bytes]]


class UpstreamGone(Exception):
    """The git server cannot be reached, or broke off; `answered`: after its answer had begun."""

    def __init__(self, message: str, answered: bool = False) -> None:
        super().__init__(message)
        self.answered = answered


@dataclass(frozen=True)
class Outgoing:
    """A request as it goes to the git server. `headers` are all that is sent, beside Host and the framing.

    `gone` waits, once the body is sent, until the client hangs up, and then raises.
    """

    method: str
    target: str
    headers: Headers
    body: AsyncIterator[bytes]
    length: int | None  # Of the body; None: in chunks.
    gone: Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Incoming:
    """The answer: its body comes as it comes; UpstreamGone when it breaks off."""

    status: int
    headers: Headers
    body: AsyncIterator[bytes]


class _Exchange:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = h11.Connection(h11.CLIENT)

    async def send(self, outgoing: Outgoing, host: str) -> None:
        """The head, then the body. A server that stops listening has its answer ready: that is no error here."""
        framing = (
            (b"Transfer-Encoding", b"chunked")
            if outgoing.length is None
            else (b"Content-Length", str(outgoing.length).encode())
        )
        headers = [(b"Host", host.encode()), (b"Connection", b"close"), framing, *outgoing.headers]
        await self._write(h11.Request(method=outgoing.method, target=outgoing.target, headers=headers))
        async for chunk in outgoing.body:
            if chunk:
                await self._write(h11.Data(data=chunk))
        await self._write(h11.EndOfMessage())
        await outgoing.gone()

    async def _write(self, event: h11.Event) -> None:
        data = self._protocol.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def event(self, answered: bool) -> h11.Event:
        """The next event of the answer."""
        while True:
            try:
                event = self._protocol.next_event()
            except h11.RemoteProtocolError as error:
                raise UpstreamGone(f"The git server's answer is broken: {error}", answered) from error
            if isinstance(event, h11.Event):
                return event
            if event is h11.PAUSED:
                raise UpstreamGone("The git server said more than was asked.", answered)
            try:
                data = await asyncio.wait_for(self._reader.read(CHUNK), SILENCE_S)
            except (TimeoutError, OSError) as error:
                raise UpstreamGone("The git server went silent.", answered) from error
            self._protocol.receive_data(data)

    async def body(self) -> AsyncGenerator[bytes, None]:
        """The parts of the answer's body."""
        while True:
            event = await self.event(answered=True)
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return
            elif isinstance(event, h11.ConnectionClosed):
                raise UpstreamGone("The git server broke off.", answered=True)


@asynccontextmanager
async def exchange(base_url: str, outgoing: Outgoing) -> AsyncIterator[Incoming]:
    """Send the request and give its answer. UpstreamGone; whatever the request's body raises ends the exchange."""
    parts = urlsplit(base_url)
    host, port = parts.hostname or "", parts.port or 80
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), CONNECT_S)
    except (TimeoutError, OSError) as error:
        raise UpstreamGone(f"The git server cannot be reached: {error}") from error
    talk = _Exchange(reader, writer)
    sending = asyncio.ensure_future(talk.send(outgoing, parts.netloc))
    try:
        head = await _head(talk, sending)
        yield Incoming(head.status_code, list(head.headers), _watched(talk, sending))
    finally:
        sending.cancel()
        await asyncio.wait({sending})
        if not sending.cancelled():
            sending.exception()
        writer.close()


async def _head(talk: _Exchange, sending: "asyncio.Task[None]") -> h11.Response:
    while True:
        receiving = asyncio.ensure_future(talk.event(answered=False))
        try:
            await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
            _raise_of_sender(sending)
            event = await receiving
        finally:
            receiving.cancel()
        if isinstance(event, h11.Response):
            return event
        if isinstance(event, h11.ConnectionClosed):
            raise UpstreamGone("The git server closed the connection without an answer.")


def _raise_of_sender(sending: "asyncio.Task[None]") -> None:
    """What the client's side raised (it hung up) ends all; that the git server stopped listening does not."""
    if not sending.done() or sending.cancelled():
        return
    error = sending.exception()
    if error is not None and not isinstance(error, OSError | h11.LocalProtocolError):
        raise error


async def _watched(talk: _Exchange, sending: "asyncio.Task[None]") -> AsyncGenerator[bytes, None]:
    async for chunk in talk.body():
        _raise_of_sender(sending)
        yield chunk
