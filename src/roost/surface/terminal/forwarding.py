"""Ports of this machine that lead to an instance: `roost port-forward`. One connection is one WebSocket to the API."""

import socket
import socketserver
from threading import Thread
from typing import Final
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import Failure
from roost.surface.terminal.remote import connected
from roost.surface.terminal.session import Session
from roost.surface.terminal.words import tr

PIECE: Final = 64 * 1024


class Server(socketserver.ThreadingTCPServer):
    """Takes connections of this machine and passes each on."""

    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False

    def __init__(self, session: Session, here: tuple[str, int], there: int, instance: str) -> None:
        self.session = session
        self.path = f"{session.of_app('port-forward')}?{urlencode({'instance': instance, 'port': there})}"
        super().__init__(here, _Connection)


class _Connection(socketserver.BaseRequestHandler):
    server: Server

    def handle(self) -> None:
        """Both directions, until one ends."""
        try:
            with connected(self.server.session, self.server.path) as far:
                Thread(target=_upwards, args=(self.request, far), daemon=True).start()
                for frame in far:
                    self.request.sendall(frame.encode() if isinstance(frame, str) else frame)
        except ConnectionClosed as closed:
            out.say(tr("A connection ended: {why}", why=closed.rcvd.reason if closed.rcvd else str(closed)))
        except Failure as failure:
            out.say(": ".join(filter(None, [failure.message, failure.why])))
        except OSError:
            return  # The program on this machine has gone.


def _upwards(near: socket.socket, far: ClientConnection) -> None:
    try:
        while data := near.recv(PIECE):
            far.send(data)
        far.close()
    except (OSError, ConnectionClosed):
        return
