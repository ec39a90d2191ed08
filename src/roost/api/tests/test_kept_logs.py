"""The kept log of a run: which of its lines are shown."""

import gzip
import json
from datetime import UTC, datetime

from roost.api.kept_logs import chosen
from roost.api.logstream import Wanted

LINES = [
    ["2026-11-29T08:00:00.000001000Z", "", "-----> begins"],
    ["2026-11-29T08:00:01.000000000Z", "test", "one"],
    ["2026-11-29T08:00:02.000000000Z", "test", "two"],
    ["2026-11-29T08:00:03.000000000Z", "lint", "three"],
]
CONTENT = gzip.compress("".join(json.dumps(line) + "\n" for line in LINES).encode())


def told(content: bytes, step: str = "", wanted: Wanted | None = None) -> list[tuple[str, str]]:
    return [(line.process, line.line) for line in chosen(content, "shop-1", step, wanted or Wanted())]


def test_all_lines_name_their_step() -> None:
    assert told(CONTENT) == [("run", "-----> begins"), ("test", "one"), ("test", "two"), ("lint", "three")]


def test_a_step_the_last_and_the_younger_lines_can_be_chosen() -> None:
    assert told(CONTENT, "test") == [("test", "one"), ("test", "two")]
    assert told(CONTENT, wanted=Wanted(tail=1)) == [("lint", "three")]
    since = Wanted(since=datetime(2026, 11, 29, 8, 0, 2, tzinfo=UTC))
    assert told(CONTENT, wanted=since) == [("test", "two"), ("lint", "three")]


def test_what_cannot_be_read_ends_the_log() -> None:
    torn = gzip.compress(json.dumps(LINES[0]).encode() + b"\n{nonsense\n")
    assert told(torn) == [("run", "-----> begins")]
    whole, short = told(CONTENT), told(CONTENT[:-12])
    assert short == whole[: len(short)]
    assert told(b"no gzip") == []
