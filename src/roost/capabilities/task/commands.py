"""`roost run`: a command, once, in an instance of its own; `roost task`: what ran, and ending it."""

import secrets
import sys
from collections.abc import Mapping
from contextlib import suppress
from threading import Event
from typing import Any, Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import NOT_FOUND, REFUSED, Failure, Unreachable
from roost.surface.terminal.follow import Progress, Step, follow
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, confirm, group, output, pass_session, target
from roost.surface.terminal.stream import Once, clean
from roost.surface.terminal.words import tr

ENDED: Final = ("Succeeded", "Failed")
UNKNOWN: Final = ("AppGone", "NoEnvironment", "NoProcess")  # What the command names is not there.
LOOK_S: Final = 0.5
START_S: Final = 600
COLUMNS = (
    out.Column("NAME", out.name_of),
    out.field("APP", "spec.app"),
    out.Column("COMMAND", lambda row: " ".join(out.at(row, "spec.command", ()))[:60]),
    out.field("STATE", "status.phase"),
    out.field("EXIT CODE", "status.exitCode"),
    out.age(),
    out.field("INSTANCE", "status.instance", wide=True),
)


@command(
    "run",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    examples=(
        "roost run -- python manage.py migrate",
        "roost run -- bash                        # a shell, where the image has one",
        "roost run --detach --timeout 7200 -- python import.py",
    ),
)
@click.option("-p", "--process", default="", metavar="PROCESS", help="With the resources of this process.")
@click.option("-i", "--stdin", is_flag=True, help="Give it standard input, also without a terminal.")
@click.option("-T", "--no-tty", is_flag=True, help="No terminal, also where there is one.")
@click.option("--detach", is_flag=True, help="Do not wait for the end.")
@click.option(
    "--timeout",
    type=click.IntRange(1, 86400),
    default=3600,
    metavar="SECONDS",
    help="End it after that long; an hour without it.",
)
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
@target("app")
@output
@pass_session
def run(session: Session, argv: tuple[str, ...], process: str, detach: bool, timeout: int, **given: Any) -> int:
    """Run a command once in a fresh instance, with the application's image, configuration and secrets.

    The exit code is that of the command. Ctrl-C ends it.
    """
    tty = not detach and not given["no_tty"] and sys.stdin.isatty() and sys.stdout.isatty()
    joined = not detach and (tty or given["stdin"])
    spec = {"app": session.app, "command": list(argv), "timeoutS": timeout}
    spec |= {key: value for key, value in (("process", process), ("stdin", joined), ("tty", tty)) if value}
    name = f"{session.app[:40]}-{secrets.token_hex(4)}"
    body = {"metadata": {"name": name}, "spec": spec}
    if detach:
        made = session.api.send("POST", session.of_env("tasks"), body)
        out.show_one(made, session.output, lambda: out.write(name))
        out.say(tr("It goes on; see `{command}`.", command=session.command(f"task show {name}")))
        return 0
    try:
        session.api.send("POST", session.of_env("tasks"), body)
        return _attended(session, name, tty, joined)
    except (KeyboardInterrupt, _Unjoined):
        with suppress(Failure):
            session.api.send("DELETE", session.of_env("tasks", name))
        raise


class _Unjoined(Failure):
    """Nobody can give the command its input: it would wait for it until its time is over."""


def _attended(session: Session, name: str, tty: bool, joined: bool) -> int:
    task = _begun(session, name)
    instance = str(out.at(task, "status.instance", ""))
    if joined and out.at(task, "status.phase") == "Running":
        from roost.surface.terminal.remote import join

        if tty:
            out.say(tr("You are joined to it; where no prompt shows, press Enter."))
            _show_so_far(session, instance)
        try:
            join(session, session.of_app("attach"), instance, tty)
        except Failure as failure:
            told = (failure.message, failure.why, failure.hint, failure.code, failure.request_id)
            raise _Unjoined(*told) from failure
        # Until the controller has seen the end.
        return _code(_ended(session, name, lambda: None))
    lines = _Lines(session, instance)
    done = _ended(session, name, lines.show)
    lines.show()
    return _code(done)


def _show_so_far(session: Session, instance: str) -> None:
    """Print the lines that the command said before it was joined; a prompt is no line, so it is not among them."""
    with suppress(Failure):  # It is a courtesy.
        for line in session.api.lines(session.of_app("logs"), instance=instance):
            text = str(line.get("line", ""))
            if line.get("instance") and "\x1b" not in text:  # What paints a terminal would paint the wrong place.
                out.write(clean(text, True))


