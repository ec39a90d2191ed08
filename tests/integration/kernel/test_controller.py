"""The process roost-controller with every capability that there is: it leads, stands by, and ends when asked to."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roost.kernel.lease import API
from roost.kube.client import Client
from roost.model.names import SYSTEM_NAMESPACE
from tests.integration import apiserver as servers
from tests.integration.apiserver import ApiServer
from tests.integration.conftest import Eventually

pytestmark = pytest.mark.integration

METRIC = re.compile(r"^roost_leader (\S+)$", re.MULTILINE)


class Processes:
    """Controllers of one cluster; leases of 3 s."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: dict[str, int] = {}

    def start(self, name: str) -> None:
        """Start one."""
        (self.ports[name],) = servers.free_ports(1)
        environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(self._server.kubeconfig),
            "ROOST_IDENTITY": name,
            "ROOST_METRICS": f"127.0.0.1:{self.ports[name]}",
            "ROOST_LEASE_DURATION_S": "3",
            "ROOST_LEASE_RENEW_S": "1",
        }
        with (self._folder / f"{name}.log").open("wb") as log:
            command = [sys.executable, "-m", "roost.mains.controller"]
            self.running[name] = subprocess.Popen(command, env=environment, stderr=log)

    def ask(self, name: str, path: str) -> str:
        """What it answers over HTTP."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def leads(self, name: str) -> bool:
        """Whether it says that it leads."""
        try:
            found = METRIC.search(self.ask(name, "/metrics"))
        except OSError:
            return False
        return found is not None and float(found[1]) == 1.0

    def log(self, name: str) -> str:
        """What it logged."""
        return (self._folder / f"{name}.log").read_text()


@pytest.fixture
def processes(apiserver: ApiServer, tmp_path: Path) -> Iterator[Processes]:
    made = Processes(apiserver, tmp_path)
    yield made
    for process in made.running.values():
        process.kill()
        process.wait(10)


@pytest.fixture
async def system(client: Client) -> None:
    """The namespace in which the Lease stands."""
    await client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}}, "tests")


async def holder(client: Client) -> str:
    """Who leads, or ""."""
    lease: dict[str, Any] = await client.get(API, "Lease", "roost-controller", SYSTEM_NAMESPACE) or {"spec": {}}
    return str(lease["spec"].get("holderIdentity", ""))


@pytest.mark.usefixtures("system")
async def test_one_leads_one_stands_by_and_each_ends_when_asked(
    processes: Processes, client: Client, eventually: Eventually
) -> None:
    processes.start("first")
    await eventually(lambda: processes.leads("first"), 30)
    processes.start("second")
    await eventually(lambda: "ok" in _answer(processes, "second", "/readyz"), 30)
    assert await holder(client) == "first" and not processes.leads("second")
    processes.running["first"].send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(processes.running["first"].wait, 15) == 0
    await eventually(lambda: processes.leads("second"), 15)
    assert await holder(client) == "second"
    assert "Traceback" not in processes.log("first") + processes.log("second")
    processes.running["second"].send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(processes.running["second"].wait, 15) == 0
    assert await holder(client) == ""


@pytest.mark.usefixtures("system")
async def test_a_process_that_lost_the_lease_stands_by_again(
    processes: Processes, client: Client, eventually: Eventually
) -> None:
    processes.start("sleeper")
    await eventually(lambda: processes.leads("sleeper"), 30)
    processes.running["sleeper"].send_signal(signal.SIGSTOP)
    processes.start("awake")
    await eventually(lambda: processes.leads("awake"), 30)
    processes.running["sleeper"].send_signal(signal.SIGCONT)
    await eventually(lambda: "standing by" in processes.log("sleeper"), 15)
    assert await holder(client) == "awake" and not processes.leads("sleeper")
    processes.running["awake"].send_signal(signal.SIGKILL)
    await eventually(lambda: processes.leads("sleeper"), 15)


def _answer(processes: Processes, name: str, path: str) -> str:
    try:
        return processes.ask(name, path)
    except OSError:
        return ""
