"""Health and metrics over HTTP: `/livez`, `/readyz`, `/metrics`; nothing else, GET only, bounded.

`mains` start it. A process lives while its event loop turns; it is ready when `ready` says so.
"""

import asyncio
from collections.abc import Callable

from prometheus_client import generate_latest

LONGEST_REQUEST = 8192
PATIENCE_S = 5.0


async def serve(address: str, ready: Callable[[], bool]) -> asyncio.Server:
    """Listen on `host:port` (port 0: any); close the server to end."""
    host, _, port = address.rpartition(":")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                status, body = _respond(head.split(b"\r\n", 1)[0], ready)
                writer.write(_head(status, len(body)) + body)
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # A caller that does not finish its request gets no answer.
        finally:
            writer.close()

    return await asyncio.start_server(answer, host.strip("[]") or None, int(port), limit=LONGEST_REQUEST)


def _respond(line: bytes, ready: Callable[[], bool]) -> tuple[str, bytes]:
    method, _, rest = line.partition(b" ")
    path = rest.split(b" ", 1)[0].split(b"?", 1)[0]
    if method != b"GET":
        return "405 Method Not Allowed", b"GET only\n"
    if path == b"/metrics":
        return "200 OK", generate_latest()
    if path in (b"/livez", b"/healthz"):
        return "200 OK", b"ok\n"
    if path == b"/readyz":
        return ("200 OK", b"ok\n") if ready() else ("503 Service Unavailable", b"not ready\n")
    return "404 Not Found", b"not found\n"


def _head(status: str, length: int) -> bytes:
    kind = "text/plain; version=0.0.4; charset=utf-8"
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n".encode()
    )
