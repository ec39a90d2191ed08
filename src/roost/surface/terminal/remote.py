"""A remote command over a WebSocket with Kubernetes' channels: `roost exec`, `run`, `cp`; a port: `port-forward`.

Binary frames, first byte the channel: 0 in, 1 out, 2 error, 3 status (JSON), 4 resize (`v4.channel.k8s.io`).
The main thread reads the socket with bounded waits, so Ctrl-C is heeded at once; a daemon thread reads stdin.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from roost.surface.problems import Problem
from roost.surface.terminal.client import failure_of, is_local, trust
from roost.surface.terminal.failure import Failure, Unreachable
from roost.surface.terminal.session import Session
from roost.surface.terminal.words import tr

IN, OUT, ERROR, STATUS, RESIZE = range(5)
CONNECT_S: Final = 10.0
WAIT_S: Final = 1.0
CHUNK: Final = 32 * 1024


def attach(session: Session, path: str, instance: str, argv: tuple[str, ...], tty: bool) -> int:
    """Run `argv` in the instance, joined to this terminal; the exit code of the command."""
    return _joined(session, f"{path}?{_query(instance, argv, tty)}", tty)


def join(session: Session, path: str, instance: str, tty: bool) -> None:
    """Join this terminal to what the instance itself runs, until it ends. It tells no exit code."""
    _joined(session, f"{path}?{_query(instance, (), tty)}", tty)


def _joined(session: Session, path: str, tty: bool) -> int:
    with connected(session, path) as connection, _raw(tty):
        Thread(target=_send_stdin, args=(connection, tty), daemon=True).start()
        if tty:
            _send_size(connection)
            signal.signal(signal.SIGWINCH, lambda _, __: _send_size(connection))
        return _receive(connection)


def _query(instance: str, argv: tuple[str, ...], tty: bool) -> str:
    return urlencode([("instance", instance), *(("command", part) for part in argv), ("tty", str(tty).lower())])


def transfer(
    session: Session,
    instance: str,
    argv: tuple[str, ...],
    read: Callable[[], bytes] | None = None,
    write: Callable[[bytes], object] | None = None,
) -> tuple[int, str]:
    """Run `argv` in the instance with what `read` gives as its input (b"": the end) and `write` for its output.

    (exit code, what it said on its error stream).
    """
    said: list[bytes] = []
    with connected(session, f"{session.of_app('exec')}?{_query(instance, argv, False)}") as connection:
        Thread(target=_send_from, args=(connection, read or bytes), daemon=True).start()
        code = _receive(connection, write or said.append, said.append)
    return code, b"".join(said).decode(errors="replace").strip()


def _send_from(connection: ClientConnection, read: Callable[[], bytes]) -> None:
    try:
        while data := read():
            connection.send(bytes([IN]) + data)
        connection.send(bytes([IN]))
    except (OSError, ValueError, ConnectionClosed):
        return  # The main thread sees that the connection is gone and says so.


@contextmanager
def connected(session: Session, path: str) -> Iterator[ClientConnection]:
    """An open WebSocket to the API as the person who signed in; Failure where it is refused."""
    client = session.api
    url = urlsplit(client.server)
    port = url.port or (443 if url.scheme == "https" else 80)
    host = str(url.hostname)
    address = "127.0.0.1" if is_local(host) else host
    secure: dict[str, Any] = {}
    if url.scheme == "https":
        secure = {"ssl": trust(session.login), "server_hostname": host}
    uri = f"{'wss' if secure else 'ws'}://{url.netloc}{path}"
    try:
        sock = socket.create_connection((address, port), timeout=CONNECT_S)
        connection = connect(
            uri,
            sock=sock,
            additional_headers={"Authorization": f"Bearer {client.token}"},
            open_timeout=CONNECT_S,
            close_timeout=1,
            max_size=None,
            proxy=None,
            **secure,
        )
    except InvalidStatus as error:
        raise _refused(error) from error
    except (OSError, WebSocketException) as error:
        raise Unreachable(tr("{server} does not answer.", server=client.server), why=str(error)) from error
    with connection:
        yield connection


def _refused(error: InvalidStatus) -> Failure:
    answer = error.response
    try:
        body = json.loads(answer.body or b"")
    except ValueError:
        body = None
    return failure_of(Problem.read(answer.status_code, body, str(answer.headers.get("x-request-id", ""))))


@contextmanager
def _raw(tty: bool) -> Iterator[None]:
    """Every key goes to the other side, Ctrl-C too; the terminal is as before afterwards."""
    if not tty:
        yield
        return
    import termios
    import tty as terminal

    before = termios.tcgetattr(sys.stdin)
    terminal.setraw(sys.stdin, termios.TCSADRAIN)  # Keys that were pressed early are kept.
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _send_stdin(connection: ClientConnection, tty: bool) -> None:
    try:
        while data := os.read(sys.stdin.fileno(), CHUNK):
            connection.send(bytes([IN]) + data)
        if not tty:
            # The protocol's v4 has no end of input: an empty frame is what the API takes for it.
            connection.send(bytes([IN]))
    except (OSError, ConnectionClosed):
        return  # The main thread sees that the connection is gone and says so.


def _send_size(connection: ClientConnection) -> None:
    size = os.get_terminal_size(sys.stdout.fileno())
    try:
        connection.send(bytes([RESIZE]) + json.dumps({"Width": size.columns, "Height": size.lines}).encode())
    except ConnectionClosed:
        return


def _print_out(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _print_error(data: bytes) -> None:
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()


def _receive(
    connection: ClientConnection,
    out: Callable[[bytes], object] = _print_out,
    error: Callable[[bytes], object] = _print_error,
) -> int:
    while True:
        try:
            frame = connection.recv(timeout=WAIT_S)
        except TimeoutError:
            continue
        except ConnectionClosed as closed:
            raise Unreachable(tr("The connection broke off before the command ended."), why=str(closed)) from closed
        data = frame.encode() if isinstance(frame, str) else frame
        if not data:
            continue
        channel, rest = data[0], data[1:]
        if channel in (OUT, ERROR):
            (out if channel == OUT else error)(rest)
        elif channel == STATUS:
            return exit_code(rest)


def exit_code(status: bytes) -> int:
    """The exit code that Kubernetes' Status tells; Failure where the command could not be started."""
    try:
        value = json.loads(status)
    except ValueError:
        value = {}
    if value.get("status") == "Success":
        return 0
    for cause in (value.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode" and str(cause.get("message", "")).isdecimal():
            return int(cause["message"])
    raise Failure(tr("The command could not be run."), why=str(value.get("message") or status.decode(errors="replace")))
