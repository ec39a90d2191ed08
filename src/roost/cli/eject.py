"""`roost project eject`: write the Containerfile that Roost builds from into the repository, where it is yours.

The same detection as in a run, on the working directory. Mounted beneath `project` by `roost.cli.mount`.
"""

from pathlib import Path
from typing import Any

import click

from roost.model.bases import OFFERED
from roost.surface.terminal import output as out
from roost.surface.terminal.failure import CONFLICT, REFUSED, Failure
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, pass_session, target
from roost.surface.terminal.words import tr


@command("eject", examples=("roost project eject shop", 'roost project eject --start "gunicorn app:app" --print'))
@click.argument("project", required=False)
@click.option("--start", default="", metavar="COMMAND", help="The start command of web where the repository has none.")
@click.option("--port", type=click.IntRange(1, 65535), default=None, metavar="PORT", help="Where web listens ($PORT).")
@click.option("--print", "only_print", is_flag=True, help="Print it and write nothing.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@target("tenant")
@pass_session
def eject(session: Session, project: str | None, start: str, port: int | None, only_print: bool, force: bool) -> None:
    """Write the Containerfile that Roost would build from into this directory.

    With a project, its build settings count; without one, the options here. From then on the file is yours.
    """
    settings: dict[str, Any] = {}
    if project:
        settings = dict(out.at(session.api.get(session.of_tenant("projects", project)), "spec.build", {}))
    settings |= {key: value for key, value in (("start", start), ("port", port)) if value}
    text, existing, lines = _detect(session.directory / str(settings.get("context", "")), settings)
    for line in lines:
        out.say(line)
    if existing:
        out.say(tr("The repository has its own: {file}. Nothing was written.", file=existing))
    elif only_print:
        out.write(text.rstrip("\n"))
    else:
        _write(session.directory / str(settings.get("context", "")) / "Containerfile", text, force)


def _detect(directory: Path, settings: dict[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    from roost.builds.detect import detect
    from roost.builds.errors import Unbuildable
    from roost.builds.files import Checkout
    from roost.model.kinds.delivery import Build

    try:
        found = detect(Checkout(directory), Build.model_validate(settings), OFFERED)
    except (Unbuildable, FileNotFoundError) as error:
        raise Failure(tr("This cannot be built."), why=str(error), code=REFUSED) from error
    return found.containerfile, found.path, found.lines


def _write(file: Path, text: str, force: bool) -> None:
    if file.exists() and not force:
        raise Failure(tr("{file} is there already.", file=file), hint=tr("Add --force, or --print."), code=CONFLICT)
    file.write_text(text, encoding="utf-8")
    out.say(tr("{file} is written. Commit it: from then on it is what is built.", file=file))
