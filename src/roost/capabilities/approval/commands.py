"""`roost approve`, `roost reject` and `roost approval`: a person's word on what waits before an environment."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

import click

from roost.capabilities.approval.commands_gate import gate
from roost.surface.terminal import output as out
from roost.surface.terminal.failure import CONFLICT, NOT_FOUND, USAGE, Failure
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, dry_run, group, output, pass_session, target
from roost.surface.terminal.words import tr

OPEN: Final = ("AwaitingApproval", "AuthorsUnknown", "Frozen")


def _by(row: Any) -> str:
    return str((out.at(row, "metadata.annotations", {}) or {}).get("roost.dev/author", "-"))


COLUMNS = (
    out.field("PROMOTION", "spec.promotion"),
    out.field("DECISION", "spec.decision"),
    out.Column("BY", _by),
    out.field("COMMENT", "spec.comment"),
    out.age(),
)
WAITING = (
    out.Column("PROMOTION", out.name_of),
    out.field("APP", "spec.app"),
    out.field("COMMIT", "spec.artefact.commit", wide=True),
    out.Column("BY", lambda row: str(out.at(row, "spec.author", "") or _by(row))),
    out.Column("WAITS FOR", lambda row: str(out.condition(row).get("message", "-"))),
    out.age(),
)


def _waits(row: Mapping[str, Any]) -> bool:
    return out.at(row, "status.phase") == "Pending" and out.condition(row).get("reason") in OPEN


@group("approval", invoke_without_command=True, examples=("roost approval -e prod", "roost approval list -e prod"))
@target("env")
@output
@pass_session
@click.pass_context
def approval(ctx: click.Context, session: Session) -> None:
    """What waits for a person's word (without a verb); list: the words given."""
    if ctx.invoked_subcommand is None:
        rows = [row for row in session.api.items(session.of_env("promotions"))["items"] if _waits(row)]
        out.show_list({"items": rows}, WAITING, session.output, tr("Nothing waits for an approval."))


@approval.command("list")
@target("env")
@output
@pass_session
def list_(session: Session) -> None:
    """List the words given in the environment, the newest first."""
    found = session.api.items(session.of_env("approvals"))["items"]
    rows = sorted(found, key=lambda row: str(out.at(row, "metadata.creationTimestamp", "")), reverse=True)
    out.show_list({"items": rows}, COLUMNS, session.output, tr("Nobody has approved or rejected anything yet."))


def _give(session: Session, name: str, dry_run: bool, **said: Any) -> Mapping[str, Any]:
    """Make the Approval of an open Promotion."""
    found = session.api.get(session.of_env("promotions", name))
    if out.at(found, "status.phase", "Pending") != "Pending":
        raise Failure(
            tr(
                "{name} is {phase} already: there is nothing to decide.", name=name, phase=out.at(found, "status.phase")
            ),
            hint=tr("See `{command}`.", command=session.command("promotion list")),
            code=CONFLICT,
        )
    uid = str(out.at(found, "metadata.uid", ""))
    if not uid:
        raise Failure(tr("There is no promotion {name}.", name=name), code=NOT_FOUND)
    body = {
        "metadata": {"name": f"{name[:50]}-{secrets.token_hex(4)}"},
        "spec": {"promotion": name, "uid": uid, **said},
    }
    made: Mapping[str, Any] = session.api.send("POST", session.of_env("approvals"), body, params={"dryRun": dry_run})
    return made


@command(
    "approve",
    examples=(
        "roost approve shop-1a2b3c4d -e prod",
        'roost approve shop-1a2b3c4d -e prod --in-freeze --comment "The payment page is down"',
    ),
)
@click.argument("promotion")
@click.option("--comment", default="", metavar="TEXT", help="Why.")
@click.option("--in-freeze", is_flag=True, help="Also while the environment is frozen (owners).")
@dry_run
@target("env")
@output
@pass_session
def approve(session: Session, promotion: str, comment: str, in_freeze: bool, dry_run: bool) -> None:
    """Approve what waits to come into an environment; `roost approval` lists it."""
    if in_freeze and not comment:
        raise Failure(tr("Say why it cannot wait: --comment."), code=USAGE)
    more = {"inFreeze": True} if in_freeze else {}
    made = _give(session, promotion, dry_run, decision="approve", comment=comment, **more)
    out.show_one(made, session.output, lambda: out.say(tr("You approved {name}.", name=promotion)))


@command("reject", examples=('roost reject shop-1a2b3c4d -e prod --comment "Breaks the import"',))
@click.argument("promotion")
@click.option("--comment", required=True, metavar="TEXT", help="Why: the one who waits reads it.")
@dry_run
@target("env")
@output
@pass_session
def reject(session: Session, promotion: str, comment: str, dry_run: bool) -> None:
    """Reject what waits to come into an environment. It is final: it needs a new promotion."""
    made = _give(session, promotion, dry_run, decision="reject", comment=comment)
    out.show_one(made, session.output, lambda: out.say(tr("You rejected {name}.", name=promotion)))


commands = (approve, reject, approval, gate)
