"""`roost project secret`: what steps and builds of a project's runs have. Values are never read back."""

import sys
from pathlib import Path
from typing import Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import USAGE, Failure
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import group, output, pass_session, target
from roost.surface.terminal.words import tr

COLUMNS: Final = (
    out.field("NAME", "name"),
    out.field("VARIABLE", "variable"),
    out.Column("FOR", lambda row: ", ".join(row.get("use", ()))),
)


@group("secret")
def secret() -> None:
    """Secrets of a project's steps and builds: list, set, unset. Values are never shown again."""


@secret.command("list")
@click.argument("project")
@target("tenant")
@output
@pass_session
def list_(session: Session, project: str) -> None:
    """List the secrets that steps and builds of a project may have."""
    found = session.api.get(session.of_tenant("projects", project, "secrets"))
    out.show_list(found, COLUMNS, session.output, tr("Runs of {name} have no secrets.", name=project))


@secret.command(
    "set",
    examples=(
        "roost project secret set shop npm-token < token",
        "roost project secret set shop signing-key --file key.pem",
        "roost project secret set shop pip-password --for build < password",
    ),
)
@click.argument("project")
@click.argument("name")
@click.option("--file", type=click.Path(dir_okay=False, exists=True), default=None, help="A file that holds the value.")
@click.option(
    "--for",
    "use",
    type=click.Choice(("steps", "build")),
    multiple=True,
    default=("steps",),
    help="steps: those that name it have it as a variable. build: RUN may mount it. May stand again.",
)
@target("tenant")
@pass_session
def set_(session: Session, project: str, name: str, file: str | None, use: tuple[str, ...]) -> None:
    """Set a secret; the value comes from standard input, a file, or is asked for.

    Projects of a team that name the same secret share its value. Runs of commits that are not in the project's branch
    do not have it. The line break after a single line is left out.
    """
    body = {"value": _value(session, name, file), "use": list(dict.fromkeys(use))}
    session.api.send("PUT", session.of_tenant("projects", project, "secrets", name), body)
    out.say(tr("Runs of {project} have the secret {name} from the next one on.", project=project, name=name))
    if "steps" in use:
        out.say(tr("A step has it that names it: `secrets: [{name}]` in roost.yaml.", name=name))


def _value(session: Session, name: str, file: str | None) -> str:
    # Never an argument: those are seen in lists of processes and in the shell's history.
    if file is not None:
        text = (session.directory / Path(file).expanduser()).read_text("utf-8")
    elif sys.stdin.isatty():
        text = str(click.prompt(tr("Value of {name}", name=name), hide_input=True, err=True))
    else:
        text = sys.stdin.read()
    line, _, rest = text.partition("\n")
    value = text if rest else line.removesuffix("\r")
    if not value:
        raise Failure(tr("The value is empty: give it on standard input."), code=USAGE)
    return value


@secret.command("unset")
@click.argument("project")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@target("tenant")
@pass_session
def unset(session: Session, project: str, names: tuple[str, ...]) -> None:
    """Take secrets from a project's runs; what no other project names is removed."""
    for name in names:
        session.api.send("DELETE", session.of_tenant("projects", project, "secrets", name))
        out.say(tr("Runs of {project} have the secret {name} no more.", project=project, name=name))
