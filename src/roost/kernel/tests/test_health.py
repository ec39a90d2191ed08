"""Health and metrics over HTTP."""

import asyncio

import pytest

from roost.kernel import health


async def ask(port: int, text: bytes) -> bytes:
    """The whole answer to raw bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("request_line", "wanted"),
    [
        (b"GET /livez HTTP/1.1", b"200 OK"),
        (b"GET /healthz?verbose HTTP/1.1", b"200 OK"),
        (b"GET /readyz HTTP/1.1", b"503 "),
        (b"GET /metrics HTTP/1.1", b"roost_leader"),
        (b"GET /else HTTP/1.1", b"404 "),
        (b"POST /metrics HTTP/1.1", b"405 "),
        (b"\x00\xff", b"405 "),
    ],
)
async def test_it_answers_what_it_knows(request_line: bytes, wanted: bytes) -> None:
    server = await health.serve("127.0.0.1:0", lambda: False)
    port = server.sockets[0].getsockname()[1]
    assert wanted in await ask(port, request_line + b"\r\nHost: x\r\n\r\n")
    server.close()


async def test_a_request_without_end_is_dropped() -> None:
    server = await health.serve("127.0.0.1:0", lambda: True)
    port = server.sockets[0].getsockname()[1]
    try:
        assert await ask(port, b"GET /" + b"x" * 100_000) == b""
    except ConnectionResetError:
        pass
    assert b"200 OK" in await ask(port, b"GET /readyz HTTP/1.1\r\n\r\n")
    server.close()
