"""A controller dies before or after each of its writes, or never hears the answer: the end is always the same."""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from roost.kernel.lease import Open
from roost.kernel.runtime import Runtime
from roost.kube.client import Client
from roost.kube.errors import Conflict, TooManyRequests, Unavailable, Unreachable
from roost.kube.transport import Request, Transport, read_config
from roost.settings import Settings
from tests.integration.apiserver import ApiServer
from tests.integration.kernel import toy
from tests.integration.kernel.conftest import Place

pytestmark = pytest.mark.integration

LONGEST_S = 25.0


class Death(BaseException):
    """The process is no more."""


class Faulty(Transport):
    """Lets the n-th write to some namespaces go wrong, or each with some chance. Knows every write that arrived."""

    def __init__(self, server: ApiServer, namespaces: tuple[str, ...]) -> None:
        super().__init__(read_config(str(server.kubeconfig)), "toy-faulty")
        self._namespaces = namespaces
        self.writes = 0
        self.at = 0
        self.mode = ""
        self.chance = random.Random(0)
        self.trouble = 0.0

    async def send(self, request: Request) -> bytes:
        """Send, or fail on the way there or back."""
        if request.method == "GET" or not any(f"namespaces/{name}" in request.path for name in self._namespaces):
            return await super().send(request)
        self.writes += 1
        if self.trouble and self.chance.random() < self.trouble:
            raise self.chance.choice(
                [TooManyRequests("slow down", 0.05), Unavailable("no leader"), Conflict("changed", 409, "Conflict")]
            )
        if self.writes != self.at:
            return await super().send(request)
        if self.mode == "before":
            raise Death
        answer = await super().send(request)
        if self.mode == "after":
            raise Death
        if self.mode == "lost":
            raise Unreachable("The answer is lost.")
        return answer


@dataclass
class World:
    """Two namespaces, and a controller that is started again whenever it died."""

    server: ApiServer
    place: Place
    elsewhere: str
    transport: Faulty
    deaths: int = 0
    task: asyncio.Task[None] | None = None
    problems: list[BaseException] = field(default_factory=list)

    async def until(self, check: Callable[[], Awaitable[bool]]) -> None:
        """Let controllers work until it is so."""
        async with asyncio.timeout(LONGEST_S):
            while not await check():
                if self.task is None or self.task.done():
                    self._restart()
                await asyncio.sleep(0.05)

    async def end(self) -> None:
        """Stop the controller."""
        if self.task is not None and self.task.done():
            self._note()
        elif self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        self.task = None
        await self.transport.close()

    def _restart(self) -> None:
        if self.task is not None:
            self._note()
        runtime = Runtime(Client(self.transport), [toy.FINAL], Settings(workers=2))
        self.task = asyncio.ensure_future(runtime.run(Open()))

    def _note(self) -> None:
        assert self.task is not None
        self.deaths += 1
        error = self.task.exception()
        group = error.split(Death)[1] if isinstance(error, BaseExceptionGroup) else error
        self.problems += [group] if group else []


async def live_through(world: World) -> None:
    """Make an App, change it, delete it; at each stop, exactly what should be there is there."""
    place, elsewhere = world.place, world.elsewhere

    async def ready() -> bool:
        return await place.ready("one") == "True Ready"

    await place.app("one", A="1", PLATFORM="2", ONCE="3", AWAY=elsewhere)
    await world.until(ready)
    assert await place.maps() == {"one-a": "1", "one-platform": "2", "one-once": "3"}
    assert await place.maps(elsewhere) == {"one-away": elsewhere}
    await place.app("one", B="1", PLATFORM="4", ONCE="5", AWAY=elsewhere)

    async def changed() -> bool:
        names = {entry["name"] for entry in (await place.read("one"))["status"].get("inventory") or ()}
        return await ready() and names == {"one-b", "one-platform", "one-once", "one-away"}

    await world.until(changed)
    assert await place.maps() == {"one-b": "1", "one-platform": "4", "one-once": "3"}
    await place.delete("one", "App")

    async def gone() -> bool:
        return await place.read("one") == {}

    await world.until(gone)
    assert await place.maps() == {} and await place.maps(elsewhere) == {}


@pytest.fixture
async def make(apiserver: ApiServer, place: Place) -> Any:
    """Make worlds around one namespace; each has another one of its own."""
    worlds: list[World] = []

    async def made() -> World:
        elsewhere = f"t{secrets.token_hex(4)}"
        await place.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": elsewhere}})
        worlds.append(World(apiserver, place, elsewhere, Faulty(apiserver, (place.name, elsewhere))))
        return worlds[-1]

    yield made
    for world in worlds:
        await world.end()


async def writes_of_a_life(make: Any) -> int:
    """How many writes a life without trouble takes."""
    world = await make()
    await live_through(world)
    assert world.deaths == 0
    await world.end()
    return int(world.transport.writes)


@pytest.mark.parametrize("mode", ["before", "after", "lost"])
async def test_the_end_is_the_same_whichever_write_fails(make: Any, mode: str) -> None:
    total = await writes_of_a_life(make)
    assert total >= 12
    for number in range(1, total + 1):
        world = await make()
        world.transport.at, world.transport.mode = number, mode
        await live_through(world)
        await world.end()
        reached = world.transport.writes >= number  # A life takes a write more or less, by when the caches know what.
        assert reached or number == total
        assert world.deaths == (1 if reached and mode != "lost" else 0), f"write {number}"
        assert not world.problems


@pytest.mark.parametrize("seed", range(1, 7))
async def test_the_end_is_the_same_on_a_bad_day(make: Any, seed: int) -> None:
    world = await make()
    world.transport.chance, world.transport.trouble = random.Random(seed), 0.15
    await live_through(world)
