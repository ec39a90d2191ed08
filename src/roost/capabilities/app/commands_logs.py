"""`roost logs [-f]`: what the processes of an application print."""

import re
from typing import Any

import click

from roost.surface.terminal.failure import USAGE, Failure
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, output, pass_session, target
from roost.surface.terminal.stream import Query, duration, show
from roost.surface.terminal.words import tr


@command("logs", examples=("roost logs -f", "roost logs --since 1h --process worker", "roost logs -o json | jq .line"))
@click.option("-f", "--follow", is_flag=True, help="Keep printing what comes; Ctrl-C ends.")
@click.option(
    "--since", default=None, metavar="TIME", help="Only what is younger: 30s, 10m, 2h, 1d.", callback=duration
)
@click.option("-p", "--process", default=None, metavar="PROCESS", help="Only this process, e.g. web.")
@click.option("--instance", default=None, metavar="NAME", help="Only this instance.")
@click.option("--tail", type=click.IntRange(0, 100_000), default=None, metavar="N", help="Begin with the last N lines.")
@click.option("--time", "with_time", is_flag=True, help="Print the time of each line.")
@click.option("-g", "--grep", default="", metavar="PATTERN", help="Only lines that this regular expression finds.")
@target("app")
@output
@pass_session
def logs(session: Session, follow: bool, since: str | None, tail: int | None, grep: str, **given: Any) -> None:
    """Show the log of an application."""
    query = Query(session.of_app("logs"), follow, since, tail, given["process"] or "", given["instance"] or "")
    show(session, query, given["with_time"], _pattern(grep))


def _pattern(text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise Failure(tr("{text!r} is no regular expression.", text=text), why=str(error), code=USAGE) from error
