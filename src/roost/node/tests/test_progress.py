"""What is shown while something long runs."""

import io

import pytest

from roost.node.progress import Lines, Live, Progress, duration, for_terminal, left


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def play(shown: Progress, clock: Clock) -> None:
    shown.plan(["etcd", "runc"])
    shown.start("etcd")
    for _ in range(3):
        clock.now += 25
        shown.tick("3 packages compiled")
    shown.done("v3")
    shown.start("runc")
    clock.now += 5
    shown.done("v1")
    shown.finish()


@pytest.mark.parametrize(("seconds", "text"), [(7.6, "8s"), (125, "2m05s"), (3720, "1h02m")])
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_is_left_is_named_but_not_endlessly() -> None:
    assert left([]) == "last part"
    assert left(["a", "b"]) == "then a, b"
    assert left(["a", "b", "c", "d", "e"]) == "then a, b, c and 2 more"


def test_a_log_gets_a_line_per_event_and_one_a_minute() -> None:
    out, clock = io.StringIO(), Clock()
    play(Lines(out, clock), clock)
    assert out.getvalue().splitlines() == [
        "[1/2] etcd ... (then runc)",
        "[1/2] etcd 1m15s, 3 packages compiled",
        "[1/2] etcd done in 1m15s, v3",
        "[2/2] runc ... (last part)",
        "[2/2] runc done in 5s, v1",
    ]


def test_a_terminal_gets_one_line_that_is_rewritten() -> None:
    out, clock = io.StringIO(), Clock()
    play(Live(out, 60, clock), clock)
    shown = [line.removeprefix("\x1b[K") for line in out.getvalue().replace("\n", "\n\r").split("\r")]
    assert "[1/2] etcd 50s · 3 packages compiled · then runc" in shown
    assert "✓ etcd 1m15s · v3\n" in shown
    assert shown[-1] == ""
    assert out.getvalue().count("\n") == 2


def test_a_line_never_wraps() -> None:
    out, clock = io.StringIO(), Clock()
    live = Live(out, 20, clock)
    live.plan(["a-very-long-name-of-a-component"])
    live.start("a-very-long-name-of-a-component")
    assert all(len(line) < 20 for line in out.getvalue().replace("\x1b[K", "").split("\r"))


def test_pipes_get_plain_lines() -> None:
    assert not isinstance(for_terminal(io.StringIO()), Live)
