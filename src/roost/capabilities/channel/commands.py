"""`roost channel`: where a tenant is told how its runs and promotions went: create, list, notices, secret, test."""

from collections.abc import Mapping
from typing import Any, Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import USAGE, Failure
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import confirm, group, output, pass_session, target
from roost.surface.terminal.words import tr

COLUMNS: Final = (
    out.Column("NAME", out.name_of),
    out.field("TYPE", "spec.type"),
    out.Column("TO", lambda row: str(out.at(row, "spec.url", "") or ", ".join(out.at(row, "spec.to", [])))),
    out.Column("STATE", out.state),
    out.age(),
)
NOTICES: Final = (
    out.Column("NAME", out.name_of),
    out.field("CHANNEL", "spec.channel"),
    out.field("EVENT", "spec.event"),
    out.field("STATE", "status.phase"),
    out.Column("NEWS", lambda row: str(out.condition(row).get("message", "-"))),
    out.age(),
)


@group("channel", examples=("roost channel create chat --url https://chat.example.org/hook", "roost channel test chat"))
def commands() -> None:
    """Where results are told: webhooks and mail."""


@commands.command("list")
@target("tenant")
@output
@pass_session
def list_(session: Session) -> None:
    """List channels."""
    found = session.api.items(session.of_tenant("channels"))["items"]
    out.show_list({"items": found}, COLUMNS, session.output, tr("There is no channel yet."))


@commands.command(
    "create",
    examples=(
        "roost channel create chat --url https://chat.example.org/hook",
        "roost channel create team --mail team@example.org --event run.failed",
    ),
)
@click.argument("name")
@click.option("--url", default="", metavar="URL", help="A webhook: it is signed as Standard Webhooks has it.")
@click.option("--mail", "to", multiple=True, metavar="ADDRESS", help="Mail to this address; may stand again.")
@click.option("--event", "events", multiple=True, metavar="EVENT", help="What is told: run.failed; may stand again.")
@click.option("-p", "--project", "projects", multiple=True, metavar="NAME", help="Only of this one; may stand again.")
@click.option("--language", type=click.Choice(("en", "zh")), default=None, help="Of mails; English without it.")
@target("tenant")
@output
@pass_session
def create(session: Session, name: str, url: str, to: tuple[str, ...], **more: Any) -> None:
    """Make a channel. The secret of a webhook is shown once."""
    if bool(url) == bool(to):
        raise Failure(tr("Say either --url or --mail."), code=USAGE)
    spec: dict[str, Any] = {"type": "webhook" if url else "mail"}
    spec |= {"url": url, "secret": f"{name}-channel"} if url else {"to": list(to)}
    spec |= {key: list(more[key]) for key in ("events", "projects") if more[key]}
    spec |= {"language": more["language"]} if more["language"] else {}
    body = {"metadata": {"name": name}, "spec": spec}
    made: Mapping[str, Any] = session.api.send("POST", session.of_tenant("channels"), body)
    out.say(tr("Channel {name} is made. Try it: `roost channel test {name}`.", name=name))
    if url:
        _renew(session, name)
    else:
        out.show_one(made, session.output, lambda: None)


def _renew(session: Session, name: str) -> None:
    made: Mapping[str, Any] = session.api.send("POST", session.of_tenant("channels", name, "secret"))
    out.show_one(made, session.output, lambda: out.facts([("Secret", str(made["secret"]))]))


@commands.command("secret")
@click.argument("name")
@target("tenant")
@output
@pass_session
def secret(session: Session, name: str) -> None:
    """Make a new secret for a webhook, and show it once; the one before ends."""
    _renew(session, name)


@commands.command("test")
@click.argument("name")
@target("tenant")
@pass_session
def test(session: Session, name: str) -> None:
    """Send a test."""
    path = session.of_tenant("channels", name)
    number = int(out.at(session.api.get(path), "spec.test", 0)) + 1
    session.api.send("PATCH", path, {"spec": {"test": number}})
    out.say(tr("A test is on its way. What became of it: `roost channel notices`."))


@commands.command("notices")
@click.argument("channel", required=False)
@target("tenant")
@output
@pass_session
def notices(session: Session, channel: str | None) -> None:
    """List what was told, the newest first."""
    found = session.api.items(session.of_tenant("notices"))["items"]
    mine = [row for row in found if channel in (None, out.at(row, "spec.channel"))]
    rows = sorted(mine, key=lambda row: str(out.at(row, "metadata.creationTimestamp", "")), reverse=True)
    out.show_list({"items": rows}, NOTICES, session.output, tr("Nothing was told yet."))


@commands.command("delete")
@click.argument("name")
@confirm
@target("tenant")
@pass_session
def delete(session: Session, name: str, confirm: str | None) -> None:
    """Delete a channel and what it told."""
    warning = tr("Channel {name} of {tenant} goes: nobody is told there any more.", name=name, tenant=session.tenant)
    session.confirm(warning, name, confirm)
    session.api.send("DELETE", session.of_tenant("channels", name))
    out.say(tr("Channel {name} is deleted.", name=name))
