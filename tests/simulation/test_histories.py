"""The kernel against the fake in virtual time: histories from seeds, and deaths at each single write."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation import history, virtual
from tests.simulation.wire import Chaos
from tests.simulation.world import ELSEWHERE, Process, World, follow

ROOT = Path(__file__).resolve().parents[2]
FEW, MANY = range(1, 31), range(1000, 2000)
TRACE = """
import logging, sys
import structlog
from tests.simulation import history
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
for write in history.play(int(sys.argv[1])):
    print(write)
"""


@pytest.mark.parametrize("seed", FEW)
def test_a_history_ends_as_it_must(seed: int) -> None:
    history.play(seed)


@pytest.mark.full
def test_a_thousand_histories_end_as_they_must() -> None:
    for seed in MANY:
        history.play(seed)


async def life(world: World, process: Process) -> int:
    """An App is made, changed and deleted; at each stop all is as it must be. How many writes that took."""
    await world.set_app("shop", A="1", B="2", PLATFORM="3", AWAY=ELSEWHERE)
    await asyncio.sleep(60)
    world.judge()
    await world.set_app("shop", B="4", C="1", PLATFORM="5")
    await asyncio.sleep(60)
    world.judge()
    await world.delete("App", "shop")
    await asyncio.sleep(60)
    world.judge()
    assert not world.apps() and not world.maps()
    assert process.wire is not None
    return process.writes + process.wire.sent


def live(chaos: Chaos, second_at: int = 0) -> tuple[int, int]:
    """(writes, deaths) of a life. second_at: another controller, as sure of itself, begins at that write."""

    async def alone() -> tuple[int, int]:
        world = World(chaos.seed)
        try:
            process = world.start("controller", chaos)
            if second_at:
                await asyncio.sleep(0)
                follow(world, process, second_at)
            return await life(world, process), process.deaths
        finally:
            await world.end()

    return virtual.run(alone)


@pytest.mark.parametrize("mode", ["before", "after", "lose"])
def test_a_death_or_a_lost_answer_at_each_write(mode: str) -> None:
    total, deaths = live(Chaos(7))
    assert total >= 15 and not deaths
    for number in range(1, total + 1):
        _, deaths = live(Chaos(7, crash_at=number, mode=mode))
        assert deaths == (0 if mode == "lose" else 1), f"write {number} of {total}"


def test_a_second_leader_at_each_write() -> None:
    """Two that are both sure to lead: the fence is open for both. They make nothing twice and end alike."""
    total, _ = live(Chaos(7))
    for number in range(1, total + 1):
        live(Chaos(7, latency_s=0.02), second_at=number)


@pytest.mark.parametrize("seed", [4, 11])
def test_a_seed_tells_the_same_story_in_every_process(seed: int) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", TRACE, str(seed)]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [str(write) for write in history.play(seed)]


def test_a_failure_names_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(world: World, since: int) -> None:
        raise AssertionError("as the test wants it")

    monkeypatch.setattr(World, "judge_calm", refuse)
    with pytest.raises(AssertionError, match=r"Seed 5: .*as the test wants it"):
        history.play(5)
