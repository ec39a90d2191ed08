"""Times that start runs: whatever dies when, each time that is due has one Run, and missed ones have one together.

The project capability as it is, before the fake, in virtual time.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from roost.capabilities.project import capability
from roost.kernel.lease import Open
from roost.kernel.runtime import Runtime
from roost.kube.client import Client
from roost.kube.transport import Request
from roost.model.kinds.delivery import Project, ProjectSpec, Run, RunSpec
from roost.model.kinds.tenant import Environment, Tenant, TenantSpec
from roost.model.kinds.triggers import Schedule, Triggers
from roost.model.names import PROJECT
from roost.settings import Settings
from tests.simulation import virtual
from tests.simulation.fake import Object, Server
from tests.simulation.virtual import VirtualClock
from tests.simulation.wire import Chaos, Death, Wire

SPACE = "acme-build"
HOURS = 2
HOUR_S = 3600.0
HOURLY = Triggers(schedules=(Schedule(name="hourly", cron="0 * * * *"),))


@dataclass
class Site:
    """The fake, with one project that has a schedule and a branch that was pushed."""

    seed: int
    deaths: int = 0
    sent: int = 0
    problems: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = Server(random.Random(self.seed + 1), VirtualClock(self.seed).now)
        self.server.ring = self._ring
        self._wires: list[Wire] = []

    def _ring(self) -> None:
        for wire in self._wires:
            wire.ring()

    def client(self, agent: str, chaos: Chaos) -> tuple[Client, Wire]:
        wire = Wire(self.server, agent, chaos)
        self._wires.append(wire)
        return Client(wire), wire

    async def furnish(self) -> None:
        person, _ = self.client("person", Chaos(self.seed, latency_s=0.0))
        await person.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
        await person.create(Tenant.manifest("acme", TenantSpec(environments=(Environment(name="dev"),))))
        await person.create(Project.manifest("shop", ProjectSpec(triggers=HOURLY), SPACE))
        head = RunSpec(project="shop", ref="refs/heads/main", commit="a" * 40)
        await person.create(Run.manifest("shop-1-head", head, SPACE, labels={PROJECT: "shop"}))

    async def control(self, agent: str, chaos: Chaos, begin: Callable[[Request, Wire], None] | None = None) -> None:
        """A controller that is started again a second after each death."""
        while True:
            client, wire = self.client(agent, chaos)
            if begin is not None:
                wire.before_write = lambda request, wire=wire: begin(request, wire)  # type: ignore[misc]
            runtime = Runtime(client, [capability], Settings(workers=2, resync_s=10**6), VirtualClock(self.seed))
            try:
                await runtime.run(Open())
            except BaseExceptionGroup as group:
                rest = group.split(Death)[1]
                if rest is not None:
                    self.problems.append(rest)
                    return
                self.deaths += 1
            finally:
                self.sent += wire.sent
                wire.dead = True
            chaos = Chaos(chaos.seed, chaos.latency_s)
            await asyncio.sleep(1.0)

    def scheduled(self) -> list[Object]:
        return [run for run in self.server.standing("Run") if run["spec"].get("cause") == "schedule"]


async def _end(*tasks: "asyncio.Future[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def builder(site: Site) -> None:
    """Ends each run after five minutes."""
    client, _ = site.client("builder", Chaos(site.seed, latency_s=0.0))
    while True:
        await asyncio.sleep(300.0)
        for run in site.scheduled():
            if not (run.get("status") or {}).get("finishedAt"):
                await client.patch_status(run, {"phase": "Succeeded", "finishedAt": "2026-01-01T00:00:00Z"}, "builder")


def live(chaos: Chaos, second_at: int = 0) -> tuple[Site, int]:
    """(the site after some hours, the runs that it should have). second_at: another controller begins at that write."""

    async def story() -> Site:
        site = Site(chaos.seed)
        await site.furnish()
        second: list[asyncio.Task[None]] = []

        def begin(request: Request, wire: Wire) -> None:
            if second_at and wire.sent == second_at and not second:
                second.append(asyncio.ensure_future(site.control("second", Chaos(second_at, latency_s=0.02))))

        tasks = [asyncio.ensure_future(site.control("controller", chaos, begin)), asyncio.ensure_future(builder(site))]
        await asyncio.sleep(HOURS * HOUR_S + 60.0)
        await _end(*tasks, *second)
        return site

    return virtual.run(story), HOURS


def judge(site: Site, runs: int) -> None:
    assert site.problems == []
    names = [run["metadata"]["name"] for run in site.scheduled()]
    assert len(names) == len(set(names)) == runs, names


def test_each_hour_has_its_run() -> None:
    site, runs = live(Chaos(7))
    judge(site, runs)
    assert site.deaths == 0 and site.sent >= 2 * runs


@pytest.mark.parametrize("mode", ["before", "after", "lose"])
def test_a_death_or_a_lost_answer_at_each_write(mode: str) -> None:
    whole, _ = live(Chaos(7))
    for number in range(1, whole.sent + 1):
        site, runs = live(Chaos(7, crash_at=number, mode=mode))
        judge(site, runs)
        assert site.deaths == (0 if mode == "lose" else 1), f"write {number} of {whole.sent}"


def test_two_that_are_both_sure_to_lead_make_nothing_twice() -> None:
    whole, _ = live(Chaos(7))
    for number in range(1, whole.sent + 1):
        judge(*live(Chaos(7, latency_s=0.02), second_at=number))


def test_what_was_missed_while_no_controller_lived_runs_once() -> None:
    async def story() -> tuple[Site, int]:
        site = Site(3)
        await site.furnish()
        first = asyncio.ensure_future(site.control("first", Chaos(3)))
        await asyncio.sleep(600.0)
        await _end(first)
        await asyncio.sleep(50 * HOUR_S)
        before = len(site.scheduled())
        again = asyncio.ensure_future(site.control("again", Chaos(4)))
        await asyncio.sleep(600.0)
        await _end(again)
        return site, before

    site, before = virtual.run(story)
    assert before == 0 and site.problems == []
    (run,) = site.scheduled()
    assert run["spec"]["trigger"] == "hourly"
    (project,) = site.server.standing("Project")
    assert project["status"]["schedules"][0]["last"] == "2026-01-03T02:00:00Z"
