"""What lies between a process and the fake: latency, and everything that can go wrong on the way. Chance has a seed.

A Wire is a Transport for `roost.kube.client.Client`: the kernel's own client sends its own requests. One Wire is one
process; when it dies, nothing that it still tries reaches the server.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import msgspec

from roost.kube.errors import KubeError, Unreachable
from roost.kube.transport import TIMEOUT_S, Request, Transport
from tests.simulation.fake import Server, refuse


class Death(BaseException):
    """The process is no more."""


@dataclass
class Chaos:
    """Chances from 0 to 1, by write where nothing else is said; `latency_s` is the longest of one way."""

    seed: int = 0
    latency_s: float = 0.005
    refuse: float = 0.0  # 409, 429, 500 or 503 instead of doing it; reads too, without 409.
    lose: float = 0.0  # Done, and the answer never arrives.
    crash_before: float = 0.0
    crash_after: float = 0.0
    stall: float = 0.0  # It arrives up to 40 s later, when nobody waits for it any more.
    merge: float = 0.0  # By event: the stream ends before it, and history is forgotten: a list tells what is left.
    end: float = 0.0  # By event: the stream breaks off after it.
    silence: float = 0.0  # By stream: it says nothing more, and nobody closes it.
    stale: float = 0.0  # By list: it is up to 30 changes old.
    cut: float = 0.0  # From then on nothing passes, either way, for 10 to 20 s: longer than a lease may be.
    late_s: float = 0.0  # Events arrive up to that much later: caches are stale.
    crash_at: int = 0  # The n-th write, exactly: `mode` says how.
    mode: str = ""


class Wire(Transport):
    """One process's way to the server."""

    def __init__(self, server: Server, agent: str, chaos: Chaos) -> None:
        self._server = server  # Nothing of the real Transport is set up: there is no network.
        self._agent = agent
        self._chaos = chaos
        self._chance = random.Random(chaos.seed)
        self._bell = asyncio.Event()
        self._dark_until = 0.0
        self.sent = 0
        self.dead = False
        self.before_write: Callable[[Request], None] = lambda request: None

    def calm(self) -> None:
        """From now on all goes well."""
        self._chaos = Chaos(self._chaos.seed, self._chaos.latency_s)

    def ring(self) -> None:
        """The server has something new."""
        self._bell.set()

    async def send(self, request: Request) -> bytes:
        """The answer, or what became of it."""
        self._live()
        await self._way()
        await self._darkness()
        writes = request.method != "GET"
        fate = self._fate(request, writes)
        if fate == "before":
            self._die()
        if fate == "refuse":
            raise self._refusal(writes)
        if fate == "stall":
            asyncio.get_running_loop().call_later(self._chance.random() * 40.0, self._late, request)
            await asyncio.sleep(TIMEOUT_S)
            raise Unreachable("The answer never came.")
        behind = self._chance.randint(1, 30) if not writes and self._chance.random() < self._chaos.stale else 0
        answer = self._server.handle(request, self._agent, behind)
        if fate == "after":
            self._die()
        if fate == "lose":
            raise Unreachable("The answer never came.")
        await self._way()
        self._live()
        return answer

    @asynccontextmanager
    async def lines(self, request: Request, silence_s: float | None) -> AsyncIterator[AsyncIterator[str]]:
        """The events of a watch."""
        self._live()
        await self._way()
        since = int(request.params.get("resourceVersion") or self._server.version)
        if since < self._server.oldest or since > self._server.version:
            raise refuse(410, "Expired", f"too old resource version: {since} ({self._server.oldest})")
        silent = self._chance.random() < self._chaos.silence
        yield self._silence(silence_s) if silent else self._events(request, since, silence_s)

    async def close(self) -> None:
        """Nothing is open."""

    async def _silence(self, silence_s: float | None) -> AsyncIterator[str]:
        if silence_s is None:
            await asyncio.Event().wait()
        await asyncio.sleep(silence_s or 0.0)
        raise Unreachable("Nothing was heard for too long.")
        yield ""

    async def _events(self, request: Request, since: int, silence_s: float | None) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        ends = loop.time() + float(request.params.get("timeoutSeconds", "60"))
        labels = request.params.get("labelSelector", "")
        while loop.time() < ends:
            self._live()
            self._bell.clear()
            if since < self._server.oldest:
                yield _line("ERROR", {"code": 410, "reason": "Expired", "message": "too old resource version"})
                return
            upto = self._server.version
            for version, told in list(self._server.events(request.path, since, labels)):
                if self._chance.random() < self._chaos.merge:
                    self._server.forget_history()
                    return
                await asyncio.sleep(self._chance.random() * self._chaos.late_s)
                yield msgspec.json.encode(told).decode()
                if self._chance.random() < self._chaos.end:
                    raise Unreachable("The stream broke off.")
                since = version
            since = upto
            try:
                async with asyncio.timeout_at(ends):
                    await self._bell.wait()
                    await self._way()
            except TimeoutError:
                break
        yield _line("BOOKMARK", {"metadata": {"resourceVersion": str(since)}})

    async def _darkness(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._chance.random() < self._chaos.cut:
            self._dark_until = now + 10.0 + 10.0 * self._chance.random()
        if now < self._dark_until:
            await asyncio.sleep(self._dark_until - now)
            raise Unreachable("Nothing passed.")

    async def _way(self) -> None:
        await asyncio.sleep(self._chance.random() * self._chaos.latency_s)

    def _fate(self, request: Request, writes: bool) -> str:
        """What will become of a request."""
        chaos = self._chaos
        if not writes:
            return "refuse" if self._chance.random() < chaos.refuse / 2 else ""
        self.sent += 1
        self.before_write(request)
        if self.sent == chaos.crash_at:
            return chaos.mode
        chances = {"before": chaos.crash_before, "after": chaos.crash_after, "refuse": chaos.refuse}
        for fate, chance in {**chances, "lose": chaos.lose, "stall": chaos.stall}.items():
            if self._chance.random() < chance:
                return fate
        return ""

    def _refusal(self, writes: bool) -> Exception:
        code, reason = self._chance.choice(
            [(409, "Conflict"), (429, "TooManyRequests"), (500, "InternalError"), (503, "ServiceUnavailable")]
            if writes
            else [(429, "TooManyRequests"), (500, "InternalError"), (503, "ServiceUnavailable")]
        )
        return refuse(code, reason, "Not now.")

    def _late(self, request: Request) -> None:
        """It arrives after all, whatever became of who sent it."""
        with suppress(KubeError):
            self._server.handle(request, self._agent)

    def _die(self) -> None:
        self.dead = True
        raise Death

    def _live(self) -> None:
        if self.dead:
            raise Death


def _line(kind: str, item: object) -> str:
    return msgspec.json.encode({"type": kind, "object": item}).decode()
