"""Logs: every line once, in order, over reconnections, ends of containers and floods."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from roost.api import logstream
from roost.api.logstream import Container, Line, Logs, Tail, Wanted
from roost.kube.errors import BadRequest, NotFound, Unreachable
from roost.surface.problems import Problem, unauthenticated

WEB = Container("shop-1", "web", "web")


class Cluster:
    """A stand-in of the client: each connection to a log gives the next script, the pod is over when they are spent."""

    def __init__(self, *scripts: list[str] | Exception) -> None:
        self.scripts = list(scripts)
        self.asked: list[dict[str, str]] = []

    async def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        return {"status": {"phase": "Running" if self.scripts else "Succeeded"}}

    async def lines(
        self, path: str, params: Mapping[str, str] | None = None, silence_s: float | None = None
    ) -> AsyncGenerator[str]:
        self.asked.append(dict(params or {}))
        script = self.scripts.pop(0)
        if isinstance(script, Exception):
            raise script
        for line in script:
            if line == "hang":
                await asyncio.Event().wait()
            yield line


def _at(second: int, text: str = "x") -> str:
    return f"2026-01-31T08:00:{second:02}.000000000Z {text}{second}"


async def _nothing() -> None:
    return


def logs(cluster: Cluster, recheck: Any = _nothing) -> Logs:
    """A reader over the stand-in."""
    client: Any = cluster
    return Logs(client, "acme-dev", recheck, lambda: datetime(2026, 1, 31, 9, tzinfo=UTC))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logstream, "PAUSE_S", 0.0)
    monkeypatch.setattr(logstream, "RECHECK_S", 0.05)


async def follow(reader: Logs) -> list[str]:
    """The lines that following gives until the container is over."""
    found: list[Line] = []

    async def put(line: Line) -> None:
        found.append(line)

    async with asyncio.timeout(5):
        await reader.follow(WEB, Wanted(tail=10), put)
    return [line.line for line in found]


async def test_a_broken_connection_is_taken_up_without_loss_or_repetition() -> None:
    cluster = Cluster([_at(1), _at(2)], Unreachable("reset"), [_at(2), _at(3)], BadRequest("creating", 400), [_at(4)])
    assert await follow(logs(cluster)) == ["x1", "x2", "x3", "x4"]
    assert cluster.asked[0]["tailLines"] == "10" and "sinceTime" not in cluster.asked[0]
    assert cluster.asked[2]["sinceTime"] == "2026-01-31T08:00:02Z" and "tailLines" not in cluster.asked[2]


async def test_a_silent_connection_is_renewed_and_the_right_asked_for_again() -> None:
    asked = []

    async def recheck() -> None:
        asked.append(1)

    assert await follow(logs(Cluster([_at(1), "hang"], [_at(1), _at(2)]), recheck)) == ["x1", "x2"]
    assert asked == [1]


async def test_who_may_no_longer_gets_no_more() -> None:
    async def recheck() -> None:
        raise unauthenticated("You are no longer known here.")

    with pytest.raises(Problem):
        await follow(logs(Cluster([_at(1), "hang"], [_at(2)]), recheck))


async def test_a_pod_that_is_gone_ends_it() -> None:
    assert await follow(logs(Cluster([_at(1)], NotFound("gone", 404), [_at(2)]))) == ["x1"]


async def test_a_flood_is_cut_into_connections_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logstream, "LIMIT_FOLLOW", 100)
    # Three lines reach the limit: the third is cut by the server, and read whole from the next connection.
    cut = [[_at(first), _at(first + 1), _at(first + 2)[:-1]] for first in (1, 2, 3)]
    assert await follow(logs(Cluster(*cut, [_at(4), _at(5)]))) == ["x1", "x2", "x3", "x4", "x5"]


async def test_more_than_a_connection_brings_in_a_second_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logstream, "LIMIT_FOLLOW", 100)
    same = [_at(1), _at(1), _at(1)]
    later = "2026-01-31T09:00:01.000000000Z later"
    assert await follow(logs(Cluster(same, same, [later]))) == ["x1", "Too many lines; some are left out.", "later"]


async def test_what_is_read_at_once_is_merged_by_time() -> None:
    cluster = Cluster([_at(1, "a"), _at(4, "a")], BadRequest("not started", 400), [_at(2, "b"), _at(3, "b")])
    found = await logs(cluster).read([WEB, WEB, WEB], Wanted(tail=5))
    assert [line.line for line in found] == ["a1", "b2", "b3", "a4"]


async def test_a_tail_gives_heartbeats_and_ends_with_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logstream, "HEARTBEAT_S", 0.02)
    tail = Tail()

    async def work() -> None:
        await tail.put(Line("t", "i", "web", "one"))
        await asyncio.sleep(0.05)
        await tail.put(Line("t", "i", "web", "two"))

    tail.start(work())
    chunks = [chunk async for chunk in tail.output()]
    assert b"\n" in chunks
    assert [json.loads(chunk)["line"] for chunk in chunks if chunk != b"\n"] == ["one", "two"]


async def test_a_tail_raises_what_its_work_raised_and_stops_the_rest() -> None:
    tail = Tail()
    stopped = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def fails() -> None:
        raise Unreachable("gone")

    tail.start(endless())
    tail.start(fails())
    with pytest.raises(Unreachable):
        async for _ in tail.output():
            continue
    assert stopped.is_set()


def test_a_container_is_over_when_it_will_print_nothing_more() -> None:
    def pod(phase: str = "Running", policy: str = "Always", **state: Any) -> dict[str, Any]:
        statuses = [{"name": "web", "state": state}]
        return {"spec": {"restartPolicy": policy}, "status": {"phase": phase, "containerStatuses": statuses}}

    assert logstream.is_over(pod("Failed"), "web")
    assert not logstream.is_over(pod(running={}), "web")
    assert not logstream.is_over(pod(terminated={"exitCode": 1}), "web")
    assert logstream.is_over(pod(policy="Never", terminated={"exitCode": 1}), "web")
    assert not logstream.is_over({}, "web")


STEPS = Container("shop-1", "step", "run", marked=True)
RUN = [_at(1, "fetch | a"), _at(2, "test | b"), _at(3, "test |        fetch | forged"), _at(4, "| c"), _at(5, "d")]


async def test_lines_of_one_step_are_chosen_live_and_kept() -> None:
    found: list[Line] = []

    async def put(line: Line) -> None:
        found.append(line)

    async with asyncio.timeout(5):
        await logs(Cluster(RUN[:2], RUN[2:])).follow(STEPS, Wanted(process="test"), put)
    assert [line.line for line in found] == ["b2", "       fetch | forged3"]
    # The last of the step's lines, not of all: the whole log is looked through.
    cluster = Cluster(RUN)
    read = await logs(cluster).read([STEPS], Wanted(tail=1, process="test"))
    assert [line.line for line in read] == ["       fetch | forged3"] and "tailLines" not in cluster.asked[0]
    whole = await logs(Cluster(RUN)).read([STEPS], Wanted())
    assert [line.process for line in whole] == ["fetch", "test", "test", "run", "run"]
