"""The queue: each key once at a time, events fall together, a failing key waits longer and holds nobody up."""

import asyncio

from roost.kernel.queue import FIRST_S, LONGEST_S, Queue


def queue(gap_s: float = 0.0) -> Queue[str]:
    """A queue without chance."""
    return Queue(lambda: 1.0, gap_s)


async def soon(waiting: Queue[str]) -> str:
    """The next key, or AssertionError."""
    async with asyncio.timeout(1):
        return await waiting.get()


async def test_many_events_are_one_look() -> None:
    waiting = queue()
    for _ in range(5):
        waiting.add("a")
    waiting.add("b")
    assert [await soon(waiting), await soon(waiting)] == ["a", "b"]
    assert len(waiting) == 0


async def test_a_key_is_never_at_two_workers() -> None:
    waiting = queue()
    waiting.add("a")
    assert await soon(waiting) == "a"
    waiting.add("a")
    waiting.add("a")
    assert len(waiting) == 0
    waiting.done("a")
    assert await soon(waiting) == "a"
    waiting.done("a")
    assert len(waiting) == 0


async def test_looks_keep_a_distance() -> None:
    waiting = queue(gap_s=0.05)
    waiting.add("a")
    await soon(waiting)
    waiting.done("a")
    begun = asyncio.get_running_loop().time()
    waiting.add("a")
    assert len(waiting) == 0
    assert await soon(waiting) == "a"
    assert asyncio.get_running_loop().time() - begun >= 0.045


async def test_the_earliest_appointment_counts() -> None:
    waiting = queue()
    waiting.add_after("a", 0.02)
    waiting.add_after("a", 30)
    assert await soon(waiting) == "a"
    waiting.done("a")
    waiting.add_after("b", 30)
    waiting.add_after("b", 0.02)
    assert await soon(waiting) == "b"


async def test_a_look_voids_appointments() -> None:
    waiting = queue()
    waiting.add_after("a", 0.03)
    waiting.add("a")
    await soon(waiting)
    waiting.done("a")
    await asyncio.sleep(0.08)
    assert len(waiting) == 0


async def test_back_off_grows_to_a_limit_and_begins_anew() -> None:
    waiting = queue()
    pauses = [waiting.retry("a") for _ in range(15)]
    assert pauses[0] == FIRST_S and pauses[1] == 2 * FIRST_S and pauses[-1] == LONGEST_S
    assert waiting.failures("a") == 15 and waiting.failures("b") == 0
    waiting.settle("a")
    assert waiting.retry("a") == FIRST_S
    assert waiting.retry("a", least_s=9.0) == 9.0
    waiting.close()


async def test_a_failing_key_holds_nobody_up() -> None:
    waiting = queue()
    waiting.add("bad")
    await soon(waiting)
    waiting.retry("bad", 30)
    waiting.done("bad")
    waiting.add("good")
    assert await soon(waiting) == "good"
    waiting.forget("bad")
    assert waiting.failures("bad") == 0
