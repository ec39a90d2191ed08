"""`roost config`: plain and secret variables of an application. Values of secrets are never read back."""

import sys
from typing import Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import USAGE, Failure
from roost.surface.terminal.rollout import conclude
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import dry_run, group, output, pass_session, target, waits
from roost.surface.terminal.words import tr

WAIT_S: Final = 600
HIDDEN: Final = "********"
COLUMNS = (
    out.field("NAME", "name"),
    out.Column("VALUE", lambda row: HIDDEN if row.get("secret") else str(row.get("value", ""))),
    out.Column("SECRET", lambda row: "yes" if row.get("secret") else "-"),
)


@group("config")
def config() -> None:
    """Configuration and secrets of an application: list, set, unset."""


@config.command("list")
@target("app")
@output
@pass_session
def list_(session: Session) -> None:
    """List the variables; values of secrets are never shown."""
    found = session.api.get(session.of_app("config"))
    rows = {"items": found.get("variables", [])}
    out.show_list(rows, COLUMNS, session.output, tr("{place} has no variables.", place=session.place))


@config.command(
    "set",
    examples=(
        "roost config set LOG_LEVEL=debug WORKERS=2",
        "roost config set DATABASE_URL=postgres://... --secret",
        "roost config set TLS_KEY=- --secret < key.pem      # the value from standard input",
    ),
)
@click.argument("variables", nargs=-1, required=True, metavar="NAME=VALUE...")
@click.option("--secret", is_flag=True, help="Keep the values secret: they are never shown again.")
@dry_run
@waits(WAIT_S)
@target("app")
@output
@pass_session
def set_(session: Session, variables: tuple[str, ...], secret: bool, dry_run: bool, detach: bool, timeout: int) -> None:
    """Set variables; the application starts anew with them, without a pause."""
    wanted: dict[str, str] = {}
    for text in variables:
        name, equals, value = text.partition("=")
        if not name or not equals:
            # The text may be a secret: it is not told again.
            raise Failure(tr("A variable is not NAME=VALUE."), hint=tr("Read `roost config set --help`."), code=USAGE)
        wanted[name] = sys.stdin.read() if value == "-" else value
    body = {"set": wanted, "secret": secret}
    changed = session.api.send("PATCH", session.of_app("config"), body, params={"dryRun": dry_run})
    conclude(session, changed, dry_run=dry_run, detach=detach, timeout=timeout)


@config.command("unset")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@dry_run
@waits(WAIT_S)
@target("app")
@output
@pass_session
def unset(session: Session, names: tuple[str, ...], dry_run: bool, detach: bool, timeout: int) -> None:
    """Remove variables, secret ones too."""
    changed = session.api.send("PATCH", session.of_app("config"), {"unset": list(names)}, params={"dryRun": dry_run})
    conclude(session, changed, dry_run=dry_run, detach=detach, timeout=timeout)
