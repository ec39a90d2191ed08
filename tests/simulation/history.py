"""Random histories: what people do, what goes wrong, and that it ends as it must. `play` is one, from its seed.

Phases: trouble (changes while things go wrong); healing; controllers that begin anew over what stands, and may write
nothing; everything is deleted, and nothing may be left. A Violation names the seed.
"""

import asyncio
import random
from dataclasses import dataclass

from roost.kernel.store import OWNER_UID
from tests.simulation import virtual
from tests.simulation.fake import Write
from tests.simulation.wire import Chaos
from tests.simulation.world import ELSEWHERE, HERE, Violation, World

NAMES = ("shop", "blog", "mail")
SETTLE_S = 400.0  # The longest back-off, and something for good measure.
CALM_S = 120.0


@dataclass(frozen=True)
class Plot:
    """Everything that a seed decides about a history beforehand."""

    seed: int
    changes: int
    controllers: int
    elects: bool
    away: bool  # Some children stand in another namespace, where no owner reference leads.
    restarts: float  # Chance, by change, that all controllers are killed.
    chaos: Chaos


def plot(seed: int) -> Plot:
    """What happens in the history of a seed. Some days only one thing goes wrong, and on some everything does."""
    chance = random.Random(seed)
    some = {"refuse": 0.15, "lose": 0.1, "crash_before": 0.03, "crash_after": 0.05, "stall": 0.03}
    some |= {"merge": 0.15, "end": 0.2, "silence": 0.3, "stale": 0.5, "cut": 0.02}
    chosen = {name: most * chance.random() for name, most in some.items() if chance.random() < 0.5}
    late_s = chance.choice((0.0, 0.05, 0.5, 3.0))
    chaos = Chaos(seed, chance.choice((0.001, 0.02, 0.3)), late_s=late_s)
    for name, value in chosen.items():
        setattr(chaos, name, value)
    controllers, elects = chance.choice((1, 1, 2)), chance.random() < 0.5
    # What arrives when its owner is gone already is left to the garbage collector, which knows owner references only.
    away = (controllers == 1 or elects) and not chaos.stall
    restarts = chance.choice((0.0, 0.0, 0.1))  # Who looks at everything anew finds what was missed.
    return Plot(seed, chance.randint(5, 25), controllers, elects, away, restarts, chaos)


def play(seed: int) -> list[Write]:
    """Live through the history of a seed; its writes. Violation, with the seed, when it does not end as it must."""
    told = plot(seed)
    try:
        return virtual.run(lambda: _live(told))
    except Exception as error:  # Whatever it was: the seed is what matters.
        raise Violation(f"Seed {seed}: {type(error).__name__}: {error}\n    {told}") from error


async def _live(told: Plot) -> list[Write]:
    world = World(told.seed)
    try:
        for number in range(told.controllers):
            world.start(f"controller-{number}", told.chaos, told.elects)
        occupied = await _trouble(world, told)
        world.heal()
        await asyncio.sleep(SETTLE_S)
        await _leave(world, occupied)
        await asyncio.sleep(SETTLE_S)
        world.judge()
        mark = len(world.server.writes)
        world.restart()
        await asyncio.sleep(CALM_S)
        world.judge_calm(mark)
        world.judge()
        for name in NAMES:
            await world.delete("App", name)
        await asyncio.sleep(SETTLE_S)
        world.judge()
        if world.apps() or world.maps():
            raise Violation(f"Left over: {sorted(world.apps())} {sorted(world.maps())}")
        return world.server.writes
    finally:
        await world.end()


async def _trouble(world: World, told: Plot) -> frozenset[str]:
    """People change things; the names that strangers took meanwhile."""
    chance = random.Random(world.seed + 2)
    occupied: set[str] = set()
    for _ in range(told.changes):
        await asyncio.sleep(chance.choice((0.0, 0.01, 0.1, 1.0, 4.0)))
        if chance.random() < told.restarts:
            world.restart()
        name = chance.choice(NAMES)
        what = chance.random()
        if what < 0.5:
            await world.set_app(name, **_config(chance, told.away))
        elif what < 0.65:
            if chance.random() < 0.4:
                await world.set_app(name, **_config(chance, told.away))
                await asyncio.sleep(chance.choice((0.01, 0.05, 0.3)))
            await world.delete("App", name)
            if chance.random() < 0.5:
                await world.set_app(name, **_config(chance, told.away))
        elif what < 0.9 and world.maps():
            space, child = chance.choice(sorted(world.maps()))
            if child in occupied:
                continue
            if what < 0.75:
                await world.meddle(child, space)
            elif what < 0.83:
                await world.delete("ConfigMap", child, space)
            elif space == HERE:  # Somebody else's takes its place.
                await world.delete("ConfigMap", child, space)
                occupied |= {child} if await world.occupy(child) else set()
        elif await world.occupy(child := f"{name}-{chance.choice('abc')}"):
            occupied.add(child)
    return frozenset(occupied)


async def _leave(world: World, occupied: frozenset[str]) -> None:
    """What strangers made is as they made it; then they take it away."""
    for name in sorted(occupied):
        found = world.maps().get((HERE, name))
        if found is None or found["data"] != {"value": "theirs"} or OWNER_UID in found["metadata"]["labels"]:
            raise Violation(f"The stranger's {name} was touched: {found}")
        await world.delete("ConfigMap", name)


def _config(chance: random.Random, away: bool) -> dict[str, str]:
    config = {name: str(chance.randint(1, 3)) for name in ("A", "B", "C", "PLATFORM") if chance.random() < 0.5}
    return config | ({"AWAY": ELSEWHERE} if away and chance.random() < 0.3 else {})
