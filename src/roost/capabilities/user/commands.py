"""`roost user`: people of the platform, for administrators."""

from typing import Any

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import confirm, group, output, pass_session, yes
from roost.surface.terminal.words import tr

ROLES = ("administrator", "operator", "auditor")
COLUMNS = (
    out.Column("NAME", out.name_of),
    out.field("TITLE", "spec.title"),
    out.field("ROLE", "spec.platformRole"),
    out.Column("DISABLED", lambda row: "yes" if out.at(row, "spec.disabled") else "-"),
    out.field("MAIL", "spec.mail", wide=True),
    out.age(),
)


@group("user")
def commands() -> None:
    """People: create, list, show, disable, enable, password, delete (administrators)."""


@commands.command("create", examples=('roost user create mei --title "Mei Lin" --mail mei@example.com',))
@click.argument("name")
@click.option("--title", default="", help="The name that people see.")
@click.option("--mail", default="", help="The mail address.")
@click.option("--role", type=click.Choice(ROLES), help="A role over the whole platform.")
@output
@pass_session
def create(session: Session, name: str, title: str, mail: str, role: str | None) -> None:
    """Make a person. The first password is printed this once."""
    made = session.api.send(
        "POST", "/v1/users", {"name": name, "title": title, "mail": mail, "platformRole": role or ""}
    )
    if session.output == "name":
        out.write(name)
        return
    out.show_one(made, session.output, lambda: out.write(made["password"]))
    out.say(tr("{name} is made; the line above is the first password.", name=name))


@commands.command("list")
@output
@pass_session
def list_(session: Session) -> None:
    """List people."""
    out.show_list(session.api.items("/v1/users"), COLUMNS, session.output)


@commands.command("show")
@click.argument("name")
@output
@pass_session
def show(session: Session, name: str) -> None:
    """Show one person."""
    person = session.api.get(f"/v1/users/{name}")
    out.show_one(person, session.output, lambda: _facts(person))


def _facts(person: Any) -> None:
    out.facts(
        [
            ("Name", out.name_of(person)),
            ("Title", out.at(person, "spec.title", "")),
            ("Mail", out.at(person, "spec.mail", "")),
            ("Platform role", out.at(person, "spec.platformRole", "")),
            ("Disabled", "yes" if out.at(person, "spec.disabled") else "no"),
        ]
    )


@commands.command("disable")
@click.argument("name")
@yes
@pass_session
def disable(session: Session, name: str, yes: bool) -> None:
    """Let a person in no more; everything of theirs stays."""
    session.ask(tr("Let {name} in no more?", name=name), yes)
    session.api.send("PATCH", f"/v1/users/{name}", {"disabled": True})
    out.say(tr("{name} is disabled.", name=name))


@commands.command("enable")
@click.argument("name")
@pass_session
def enable(session: Session, name: str) -> None:
    """Let a disabled person in again."""
    session.api.send("PATCH", f"/v1/users/{name}", {"disabled": False})
    out.say(tr("{name} is enabled.", name=name))


@commands.command("password")
@click.argument("name")
@yes
@pass_session
def password(session: Session, name: str, yes: bool) -> None:
    """Give a person a new password, printed this once; all their tokens end."""
    session.ask(tr("Give {name} a new password? All their tokens end.", name=name), yes)
    out.write(session.api.send("POST", f"/v1/users/{name}/password")["password"])


@commands.command("delete")
@click.argument("name")
@confirm
@pass_session
def delete(session: Session, name: str, confirm: str | None) -> None:
    """Delete a person, with password and tokens."""
    session.confirm(tr("{name} goes, with password and tokens.", name=name), name, confirm)
    session.api.send("DELETE", f"/v1/users/{name}")
    out.say(tr("{name} is deleted.", name=name))
