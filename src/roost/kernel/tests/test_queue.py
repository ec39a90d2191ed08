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


async def taken(waiting: Queue[str], number: int) -> list[str]:
    """The next keys, each done at once."""
    found = []
    for _ in range(number):
        found.append(await soon(waiting))
        waiting.done(found[-1])
    return found


async def test_a_tenant_with_ten_thousand_objects_does_not_starve_others() -> None:
    waiting: Queue[str] = Queue(lambda: 1.0, 0.0, group=lambda key: key[0])
    for number in range(10_000):
        waiting.add(f"a{number}")
    waiting.add("b1")
    waiting.add("b2")
    waiting.add("c1")
    first = await taken(waiting, 10)
    assert [key for key in first if key[0] != "a"] == ["b1", "c1", "b2"], "others wait for one key each, not for 10,000"
    assert len(waiting) == 10_003 - 10


async def test_a_tenant_never_has_all_workers() -> None:
    waiting: Queue[str] = Queue(lambda: 1.0, 0.0, group=lambda key: key[0], share=2)
    for key in ("a1", "a2", "a3", "a4"):
        waiting.add(key)
    assert [await soon(waiting), await soon(waiting)] == ["a1", "a2"]
    third, fourth = (asyncio.ensure_future(waiting.get()) for _ in range(2))
    await asyncio.sleep(0)
    waiting.add("b1")
    assert await asyncio.wait_for(third, 1) == "b1"
    assert not fourth.done() and len(waiting) == 2
    waiting.done("a1")
    assert await asyncio.wait_for(fourth, 1) == "a3"


async def test_a_worker_that_ends_leaves_its_key_to_another() -> None:
    waiting = queue()
    first, second = (asyncio.ensure_future(waiting.get()) for _ in range(2))
    await asyncio.sleep(0)
    waiting.add("a")
    first.cancel()
    assert await asyncio.wait_for(second, 1) == "a"
    assert first.cancelled() or (await asyncio.gather(first, return_exceptions=True))[0]


async def test_void_appointments_do_not_pile_up() -> None:
    waiting = queue()
    for _ in range(2_000):
        waiting.add_after("a", 600)
        waiting.add("a")
        await soon(waiting)
        waiting.done("a")
    assert len(waiting._appointments) < 100
    waiting.close()