def _begun(session: Session, name: str) -> Mapping[str, Any]:
    """The task once its command runs, or has run. What there is to say of the start is said only when it takes long."""
    seen: dict[str, Any] = {}

    def look() -> Progress:
        seen.clear()
        seen.update(session.api.get(session.of_env("tasks", name)))
        begun = out.at(seen, "status.phase", "Pending") != "Pending"
        text = "" if begun else str(out.condition(seen).get("message", ""))
        if _never_ran(seen):
            return Progress((Step(tr("Instance"), "failed"),), failure=_refusal(seen))
        return Progress((Step(tr("Instance"), "done" if begun else "running", text),), finished=begun)

    follow(look, START_S, session.command(f"task show {name}"))
    return seen


def _ended(session: Session, name: str, meanwhile: Any) -> Mapping[str, Any]:
    """The task when it has ended; `meanwhile` is called at each look. An API that is away for a while is waited for."""
    tick = Event()
    while True:
        with suppress(Unreachable):
            task: Mapping[str, Any] = session.api.get(session.of_env("tasks", name))
            if out.at(task, "status.phase") in ENDED:
                return task
            meanwhile()
        tick.wait(LOOK_S)


class _Lines:
    """What the instance prints, each line once."""

    def __init__(self, session: Session, instance: str) -> None:
        self.session, self.instance, self.once = session, instance, Once()

    def show(self) -> None:
        """Print what is new."""
        if not self.instance:
            return
        self.once.reconnected()
        path = self.session.of_app("logs")
        for line in self.session.api.lines(path, instance=self.instance, since=self.once.since() or None):
            if line.get("instance") and self.once.new(line):
                out.write(clean(str(line.get("line", "")), sys.stdout.isatty()))


def _code(task: Mapping[str, Any]) -> int:
    code = out.at(task, "status.exitCode")
    if code is not None:
        return int(code)
    raise _refusal(task)


def _never_ran(task: Mapping[str, Any]) -> bool:
    return out.at(task, "status.phase") == "Failed" and not out.at(task, "status.startedAt")


def _refusal(task: Mapping[str, Any]) -> Failure:
    said = out.condition(task)
    code = NOT_FOUND if said.get("reason") in UNKNOWN else REFUSED
    return Failure(tr("The command could not be run."), why=str(said.get("message", "")), code=code)


@group("task")
def task() -> None:
    """Commands that ran once (`roost run`): list, show, logs, delete."""


@task.command("list")
@target("env")
@output
@pass_session
def list_(session: Session) -> None:
    """List them, the newest first; they are forgotten an hour after their end."""
    found = session.api.items(session.of_env("tasks"))["items"]
    rows = sorted(found, key=lambda row: str(out.at(row, "metadata.creationTimestamp", "")), reverse=True)
    out.show_list({"items": rows}, COLUMNS, session.output, tr("Nothing ran here in the last hour."))


@task.command("show")
@click.argument("name")
@target("env")
@output
@pass_session
def show(session: Session, name: str) -> None:
    """Show one."""
    found = session.api.get(session.of_env("tasks", name))
    out.show_one(found, session.output, lambda: _tell(found))


def _tell(found: Mapping[str, Any]) -> None:
    out.facts(
        [
            ("Command", " ".join(out.at(found, "spec.command", ()))),
            ("Application", str(out.at(found, "spec.app", ""))),
            ("Release", str(out.at(found, "status.release", ""))),
            ("State", str(out.at(found, "status.phase", "Pending"))),
            ("Why", str(out.condition(found).get("message", ""))),
            ("Exit code", str(out.at(found, "status.exitCode", ""))),
            ("Instance", str(out.at(found, "status.instance", ""))),
        ]
    )


@task.command("logs")
@click.argument("name")
@target("env")
@pass_session
def logs(session: Session, name: str) -> None:
    """Show what one printed."""
    found = session.api.get(session.of_env("tasks", name))
    session.choose("app", str(out.at(found, "spec.app", "")))
    _Lines(session, str(out.at(found, "status.instance", ""))).show()


@task.command("delete")
@click.argument("name")
@confirm
@target("env")
@pass_session
def delete(session: Session, name: str, confirm: str | None) -> None:
    """End one, and forget it with its log."""
    session.confirm(tr("{name} is ended and forgotten.", name=name), name, confirm)
    session.api.send("DELETE", session.of_env("tasks", name))
    out.say(tr("{name} is being ended.", name=name))


commands = (run, task)
