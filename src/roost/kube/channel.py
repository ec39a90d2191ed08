"""A channel: a command in a container, or a connection to its port, over a WebSocket, as one identity. For the API.

Frames carry one byte that names the stream: 0 in, 1 out, 2 error, 3 the final Status (JSON), 4 the terminal's size
(JSON). Kubernetes' protocol is `v5.channel.k8s.io`; its frame that ends a stream is `close`. To a port it is FORWARD,
with streams 0 (data) and 1 (error); the first frame of each names the port in two bytes.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from httpx2.websockets import AsyncWebSocketSession, HTTPXWSException, WebSocketDisconnect

from roost.kube.client import Client
from roost.kube.errors import Unreachable

IN, OUT, ERROR, STATUS, RESIZE = range(5)
PROTOCOL = "v5.channel.k8s.io"
FORWARD = "v4.channel.k8s.io"
_CLOSE = 255


class Channel:
    """An open channel."""

    def __init__(self, session: AsyncWebSocketSession) -> None:
        self._session = session

    async def send(self, stream: int, data: bytes) -> None:
        """Send to a stream; Unreachable when the other side has gone."""
        await self._send(bytes([stream]) + data)

    async def close(self, stream: int) -> None:
        """Say that nothing more comes on a stream."""
        await self._send(bytes([_CLOSE, stream]))

    async def _send(self, frame: bytes) -> None:
        try:
            await self._session.send_bytes(frame)
        except HTTPXWSException as error:
            raise Unreachable("The connection to the container broke off.") from error

    async def receive(self) -> tuple[int, bytes] | None:
        """(stream, data), or None when the command's side has closed. Unreachable when it broke off."""
        try:
            frame = await self._session.receive_bytes()
        except WebSocketDisconnect:
            return None
        except HTTPXWSException as error:
            raise Unreachable("The connection to the container broke off.") from error
        return (frame[0], frame[1:]) if frame else (OUT, b"")


@asynccontextmanager
async def connect(
    client: Client, path: str, params: Sequence[tuple[str, str]], protocol: str = PROTOCOL
) -> AsyncIterator[Channel]:
    """Open a channel, e.g. of `api/v1/namespaces/x/pods/y/exec`. KubeError when it is refused.

    What is raised inside the block leaves it in an ExceptionGroup; better raise nothing there.
    """
    # The identity's headers and the pool belong to the client; this is the one other way to use them.
    headers = {**client._headers, "Accept": "*/*"}
    async with client._transport.websocket(path, params, headers, protocol) as session:
        yield Channel(session)
