"""`roost machine`: tokens for pipelines and scripts of a team, which may less than a person. For owners."""

from typing import Any

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import group, output, pass_session, target, yes
from roost.surface.terminal.words import tr

ROLES = ("developer", "viewer", "approver")
COLUMNS = (
    out.field("ID", "id"),
    out.field("NAME", "name"),
    out.field("ROLE", "role"),
    out.Column("ENVIRONMENTS", lambda row: ", ".join(row.get("environments") or ()) or tr("all")),
    out.age("createdAt"),
    out.field("EXPIRES", "expiresAt"),
)


@group("machine")
def machine() -> None:
    """Tokens for machines of a tenant: create, list, delete (owners)."""


@machine.command("create", examples=("ROOST_TOKEN=$(roost machine create ci -t acme --role developer --env dev)",))
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="developer", help="What it may do; developer without it.")
@click.option("--env", "envs", multiple=True, metavar="ENV", help="Only in this environment; all without it.")
@click.option(
    "--days", type=click.IntRange(1, 366), default=90, metavar="DAYS", help="How long it is good for, at most 366."
)
@target("tenant")
@output
@pass_session
def create(session: Session, name: str, role: str, envs: tuple[str, ...], days: int) -> None:
    """Make a machine. Its token is printed this once and never again.

    It is a member of the tenant by itself: it may what its role says there, in kubectl too, and nothing else.
    """
    body: dict[str, Any] = {"name": name, "role": role, "environments": list(envs), "expiresInDays": days}
    made = session.api.send("POST", session.of_tenant("machines"), body)
    out.show_one(made, session.output, lambda: out.write(made["token"]))
    out.say(
        tr("Good until {moment}; end it with `roost machine delete {id}`.", moment=made["expiresAt"], id=made["id"])
    )


@machine.command("list")
@target("tenant")
@output
@pass_session
def list_(session: Session) -> None:
    """List the machines of a tenant."""
    found = session.api.get(session.of_tenant("machines"))
    out.show_list(found, COLUMNS, session.output, tr("The tenant has no machines."))


@machine.command("delete")
@click.argument("id")
@target("tenant")
@yes
@pass_session
def delete(session: Session, id: str, yes: bool) -> None:
    """End a machine at once: its token and its membership."""
    session.ask(tr("Delete machine {id}? What uses it stops working.", id=id), yes)
    session.api.send("DELETE", session.of_tenant("machines", id))
    out.say(tr("Machine {id} is deleted.", id=id))
