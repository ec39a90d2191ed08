"""`roost source`: projects that follow a foreign repository: look now, webhook, credentials."""

import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import ERROR, USAGE, Failure
from roost.surface.terminal.follow import Progress, Step, follow
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import group, output, pass_session, target, waits
from roost.surface.terminal.words import tr

COLUMNS: Final = (
    out.Column("NAME", out.name_of),
    out.field("CAUSE", "spec.cause"),
    out.field("STATE", "status.phase"),
    out.Column("NEWS", lambda row: str(out.condition(row).get("message", "-"))),
    out.age(),
)


@group("source", examples=("roost source fetch wiki", "roost source hook wiki"))
def commands() -> None:
    """Projects that follow a repository elsewhere: fetch, list, hook, credentials, token."""


@commands.command("list")
@click.argument("project")
@target("tenant")
@output
@pass_session
def list_(session: Session, project: str) -> None:
    """List the looks at a project's source, the newest first."""
    found = session.api.items(session.of_tenant("imports"))["items"]
    mine = [row for row in found if out.at(row, "spec.project") == project]
    rows = sorted(mine, key=lambda row: str(out.at(row, "metadata.creationTimestamp", "")), reverse=True)
    out.show_list(
        {"items": rows}, COLUMNS, session.output, tr("Nobody has looked at the source of {name}.", name=project)
    )


@commands.command("fetch")
@click.argument("project")
@waits(600)
@target("tenant")
@output
@pass_session
def fetch(session: Session, project: str, detach: bool, timeout: int) -> None:
    """Look at a project's source now; what is new there is built."""
    name = f"{project[:40]}-manual-{secrets.token_hex(4)}"
    body = {"metadata": {"name": name}, "spec": {"project": project, "cause": "manual"}}
    made: Mapping[str, Any] = session.api.send("POST", session.of_tenant("imports"), body)
    if not detach:
        made = _wait(session, name, project, timeout)
    out.show_one(made, session.output, lambda: out.say(str(out.condition(made).get("message", ""))))


def _wait(session: Session, name: str, project: str, timeout: int) -> Mapping[str, Any]:
    seen: dict[str, Any] = {}

    def look() -> Progress:
        seen.clear()
        seen.update(session.api.get(session.of_tenant("imports", name)))
        phase, told = out.at(seen, "status.phase"), str(out.condition(seen).get("message", ""))
        if phase == "Failed":
            failure = Failure(tr("The source could not be read."), why=told, code=ERROR)
            return Progress((Step(tr("Source"), "failed", told),), failure=failure)
        done = phase == "Done"
        return Progress((Step(tr("Source"), "done" if done else "running", "" if done else told),), finished=done)

    follow(look, timeout, f"roost source list {project} -t {session.tenant}")
    return seen


@commands.command("hook")
@click.argument("project")
@click.option("--renew", is_flag=True, help="Make a new secret; the one before ends.")
@target("tenant")
@output
@pass_session
def hook(session: Session, project: str, renew: bool) -> None:
    """Show where a forge delivers its webhooks to, and with what secret."""
    path = session.of_tenant("projects", project)
    if renew:
        number = int(out.at(session.api.get(path), "spec.source.hook", 1)) + 1
        session.api.send("PATCH", path, {"spec": {"source": {"hook": number}}})
    found: Mapping[str, Any] = session.api.get(f"{path}/hook")

    def people() -> None:
        out.facts(
            [
                ("URL", str(found["url"])),
                ("Secret", str(found["secret"])),
                ("Standard Webhooks", str(found["standardSecret"])),
            ]
        )
        out.say("\n" + tr("GitHub, Gitea, GitLab: content type application/json, this secret,"))
        out.say(tr("events: pushes, tags, and merge (pull) requests where these are tried out."))
        out.say(tr('Anything else: curl -X POST -H "Authorization: Bearer SECRET" URL'))

    out.show_one(found, session.output, people)


@commands.command("token", examples=("roost source token wiki < token",))
@click.argument("project")
@target("tenant")
@pass_session
def token(session: Session, project: str) -> None:
    """Set the token by which a project's forge is told of results; it is read from standard input.

    It must be allowed to write commit statuses, and to read merge requests. No run ever has it.
    """
    given = sys.stdin.readline().strip()
    if not given:
        raise Failure(tr("Give the token on standard input."), code=USAGE)
    session.api.send("PUT", session.of_tenant("projects", project, "token"), {"token": given})
    out.say(tr("{name} has its forge's token.", name=project))


@commands.command(
    "credentials",
    examples=(
        "roost source credentials wiki --username mei --password-stdin",
        "roost source credentials wiki --ssh-key ~/.ssh/deploy --known-hosts hosts",
    ),
)
@click.argument("project")
@click.option("--username", default="", help="The name at the source; any where a token is enough.")
@click.option("--password-stdin", is_flag=True, help="Read the password or token from standard input.")
@click.option("--ssh-key", type=click.Path(dir_okay=False, exists=True), default=None, help="A private key, as a file.")
@click.option(
    "--known-hosts",
    type=click.Path(dir_okay=False, exists=True),
    default=None,
    help="The host's public keys, as a file.",
)
@target("tenant")
@pass_session
def credentials(
    session: Session, project: str, username: str, password_stdin: bool, ssh_key: str | None, known_hosts: str | None
) -> None:
    """Set how a project's source is reached. They are kept in the cluster and never shown again."""
    body: dict[str, str] = {}
    if password_stdin:
        body |= {
            "username": username or "token",
            "password": sys.stdin.readline().rstrip("\r\n"),
        }
    if ssh_key:
        body["sshPrivateKey"] = Path(ssh_key).read_text()
    if known_hosts:
        body["knownHosts"] = Path(known_hosts).read_text()
    if not body:
        raise Failure(tr("Nothing to set: give --password-stdin, or --ssh-key with --known-hosts."), code=USAGE)
    session.api.send("PUT", session.of_tenant("projects", project, "credentials"), body)
    out.say(tr("{name} has its credentials.", name=project))
