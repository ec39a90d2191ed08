"""What tests on a real kube-apiserver share.

apiserver    one kube-apiserver for the whole session, see tests/integration/apiserver.py
client       a client of its administrator, for one test
namespace    a fresh namespace, for one test
eventually   await eventually(check): until `check()` (may be async) gives something true, else its last answer
"""

import asyncio
import inspect
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from roost.kube.client import Client
from tests.integration import apiserver as servers
from tests.integration.apiserver import ApiServer

Eventually = Callable[..., Awaitable[Any]]


@pytest.fixture(scope="session")
def apiserver() -> Iterator[ApiServer]:
    """A running kube-apiserver with all kinds installed."""
    server = servers.start()
    yield server
    server.stop()


@pytest.fixture
async def client(apiserver: ApiServer) -> AsyncIterator[Client]:
    """A client of the administrator."""
    made = apiserver.client()
    yield made
    await made.close()


@pytest.fixture
async def namespace(client: Client) -> str:
    """The name of a fresh namespace; names differ between runs, so nothing is cleaned up."""
    name = f"t{secrets.token_hex(4)}"
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture
def eventually() -> Eventually:
    """Wait for something to become true. told: what is said with the failure, also of an object read at that moment."""

    async def wait(
        check: Callable[[], Any],
        timeout_s: float = 20.0,
        every_s: float = 0.05,
        told: Callable[[], Any] = lambda: "",
    ) -> Any:
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            found = check()
            found = await found if inspect.isawaitable(found) else found
            if found:
                return found
            if asyncio.get_running_loop().time() > deadline:
                words = told()
                words = await words if inspect.isawaitable(words) else words
                pytest.fail(f"Not true within {timeout_s} s: {inspect.getsource(check).strip()} {words}")
            await asyncio.sleep(every_s)

    return wait
