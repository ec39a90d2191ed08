"""`roost status [-w]`: how an application is: processes, instances, conditions in words, and what to do next."""

import sys
from collections.abc import Mapping
from threading import Event
from typing import Any, Final

import click

from roost.capabilities.app import commands_tree as tree
from roost.surface.terminal import output as out
from roost.surface.terminal.failure import Unreachable
from roost.surface.terminal.instances import state_of, word
from roost.surface.terminal.rollout import trouble, version
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, output, pass_session, target
from roost.surface.terminal.words import tr

LOOK_S: Final = 1.0
INSTANCES = (
    out.field("INSTANCE", "name"),
    out.field("PROCESS", "process"),
    out.Column("VERSION", lambda row: version(row.get("release")) or "-"),
    out.Column("STATE", state_of),
    out.field("RESTARTS", "restarts"),
    out.age("startedAt"),
    out.field("MESSAGE", "message", wide=True),
)
TROUBLES = (out.field("TROUBLE", "reason"), out.field("INSTANCES", "count"), out.field("WHY", "message"))
SHOWN: Final = 20  # Instances in the table; -o wide shows all.


def _processes(app: Any, instances: list[Any]) -> list[dict[str, str]]:
    rows = []
    for process in out.at(app, "spec.processes", ()):
        mine = [item for item in instances if item.get("process") == process["name"]]
        ready = sum(1 for item in mine if item.get("ready"))
        resources = process.get("resources") or {}
        rows.append(
            {
                "name": process["name"],
                "instances": f"{ready}/{process.get('replicas', 1)}",
                "port": str(process.get("port") or "-"),
                "resources": f"{resources.get('cpu', '100m')} / {resources.get('memory', '256Mi')}",
                "command": " ".join(process.get("command") or ()) or tr("as the image says"),
            }
        )
    return rows


PROCESSES = (
    out.field("PROCESS", "name"),
    out.field("INSTANCES", "instances"),
    out.field("PORT", "port"),
    out.field("CPU / MEMORY", "resources"),
    out.field("COMMAND", "command"),
)


def hint(session: Session, app: Any, instances: list[Any]) -> str:
    """The command that is most likely wanted next."""
    if not out.at(app, "spec.artefact"):
        return tr(
            "Nothing runs yet: push to its project, or `{command}`.", command=session.command("deploy IMAGE@sha256:...")
        )
    if out.at(app, "spec.stopped", False):
        return tr("It is stopped.")
    if out.condition(app).get("status") != "True":
        if any(item.get("restarts") for item in instances):
            return tr("See why it ends: `{command}`", command=session.command("logs"))
        if out.at(app, "status.live") and out.at(app, "status.live") != out.at(app, "status.release"):
            return tr(
                "See it with `{logs}`, or go back: `{back}`",
                logs=session.command("logs"),
                back=session.command("rollback"),
            )
        return tr("Watch it: `{command}`", command=session.command("status -w"))
    if any(item.get("restarts") and not item.get("ready") for item in instances):
        return tr("An instance does not stay up; see why: `{command}`", command=session.command("logs"))
    if out.at(app, "spec.hold", ""):
        return tr("Pushes do not reach it since a rollback: `{command}`", command=session.command("resume"))
    return tr("Open it: `{command}`", command=session.command("open")) if out.at(app, "status.url") else ""


def _head(session: Session, app: Any) -> list[tuple[str, str]]:
    ready = out.condition(app)
    live, current = out.at(app, "status.live"), out.at(app, "status.release")
    words = version(live) or tr("none")
    if current and current != live:
        words += " " + tr("(on its way: {version})", version=version(current))
    why = "" if ready.get("status") == "True" else str(ready.get("message", ""))
    return [
        ("Application", session.place),
        ("State", out.state(app)),
        ("Why", why),
        ("Version", words),
        ("URL", str(out.at(app, "status.url", ""))),
        ("Image", str(out.at(app, "spec.artefact.image", ""))),
        ("Commit", str(out.at(app, "spec.artefact.commit", ""))[:12]),
        ("On hold", str(out.at(app, "spec.hold", ""))),
    ]


def troubles(session: Session, instances: list[Any]) -> list[dict[str, Any]]:
    """Why instances do not serve: each reason once, with how many have it and what one of them says."""
    found: dict[str, dict[str, Any]] = {}
    for item in instances:
        told, reason = word(session, item), str(item.get("reason") or item.get("state") or "")
        if told.why:
            last = told.said.rpartition("\n")[2]
            message = f"{told.why} {tr('It said last: {words}', words=last)}" if last else told.why
            entry = found.setdefault(reason, {"reason": reason, "count": 0, "message": message})
            entry["count"] += 1
    return list(found.values())


