"""The fake answers as kube-apiserver does, as far as the kernel asks."""

import random
from datetime import UTC, datetime

import pytest

from roost.kube.client import Client, Selection
from roost.kube.errors import Gone
from tests.simulation.contract import Contract, config_map, take
from tests.simulation.fake import Server
from tests.simulation.wire import Chaos, Wire


class TestFake(Contract):
    """The suite over the fake; nothing goes wrong on the way."""

    @pytest.fixture
    async def client(self) -> Client:
        """A client of a fresh fake."""
        self.server = Server(random.Random(1), lambda: datetime.now(UTC))
        wire = Wire(self.server, "tests", Chaos(latency_s=0.0))
        self.server.ring = wire.ring
        return Client(wire)

    async def test_a_history_that_was_forgotten(self, client: Client, space: str) -> None:
        """kube-apiserver does so when it was started anew: tests/integration/kernel/test_trouble.py."""
        begin = (await client.page("v1", "ConfigMap", Selection(space))).version
        await client.create(config_map("x", space), "tests")
        first = await client.page("v1", "ConfigMap", Selection(space), limit=1)
        await client.create(config_map("y", space), "tests")
        rest = (await client.page("v1", "ConfigMap", Selection(space), limit=1)).rest
        self.server.forget_history()
        with pytest.raises(Gone):
            await take(client, Selection(space), begin, 1)
        with pytest.raises(Gone):
            await take(client, Selection(space), first.version, 1)
        with pytest.raises(Gone):
            await client.page("v1", "ConfigMap", Selection(space), rest)

    @pytest.fixture
    def space(self) -> str:
        """A namespace that it has."""
        return "one"
