"""`roost project pause` and `resume`: whether pushes, times and new images start runs."""

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, pass_session, target
from roost.surface.terminal.words import tr


@command("pause", examples=('roost project pause wiki --reason "v7 loses orders"',))
@click.argument("name")
@click.option("--reason", required=True, metavar="TEXT", help="Why; whoever pushes is told.")
@target("tenant")
@pass_session
def pause(session: Session, name: str, reason: str) -> None:
    """Let only people start runs, until it is resumed."""
    session.api.send("PATCH", session.of_tenant("projects", name), {"spec": {"triggers": {"paused": reason}}})
    out.say(tr("Project {name} is paused: pushes are kept and not built.", name=name))


@command("resume")
@click.argument("name")
@target("tenant")
@pass_session
def resume(session: Session, name: str) -> None:
    """Let pushes, times and new images start runs again."""
    session.api.send("PATCH", session.of_tenant("projects", name), {"spec": {"triggers": {"paused": ""}}})
    hint = tr("What was pushed meanwhile: `roost build start {name}`.", name=name)
    out.say(tr("Project {name} goes on.", name=name) + " " + hint)
