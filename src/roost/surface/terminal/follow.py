"""Following long work: live steps in a terminal, one plain line per change without one. Talk, so on stderr.

A command gives `look`, which reads the state anew and says what the steps are. Looking again each second survives a
restart of the API or of the controller without special cases.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Final, Literal

from roost.surface.terminal.failure import TIMED_OUT, Failure, Unreachable, printable
from roost.surface.terminal.output import console, say
from roost.surface.terminal.words import tr

INTERVAL_S: Final = 1.0
State = Literal["waiting", "running", "done", "failed"]
MARKS: Final[dict[State, tuple[str, str]]] = {
    "waiting": ("·", "dim"),
    "running": ("›", "yellow"),
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
}


@dataclass(frozen=True)
class Step:
    """One line of the work: what, how far, and a word on it."""

    name: str
    state: State
    text: str = ""


@dataclass(frozen=True)
class Progress:
    """How far the work is. `failure`: it ended badly. Neither finished nor failed: look again."""

    steps: tuple[Step, ...]
    finished: bool = False
    failure: Failure | None = None


def _line(step: Step) -> str:
    return f"{MARKS[step.state][0]} {step.name}" + (f"  {step.text}" if step.text else "")


def _timeout(timeout_s: float, progress: Progress | None, again: str) -> Failure:
    running = next((step for step in progress.steps if step.state == "running"), None) if progress else None
    return Failure(
        tr("It is not done after {seconds} s; it goes on without you.", seconds=int(timeout_s)),
        why=f"{running.name}: {running.text}" if running and running.text else (running.name if running else ""),
        hint=tr("See `{command}`.", command=again) if again else "",
        code=TIMED_OUT,
    )


def follow(look: Callable[[], Progress], timeout_s: float, again: str = "") -> None:
    """Show the work until it is finished; Failure when it fails, or after `timeout_s` seconds (exit code 6).

    again: what to do after a time-out or where the reader lost interest (a command).
    """
    try:
        if sys.stderr.isatty():
            _follow_live(look, timeout_s, again)
        else:
            _follow_plain(look, timeout_s, again)
    except KeyboardInterrupt:
        say("\n" + tr("It goes on without you; see `{command}`.", command=again) if again else "")
        raise


def _rounds(look: Callable[[], Progress], timeout_s: float, again: str, show: Callable[[Progress], None]) -> Progress:
    deadline = time.monotonic() + timeout_s
    progress = Progress(())
    tick = Event()
    while True:
        try:
            progress = look()
            show(progress)
        except Unreachable as failure:
            # The work goes on without the API's answer; what was seen last stays, and it is asked again.
            away = Step(failure.message, "running", tr("Trying again ..."))
            show(Progress((*progress.steps, away)))
        if progress.finished or progress.failure is not None:
            return progress
        left = deadline - time.monotonic()
        if left <= 0:
            raise _timeout(timeout_s, progress, again)
        tick.wait(min(INTERVAL_S, left))


def _follow_plain(look: Callable[[], Progress], timeout_s: float, again: str) -> None:
    told: dict[str, str] = {}

    def show(progress: Progress) -> None:
        for step in progress.steps:
            line = _line(step)
            if step.state != "waiting" and told.get(step.name) != line:
                told[step.name] = line
                say(line)

    progress = _rounds(look, timeout_s, again, show)
    if progress.failure is not None:
        raise progress.failure


def _follow_live(look: Callable[[], Progress], timeout_s: float, again: str) -> None:
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.table import Table
    from rich.text import Text

    spinner = Spinner("dots", style="yellow")
    started = time.monotonic()

    def picture(progress: Progress) -> Table:
        grid = Table.grid(padding=(0, 1))
        for step in progress.steps:
            mark, colour = MARKS[step.state]
            name = Text(printable(step.name), style="dim" if step.state == "waiting" else "")
            text = printable(step.text)
            if step.state == "running":
                text = f"{text}  {int(time.monotonic() - started)}s".strip()
            busy = step.state == "running" and not progress.finished
            grid.add_row(spinner if busy else Text(mark, style=colour), name, Text(text, style="dim"))
        return grid

    with Live(console=console(err=True), refresh_per_second=8, transient=False) as live:
        progress = _rounds(look, timeout_s, again, lambda seen: live.update(picture(seen), refresh=True))
    if progress.failure is not None:
        raise progress.failure
