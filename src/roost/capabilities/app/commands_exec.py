"""`roost exec`: a command, or a shell, inside a running instance."""

import sys
from typing import Final

import click

from roost.surface.terminal.failure import NOT_FOUND, Failure
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, pass_session, target
from roost.surface.terminal.words import tr

SHELL: Final = ("sh", "-c", "exec $(command -v bash || echo sh)")


@command(
    "exec",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    examples=(
        "roost exec",
        "roost exec -a shop -- python manage.py migrate",
        "tar c . | roost exec -T -- tar x -C /tmp",
    ),
)
@click.option(
    "-p", "--process", default="web", metavar="PROCESS", help="In an instance of this process; web without it."
)
@click.option("--instance", default=None, metavar="NAME", help="In this instance.")
@click.option("-T", "--no-tty", is_flag=True, help="No terminal, also where there is one.")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND...]")
@target("app")
@pass_session
def exec_(session: Session, process: str, instance: str | None, no_tty: bool, argv: tuple[str, ...]) -> int:
    """Run a command in a running instance, a shell without one.

    The exit code is that of the command.
    """
    from roost.surface.terminal.remote import attach

    where = instance or chosen(session, process)
    tty = not no_tty and sys.stdin.isatty() and sys.stdout.isatty()
    return attach(session, session.of_app("exec"), where, argv or SHELL, tty)


def chosen(session: Session, where: str) -> str:
    """The instance of that name, else one of that process (of web where nothing is said), one that serves if any."""
    items = session.api.get(session.of_app("instances")).get("items", [])
    process = where or "web"
    mine = [item for item in items if process in (item.get("process"), item.get("name"))]
    for item in sorted(mine, key=lambda item: not item.get("ready")):
        return str(item["name"])
    raise Failure(
        tr("{place} has no instance of {process}.", place=session.place, process=process),
        why=tr("There are: {names}.", names=", ".join(sorted({str(item.get("process")) for item in items})) or "-"),
        hint=tr("See `{command}`.", command=session.command("status")),
        code=NOT_FOUND,
    )
