"""One request to `git http-backend` (CGI), streamed both ways with bounded memory.

The server's ASGI application calls `run`. It feeds the request's body to git as it comes, gives git's answer out as it
comes, and returns only when git and everything that it started have ended; whoever cancels it ends them.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

CHUNK = 65536
_HEAD_LIMIT = 16384
_LEFT_S = 10.0

Receive = Callable[[], Awaitable[bytes | None]]  # The next part of the body; None at its end.


class GitFailed(Exception):
    """git ended without an answer."""


class ClientGone(Exception):
    """The client hung up."""


@dataclass(frozen=True)
class Head:
    """What git's answer begins with."""

    status: int
    headers: tuple[tuple[str, str], ...]


class Backend:
    """One `git http-backend` process, in a process group of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout

    async def feed(self, receive: Receive, limit: int, idle_s: float) -> bool:
        """Hand the body to git. False where it was longer than `limit` bytes; then git saw it end there.

        What git no longer wants to read is still taken from the client, so that the client comes to read the answer;
        up to eight times the limit, then the connection is given up (ClientGone).
        """
        total = 0
        wanted = True
        while True:
            async with asyncio.timeout(idle_s):
                part = await receive()
            if part is None:
                break
            total += len(part)
            if total > limit * 8:
                raise ClientGone("The body does not end.")
            if wanted and total <= limit:
                try:
                    self._stdin.write(part)
                    await self._stdin.drain()
                    continue
                except (BrokenPipeError, ConnectionResetError):
                    pass
            if wanted:
                wanted = False
                self._close()
        self._close()
        return total <= limit

    def _close(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._stdin.close()

    async def head(self) -> Head:
        """The status and headers that git gave. GitFailed where there are none."""
        try:
            raw = await self._stdout.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise GitFailed("git gave no answer.") from error
        status, headers = 200, []
        for line in raw.decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(": ")
            if name.lower() == "status":
                status = int(value.split()[0])
            elif colon:
                headers.append((name.lower(), value))
        return Head(status, tuple(headers))

    async def body(self) -> AsyncIterator[bytes]:
        """git's answer after the head, until it has ended."""
        while chunk := await self._stdout.read(CHUNK):
            yield chunk

    async def ended(self) -> int:
        """git's exit status, once it has one."""
        return await self._process.wait()

    async def end(self) -> None:
        """See to it that nothing of the group is left: ask, then kill."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LEFT_S):
                    await self._process.wait()
        self._close()


@contextlib.asynccontextmanager
async def run(environment: Mapping[str, str]) -> AsyncIterator[Backend]:
    """A Backend for one request; `environment` is complete (CGI variables and git's). Ended when the block is left."""
    process = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        env=dict(environment),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=max(_HEAD_LIMIT, CHUNK),
        start_new_session=True,
    )
    backend = Backend(process)
    try:
        yield backend
    finally:
        await asyncio.shield(backend.end())
