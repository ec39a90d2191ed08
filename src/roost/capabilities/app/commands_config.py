"""`roost config`: plain and secret variables of an application. Values of secrets are never read back."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.difference import difference, tell
from roost.surface.terminal.failure import USAGE, Failure
from roost.surface.terminal.rollout import conclude
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import dry_run, group, output, pass_session, target, waits
from roost.surface.terminal.words import tr

WAIT_S: Final = 600
HIDDEN: Final = "********"
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
COLUMNS = (
    out.field("NAME", "name"),
    out.Column("VALUE", lambda row: HIDDEN if row.get("secret") else str(row.get("value", ""))),
    out.Column("SECRET", lambda row: "yes" if row.get("secret") else "-"),
)


@group("config")
def config() -> None:
    """Configuration and secrets of an application: list, set, unset, edit, import, export."""


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


# Many at once: files of lines NAME=value


def read_lines(text: str) -> dict[str, str]:
    """The variables of a `.env` file: NAME=value lines, `export` before them, quotes, comments. Failure names a line.

    Values in double quotes know \\n, \\t, \\" and \\\\; those in single quotes are as they stand; nothing is replaced.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not NAME.match(name):
            raise Failure(tr("Line {number} is not NAME=value.", number=number), code=USAGE)
        found[name] = _unquoted(value, number)
    return found


def _unquoted(value: str, number: int) -> str:
    if value[:1] not in ("'", '"'):
        return re.split(r"\s+#", value)[0]
    closed = re.fullmatch(r"""("(?:[^"\\]|\\.)*"|'[^']*')\s*(#.*)?""", value)
    if closed is None:
        raise Failure(tr("The quotes of line {number} do not end there.", number=number), code=USAGE)
    inner = closed[1][1:-1]
    if value[0] == "'":
        return inner
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), inner)


def line_of(name: str, value: str) -> str:
    """A variable as `read_lines` reads it back."""
    if re.fullmatch(r"[A-Za-z0-9_./:@%+,=-]*", value):
        return f"{name}={value}"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'{name}="{escaped}"'


def _plain(session: Session) -> tuple[dict[str, str], list[str]]:
    """(plain variables, names of secret ones) as they are."""
    found = session.api.get(session.of_app("config")).get("variables", [])
    plain = {str(item["name"]): str(item.get("value", "")) for item in found if not item.get("secret")}
    return plain, [str(item["name"]) for item in found if item.get("secret")]


@config.command("import", examples=("roost config import .env", "roost config import - --secret < production.env"))
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--secret", is_flag=True, help="Keep the values secret: they are never shown again.")
@dry_run
@waits(WAIT_S)
@target("app")
@output
@pass_session
def import_(session: Session, file: str, secret: bool, dry_run: bool, detach: bool, timeout: int) -> None:
    """Set all variables of a file of NAME=value lines (.env); what the file does not name stays."""
    text = sys.stdin.read() if file == "-" else (session.directory / Path(file).expanduser()).read_text("utf-8")
    wanted = read_lines(text)
    if not wanted:
        out.say(tr("There is no variable in it; nothing was changed."))
        return
    body = {"set": wanted, "secret": secret}
    changed = session.api.send("PATCH", session.of_app("config"), body, params={"dryRun": dry_run})
    out.say(tr("Variables of the file: {names}", names=", ".join(sorted(wanted))))
    conclude(session, changed, dry_run=dry_run, detach=detach, timeout=timeout)


@config.command("export", examples=("roost config export > .env",))
@target("app")
@pass_session
def export(session: Session) -> None:
    """Print the plain variables as NAME=value lines, as `import` reads them."""
    plain, secrets = _plain(session)
    for name in sorted(plain):
        out.write(line_of(name, plain[name]))
    if secrets:
        out.say(tr("Not told, because secret: {names}", names=", ".join(sorted(secrets))))


@config.command("edit")
@dry_run
@waits(WAIT_S)
@target("app")
@output
@pass_session
def edit(session: Session, dry_run: bool, detach: bool, timeout: int) -> None:
    """Change the plain variables in an editor ($EDITOR); lines that are taken away are removed."""
    before, secrets = _plain(session)
    head = [
        tr("# Variables of {place}. Save and leave to set them; without a change nothing is done.", place=session.place)
    ]
    if secrets:
        head.append(tr("# Secret ones are not shown and stay: {names}", names=", ".join(sorted(secrets))))
    text = "\n".join([*head, "", *(line_of(name, before[name]) for name in sorted(before)), ""])
    # A key that is pasted in is somebody's: only the editor may name a file for it, and click removes that.
    edited = click.edit(text, extension=".env", require_save=True)
    after = before if edited is None else read_lines(edited)
    _apply(session, before, after, {"dry_run": dry_run, "detach": detach, "timeout": timeout})


def _apply(session: Session, before: Mapping[str, str], after: Mapping[str, str], how: dict[str, Any]) -> None:
    if after == before:
        out.say(tr("Nothing was changed."))
        return
    tell(difference(dict(before), dict(after)))
    body = {
        "set": {name: value for name, value in after.items() if before.get(name) != value},
        "unset": sorted(before.keys() - after.keys()),
    }
    changed = session.api.send("PATCH", session.of_app("config"), body, params={"dryRun": how["dry_run"]})
    if how["dry_run"]:
        out.say(tr("It would be done; nothing was changed."))
    else:
        conclude(session, changed, **how)
