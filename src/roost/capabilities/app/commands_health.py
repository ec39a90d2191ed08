"""`roost health`: how an instance shows that it serves, by process.

Without a path an open port counts, and a server that holds its port and never answers counts with it; with one, the
answer counts. docs/decisions/0110 tells why the port is the default.
"""

from typing import Any, Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import NOT_FOUND, USAGE, Failure
from roost.surface.terminal.rollout import conclude
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, dry_run, output, pass_session, target, waits
from roost.surface.terminal.words import tr

WAIT_S: Final = 600
USUAL_START_S: Final = 60


def _asked(process: Any) -> str:
    if not process.get("port"):
        return tr("that it goes on running")
    return str(out.at(process, "health.path", "") or tr("that its port is open"))


COLUMNS = (
    out.field("PROCESS", "name"),
    out.Column("ASKED", _asked),
    out.Column("START", lambda process: f"{out.at(process, 'health.startS', USUAL_START_S)} s"),
)


@command("health", examples=("roost health", "roost health web --path /healthz --start 90", "roost health web --port"))
@click.argument("process", required=False)
@click.option("--path", default=None, metavar="PATH", help="An HTTP path that answers below 400 when it serves.")
@click.option("--port", "by_port", is_flag=True, help="An open port is enough.")
@click.option(
    "--start", default=None, type=click.IntRange(5, 3600), metavar="SECONDS", help="How long a start may take."
)
@dry_run
@waits(WAIT_S)
@target("app")
@output
@pass_session
def health(session: Session, process: str | None, dry_run: bool, detach: bool, timeout: int, **given: Any) -> None:
    """Show or set how an instance shows that it serves. A push that names a path in app.json does not undo it."""
    app = session.api.get(session.of_app())
    processes = list(out.at(app, "spec.processes", ()))
    changes = _changes(given)
    if process is None and not changes:
        out.show_list({"items": processes}, COLUMNS, session.output, tr("{place} runs nothing.", place=session.place))
        return
    name = process or "web"
    if not changes:
        raise Failure(tr("Nothing to set for {name}.", name=name), hint=tr("See `roost health --help`."), code=USAGE)
    mine = next((item for item in processes if item["name"] == name), None)
    if mine is None or not mine.get("port"):
        names = [str(item["name"]) for item in processes if item.get("port")]
        raise Failure(
            tr("{name} is no process with a port.", name=name),
            why=tr("There are: {names}.", names=", ".join(names) or "-"),
            code=NOT_FOUND,
        )
    changed = {**mine, "health": {**(mine.get("health") or {}), **changes}}
    # Over the version that was read: two people at once do not undo each other.
    match = {"If-Match": f'"{out.at(app, "metadata.resourceVersion", "")}"'}
    body = {"spec": {"processes": [changed if item is mine else item for item in processes]}}
    answer = session.api.send("PATCH", session.of_app(), body, params={"dryRun": dry_run}, headers=match)
    conclude(session, answer, dry_run=dry_run, detach=detach, timeout=timeout)


def _changes(given: dict[str, Any]) -> dict[str, Any]:
    """The fields of `health` that options set."""
    if given["path"] is not None and given["by_port"]:
        raise Failure(tr("Name a path or choose the port, not both."), code=USAGE)
    if given["path"] is not None and not given["path"].startswith("/"):
        raise Failure(
            tr("{path} is no path.", path=given["path"]),
            hint=tr("It begins with /: /healthz, for example."),
            code=USAGE,
        )
    path = {"path": given["path"]} if given["path"] is not None else {"path": ""} if given["by_port"] else {}
    return {**path, **({"startS": given["start"]} if given["start"] is not None else {})}
