"""`roost preview`: merge requests in applications of their own."""

from typing import Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import group, output, pass_session, target
from roost.surface.terminal.words import tr

COLUMNS: Final = (
    out.Column("NAME", out.name_of),
    out.field("PROJECT", "spec.project"),
    out.field("STATE", "status.phase"),
    out.field("URL", "status.url"),
    out.Column("WHY", lambda row: str(out.condition(row).get("message", "-"))),
    out.field("UNTIL", "status.expiresAt", wide=True),
    out.age(),
)


@group("preview", examples=("roost preview list",))
def commands() -> None:
    """Merge requests that are tried out in applications of their own."""


@commands.command("list")
@click.option("-p", "--project", default="", metavar="PROJECT", help="Only of this project.")
@target("tenant")
@output
@pass_session
def list_(session: Session, project: str) -> None:
    """List the previews that are open, with where they are."""
    found = session.api.items(session.of_tenant("previews"))["items"]
    mine = [row for row in found if not project or out.at(row, "spec.project") == project]
    out.show_list({"items": mine}, COLUMNS, session.output, tr("No merge request is tried out now."))
