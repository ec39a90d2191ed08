"""Going back under fire: the controller dies, or an answer is lost, at each single write; two lead at once."""

import asyncio

import pytest

from tests.simulation import virtual
from tests.simulation.shop import BAD, ShopWorld, spec
from tests.simulation.wire import Chaos
from tests.simulation.world import Process, follow

SETTLED_S = 600.0
FIRST, SECOND = spec("a", "one", replicas=2), spec("c", "two", migrates=True)


async def story(world: ShopWorld, process: Process) -> int:
    """Two good versions, a bad one, back while it crashes, on, back in the middle of a roll-out. Writes it took."""
    await world.open()
    await world.release(FIRST, "one")
    await asyncio.sleep(SETTLED_S)
    world.judge_shop()
    await world.release(SECOND, "two")
    await asyncio.sleep(SETTLED_S)
    world.judge_shop()
    await world.release(spec(BAD, "bad", migrates=True), "two")
    await asyncio.sleep(SETTLED_S)
    assert world.state() == "False CrashLooping", world.state()
    await world.roll_back(2, die_between=True)
    await world.roll_back(2)
    await asyncio.sleep(SETTLED_S)
    world.judge_shop()
    ran = {write.name for write in world.server.writes if write.kind == "Job" and write.verb == "POST"}
    assert ran == {"shop-v2-release", "shop-v3-release"}, "The command of v2 does not run again for v4."
    await world.release(spec("d", "three"), "three")
    await asyncio.sleep(1.5 * world.chance.random())
    await world.roll_back(1)
    await asyncio.sleep(SETTLED_S)
    # Whether what stood for a moment became a version is for the moment to say; what is asked for last serves whole.
    if len(world.releases()) < len(world.asked):
        del world.asked[-2]
    world.judge_shop()
    assert process.wire is not None
    return process.writes + process.wire.sent


def live(chaos: Chaos, second_at: int = 0) -> tuple[int, int]:
    """(writes, deaths) of the story. second_at: another controller, as sure of itself, begins at that write."""

    async def alone() -> tuple[int, int]:
        world = ShopWorld(chaos.seed)
        try:
            process = world.start("controller", chaos)
            if second_at:
                await asyncio.sleep(0)
                follow(world, process, second_at)
            written = await story(world, process)
            since = len(world.server.writes)
            await asyncio.sleep(SETTLED_S)
            told = [write for write in world.server.writes[since:] if write.agent != "person"]
            assert not told, f"All stands, and still: {told[:3]}"
            return written, process.deaths
        finally:
            await world.end()

    return virtual.run(alone)


def test_the_story_ends_as_it_must() -> None:
    total, deaths = live(Chaos(7))
    assert total >= 40 and not deaths


@pytest.mark.parametrize("seed", [2, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(3, 30))])
def test_it_does_whatever_goes_wrong_on_the_way(seed: int) -> None:
    live(Chaos(seed, latency_s=0.05, refuse=0.1, lose=0.05, end=0.1, late_s=0.5))


@pytest.mark.full
@pytest.mark.parametrize("mode", ["before", "after", "lose"])
def test_a_death_or_a_lost_answer_at_each_write(mode: str) -> None:
    total, _ = live(Chaos(7))
    for number in range(1, total + 1):
        _, deaths = live(Chaos(7, crash_at=number, mode=mode))
        assert deaths == (0 if mode == "lose" else 1), f"write {number} of {total}"


def test_a_death_at_some_writes() -> None:
    """A few, from everywhere in the story; all of them in the full run."""
    total, _ = live(Chaos(7))
    for number in range(2, total + 1, 11):
        live(Chaos(7, crash_at=number, mode="after" if number % 2 else "before"))


@pytest.mark.full
def test_a_second_leader_at_each_write() -> None:
    total, _ = live(Chaos(7))
    for number in range(1, total + 1):
        live(Chaos(7, latency_s=0.02), second_at=number)