def _conditions(app: Any) -> list[Any]:
    others = [item for item in out.at(app, "status.conditions", ()) if item.get("type") != "Ready"]
    return [item for item in others if item.get("message")]


CONDITIONS = (
    out.field("CONDITION", "type"),
    out.field("STATUS", "status"),
    out.age("lastTransitionTime", "SINCE"),
    out.field("WHY", "message"),
)


def show_app(session: Session, app: Any) -> None:
    """An App for people, without its instances."""
    out.facts(_head(session, app))
    out.write("")
    out.table(_processes(app, []), tuple(item for item in PROCESSES if item.title != "INSTANCES"))


def _picture(session: Session, app: Any, instances: list[Any]) -> None:
    out.facts(_head(session, app))
    out.write("")
    out.table(_processes(app, instances), PROCESSES)
    if instances:
        out.write("")
        wide = session.output == "wide"
        out.table(instances if wide else instances[:SHOWN], INSTANCES, wide=wide)
        if len(instances) > SHOWN and not wide:
            out.write(tr("... and {count} more: -o wide", count=len(instances) - SHOWN))
    found = troubles(session, instances)
    if found:
        out.write("")
        out.table(found, TROUBLES)
    if _conditions(app):
        out.write("")
        out.table(_conditions(app), CONDITIONS)


def _look(session: Session) -> tuple[Mapping[str, Any], list[Any]]:
    return session.api.get(session.of_app()), session.api.get(session.of_app("instances")).get("items", [])


@command("status", examples=("roost status", "roost status -w -e prod", "roost status --tree"))
@click.option("-w", "--watch", is_flag=True, help="Keep looking; Ctrl-C ends.")
@click.option("--tree", "as_tree", is_flag=True, help="As a tree: versions, processes, instances, route, and reasons.")
@target("app")
@output
@pass_session
def status(session: Session, watch: bool, as_tree: bool) -> None:
    """Show how an application is: processes, instances, and what to do next."""
    if watch and not session.machine and sys.stdout.isatty():
        _watch_live(session, as_tree)
    elif watch:
        _watch_plain(session)
    elif as_tree and not session.machine:
        seen = tree.look(session)
        tree.show(session, seen)
        _foot(session, seen[0], seen[1])
    else:
        app, instances = _look(session)
        out.show_one(
            {"name": session.app, "app": app, "instances": instances},
            session.output,
            lambda: _picture(session, app, instances),
        )
        if not session.machine:
            _foot(session, app, instances)


def _foot(session: Session, app: Mapping[str, Any], instances: list[Any]) -> None:
    next_ = hint(session, app, instances)
    if next_:
        out.say("\n" + next_)


def _watch_plain(session: Session) -> None:
    """One line for each change; machines get one object for each."""
    before = ""
    tick = Event()
    while True:
        app, instances = _look(session)
        line = _line(session, app, instances)
        if line != before:
            before = line
            seen = {"name": session.app, "app": app, "instances": instances}
            out.show_one(seen, session.output, lambda text=line: out.write(text))  # type: ignore[misc]
        tick.wait(LOOK_S)


def _line(session: Session, app: Any, instances: list[Any]) -> str:
    ready = sum(1 for item in instances if item.get("ready"))
    words = [session.place, version(out.at(app, "status.release")) or "-", out.state(app)]
    words.append(tr("{have} of {wanted} ready", have=ready, wanted=out.at(app, "status.wanted", "?")))
    why = trouble(instances) if out.condition(app).get("status") != "True" else ""
    return "  ".join([*words, why]).rstrip()


def _watch_live(session: Session, as_tree: bool) -> None:
    """The picture, drawn anew each second on the terminal's other screen, which is gone afterwards."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    screen = Console(highlight=False, markup=False, emoji=False)
    tick = Event()
    with Live(console=screen, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            try:
                text = Text.from_ansi(_drawn(session, as_tree))
            except Unreachable as failure:
                text = Text(f"{failure.message}\n{tr('Trying again ...')}", style="yellow")
            live.update(text, refresh=True)
            tick.wait(LOOK_S)


def _drawn(session: Session, as_tree: bool) -> str:
    from datetime import datetime

    with out.captured() as read:
        if as_tree:
            seen = tree.look(session)
            app, instances = seen[0], seen[1]
            tree.show(session, seen)
        else:
            app, instances = _look(session)
            _picture(session, app, instances)
    foot = hint(session, app, instances)
    clock = datetime.now().strftime("%H:%M:%S")
    return f"{read()}\n{foot}\n{tr('{clock}  Ctrl-C ends.', clock=clock)}"
