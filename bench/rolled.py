"""The application of P2: it answers at once, slowly, or by WebSocket, and just exits on SIGTERM."""

import asyncio
import base64
import hashlib
import os
import signal
from urllib.parse import parse_qs, urlsplit

BODY = os.environ.get("COLOUR", "").encode()
PORT = int(os.environ.get("PORT", "8080"))
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


async def frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """(opcode, payload) of a client's short frame."""
    head, length = await reader.readexactly(2)
    mask = await reader.readexactly(4)
    body = await reader.readexactly(length & 0x7F)
    return head & 0x0F, bytes(byte ^ mask[place % 4] for place, byte in enumerate(body))


async def socket(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: bytes) -> None:
    """Say what is said, until the client closes."""
    accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
    writer.write(b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    while True:
        code, body = await frame(reader)
        writer.write(bytes((0x80 | code, len(body))) + body)
        await writer.drain()
        if code == 8:
            return


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            first, *lines = head.split(b"\r\n")
            fields = {name.lower(): text.strip() for name, _, text in (line.partition(b":") for line in lines)}
            url = urlsplit(first.split(b" ")[1].decode())
            if url.path == "/ws":
                await socket(reader, writer, fields[b"sec-websocket-key"])
                return
            if url.path == "/slow":
                await asyncio.sleep(int(parse_qs(url.query)["ms"][0]) / 1000)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Until SIGTERM."""
    server = await asyncio.start_server(serve, "0.0.0.0", PORT, backlog=1024)
    await server.serve_forever()


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
if __name__ == "__main__":
    asyncio.run(main())
