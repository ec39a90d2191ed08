"""Two controllers: one works, the other takes over, and even two at once make nothing twice."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from roost.kernel.clock import SystemClock
from roost.kernel.lease import API, Election, Fence, LeadershipLost, LeaseTimes
from roost.kube.client import Client
from tests.integration.apiserver import ApiServer
from tests.integration.conftest import Eventually
from tests.integration.kernel.conftest import Place, Run

pytestmark = pytest.mark.integration

CANDIDATE = """
import asyncio, sys
from roost.kernel.clock import SystemClock
from roost.kernel.lease import Election, LeaseTimes
from roost.kube.client import Client

async def main(kubeconfig, namespace, identity):
    client = Client.connect(kubeconfig, identity)
    async def work(fence):
        await asyncio.Event().wait()
    await Election(client, namespace, "lease", identity, SystemClock()).run(work, LeaseTimes(3.0, 0.75))

asyncio.run(main(*sys.argv[1:]))
"""


class Candidates:
    """Processes that want the Lease of a namespace; leases of 3 s."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, namespace: str, identity: str) -> None:
        """Start one."""
        arguments = [str(self._server.kubeconfig), namespace, identity]
        self.processes[identity] = subprocess.Popen([sys.executable, "-c", CANDIDATE, *arguments])


@pytest.fixture
def candidates(apiserver: ApiServer) -> Iterator[Candidates]:
    made = Candidates(apiserver)
    yield made
    for process in made.processes.values():
        process.kill()
        process.wait(10)


async def holder(client: Client, namespace: str) -> str:
    """Who holds the Lease, or ""."""
    lease = await client.get(API, "Lease", "lease", namespace)
    return str(lease["spec"].get("holderIdentity", "")) if lease else ""


async def test_the_other_takes_over_when_the_leader_is_killed(
    candidates: Candidates, client: Client, namespace: str, eventually: Eventually
) -> None:
    candidates.start(namespace, "first")

    async def leads() -> str:
        return await holder(client, namespace)

    assert await eventually(leads) == "first"
    candidates.start(namespace, "second")
    await asyncio.sleep(2)
    assert await holder(client, namespace) == "first"
    candidates.processes["first"].send_signal(signal.SIGKILL)
    lease: dict[str, Any] = await client.get(API, "Lease", "lease", namespace) or {}
    renewed = datetime.fromisoformat(lease["spec"]["renewTime"])

    async def other_leads() -> bool:
        return await holder(client, namespace) == "second"

    await eventually(other_leads)
    lease = await client.get(API, "Lease", "lease", namespace) or {}
    waited_s = (datetime.fromisoformat(lease["spec"]["acquireTime"]) - renewed).total_seconds()
    assert waited_s >= 3.0, "it took the Lease before it had ended"
    assert lease["spec"]["leaseTransitions"] == 1


async def test_a_leader_that_ends_gives_the_lease_back(
    candidates: Candidates, client: Client, namespace: str, eventually: Eventually
) -> None:
    election = Election(client, namespace, "lease", "graceful", SystemClock())
    working = asyncio.Event()

    async def work(fence: Fence) -> None:
        fence.check()
        working.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(election.run(work, LeaseTimes(60.0, 1.0)))
    await asyncio.wait_for(working.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await holder(client, namespace) == ""
    candidates.start(namespace, "next")

    async def next_leads() -> bool:
        return await holder(client, namespace) == "next"

    await eventually(next_leads)


async def test_a_leader_that_slept_past_its_lease_stops(
    candidates: Candidates, client: Client, namespace: str, eventually: Eventually
) -> None:
    candidates.start(namespace, "sleeper")

    async def sleeper_leads() -> bool:
        return await holder(client, namespace) == "sleeper"

    await eventually(sleeper_leads)
    candidates.processes["sleeper"].send_signal(signal.SIGSTOP)
    candidates.start(namespace, "awake")

    async def awake_leads() -> bool:
        return await holder(client, namespace) == "awake"

    await eventually(awake_leads)
    candidates.processes["sleeper"].send_signal(signal.SIGCONT)
    code = await asyncio.to_thread(candidates.processes["sleeper"].wait, 10)
    assert code == 1
    assert await holder(client, namespace) == "awake"


async def test_a_fence_closes_before_the_lease_ends(client: Client, namespace: str) -> None:
    class Cut(Client):
        """Renewals never arrive."""

        async def replace(self, *arguments: Any, **named: Any) -> Any:
            await asyncio.Event().wait()

    cut = Cut(client._transport)
    closed: list[float] = []
    loop = asyncio.get_running_loop()

    async def work(fence: Fence) -> None:
        begun = loop.time()
        try:
            while True:
                fence.check()
                await asyncio.sleep(0.02)
        finally:
            closed.append(loop.time() - begun)

    with pytest.raises(LeadershipLost):
        await Election(cut, namespace, "lease", "cut", SystemClock()).run(work, LeaseTimes(2.0, 0.5))
    assert closed[0] < 2.0


async def test_two_at_once_make_nothing_twice(
    apiserver: ApiServer, place: Place, run: Run, eventually: Eventually
) -> None:
    await run("toy-left")
    await run("toy-right")
    for number in range(10):
        await place.app(f"app{number}", A="1", ONCE="2")

    async def all_ready() -> bool:
        return all([await place.ready(f"app{number}") == "True Ready" for number in range(10)])

    await eventually(all_ready)
    await asyncio.sleep(2)
    assert len(await place.maps()) == 20
    mark = apiserver.mark()
    await asyncio.sleep(1.5)
    assert not apiserver.writes(mark, "toy-"), "two leaders keep writing against each other"


def test_the_process_ends_with_a_reason_where_there_is_no_cluster(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "roost.mains.controller"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "no usable kubeconfig" in done.stderr
