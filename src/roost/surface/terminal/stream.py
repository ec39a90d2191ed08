"""Printing a stream of log lines, of an application or of a run: coloured names, reconnecting, no line twice.

The API's lines are `{time, instance, process, line}`; lines of Roost's own have no instance and are talk.
"""

import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from threading import Event
from typing import Any, Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import Unreachable, printable
from roost.surface.terminal.session import Session
from roost.surface.terminal.words import tr

COLOURS: Final = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_green", "bright_magenta")
RECONNECT_S: Final = 1.0
OVERLAP: Final = timedelta(seconds=5)


@dataclass(frozen=True)
class Query:
    """What to read. since: `600s`, or an RFC 3339 time; tail: lines to begin with; process, instance: only these."""

    path: str
    follow: bool = False
    since: str | None = None
    tail: int | None = None
    process: str = ""
    instance: str = ""
    step: str = ""  # Of a run.
    named: bool = True  # Name the instance before each line; a run has only one.


def duration(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """`30s`, `10m`, `2h`, `1d`; click.BadParameter for anything else."""
    if value is not None and re.fullmatch(r"[0-9]{1,6}[smhd]", value) is None:
        raise click.BadParameter(tr("It is a number and a unit: 30s, 10m, 2h, 1d."))
    return value


def _lines(session: Session, query: Query) -> Iterator[dict[str, Any]]:
    return session.api.lines(
        query.path,
        follow=query.follow,
        since=query.since,
        tail=query.tail,
        process=query.process,
        instance=query.instance,
        step=query.step,
    )


class Once:
    """Lets each line through once, over reconnections: lines of one instance come in the order of their times."""

    def __init__(self) -> None:
        self.latest: dict[str, str] = {}
        self.before: dict[str, str] = {}

    def reconnected(self) -> None:
        """From now on, what is not younger than what was seen of its instance is a repetition."""
        self.before = dict(self.latest)

    def new(self, line: dict[str, Any]) -> bool:
        """Whether the line was not printed yet."""
        moment, instance = str(line.get("time") or ""), str(line.get("instance") or "")
        if not moment:
            return True
        if moment <= self.before.get(instance, ""):
            return False
        self.latest[instance] = max(moment, self.latest.get(instance, ""))
        return True

    def since(self) -> str:
        """From when to read again: a little before the youngest line, as instances are read side by side; or empty."""
        youngest = max(self.latest.values(), default="")
        # Kubernetes writes nanoseconds; lines that come twice are not let through.
        moment = re.sub(r"(\.\d{6})\d*", r"\1", youngest).replace("Z", "+00:00")
        try:
            return (datetime.fromisoformat(moment) - OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ")
        except ValueError:
            return ""


def follow(session: Session, query: Query) -> Iterator[dict[str, Any]]:
    """The lines; with `follow`, over breaks of the connection too, until the API ends the stream in good order."""
    once, tick, told, started = Once(), Event(), False, time.monotonic()
    while True:
        try:
            for line in _lines(session, query):
                told = False
                if once.new(line):
                    yield line
            return
        except Unreachable as failure:
            if not query.follow:
                raise
            if not told:
                out.say(tr("{what} Connecting again ...", what=failure.message))
                told = True
        once.reconnected()
        passed = f"{ceil(time.monotonic() - started) + 1}s"
        query = replace(query, since=once.since() or query.since or passed, tail=None)
        tick.wait(RECONNECT_S)


def clean(text: str, terminal: bool) -> str:
    """A line as it may be printed: into a pipe as it is, on a terminal without anything but colours."""
    if not terminal:
        return text
    kept = out.unsteered(text).replace("\n", " ")
    return kept + ("\x1b[0m" if out.COLOUR_SEQUENCE.search(kept) else "")


def show(session: Session, query: Query, with_time: bool = False, pattern: re.Pattern[str] | None = None) -> None:
    """Print the lines (those that the pattern finds) until they end; `-o json` and `yaml` print the API's objects."""
    import json

    terminal = sys.stdout.isatty()
    colours: dict[str, str] = {}
    for line in follow(session, query):
        if pattern is not None and not pattern.search(str(line.get("line", ""))):
            continue
        if session.output in ("json", "yaml"):
            # One object a line is YAML as well as JSON: a stream has no end at which a list could be closed.
            out.write(("- " if session.output == "yaml" else "") + json.dumps(line, ensure_ascii=False))
            continue
        text, instance = str(line.get("line", "")), str(line.get("instance") or "")
        if not instance:
            out.say(f"-- {text}")
            continue
        name = printable(_name(str(line.get("process") or ""), instance)) if query.named else ""
        if name and terminal:
            name = click.style(name, fg=colours.setdefault(instance, COLOURS[len(colours) % len(COLOURS)]))
        name += " | " if name else ""
        moment = f"{line.get('time')} " if with_time else ""
        out.write(f"{moment}{name}{clean(text, terminal)}")


def _name(process: str, instance: str) -> str:
    """`web.x7k2p`: the process and the last part of the instance's name."""
    last = instance.rpartition("-")[2]
    return f"{process}.{last}" if process and process != instance else process or instance
