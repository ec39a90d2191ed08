"""`roost token`: tokens for scripts and machines, with the rights of the person who makes them."""

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import group, output, pass_session, yes
from roost.surface.terminal.words import tr

COLUMNS = (
    out.field("ID", "id"),
    out.field("NAME", "name"),
    out.age("createdAt"),
    out.field("EXPIRES", "expiresAt"),
)


@group("token")
def token() -> None:
    """Tokens for scripts: create, list, revoke."""


@token.command("create", examples=("ROOST_TOKEN=$(roost token create ci --days 30)",))
@click.argument("name")
@click.option(
    "--days", type=click.IntRange(1, 366), default=90, metavar="DAYS", help="How long it is good for, at most 366."
)
@output
@pass_session
def create(session: Session, name: str, days: int) -> None:
    """Make a token. It is printed this once and never again."""
    made = session.api.send("POST", "/v1/tokens", {"name": name, "expiresInDays": days})
    out.show_one(made, session.output, lambda: out.write(made["token"]))
    out.say(
        tr("Good until {moment}; revoke it with `roost token revoke {id}`.", moment=made["expiresAt"], id=made["id"])
    )


@token.command("list")
@output
@pass_session
def list_(session: Session) -> None:
    """List your tokens, without their secret."""
    out.show_list(session.api.get("/v1/tokens"), COLUMNS, session.output, tr("You have no token."))


@token.command("revoke")
@click.argument("id")
@yes
@pass_session
def revoke(session: Session, id: str, yes: bool) -> None:
    """End a token at once."""
    session.ask(tr("Revoke token {id}? What uses it stops working.", id=id), yes)
    session.api.send("DELETE", f"/v1/tokens/{id}")
    out.say(tr("Token {id} is revoked.", id=id))
