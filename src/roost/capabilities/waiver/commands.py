"""`roost findings`, `roost waive` and `roost waiver`: what scans found, and what of it may stay."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import click

from roost.surface.problems import Problem
from roost.surface.terminal import output as out
from roost.surface.terminal.failure import NOT_FOUND, USAGE, Failure
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, group, output, pass_session, target
from roost.surface.terminal.words import tr

COLUMNS: Final = (
    out.field("SEVERITY", "severity"),
    out.field("SCAN", "kind"),
    out.Column("PLACE", lambda row: f"{row.get('path', '')}:{row.get('line', 0)}".removesuffix(":0")),
    out.field("RULE", "rule"),
    out.Column("NEW", lambda row: tr("yes") if row.get("new") else ""),
    out.Column("WAIVED", lambda row: tr("yes") if row.get("waived") else ""),
    out.field("FINDING", "fingerprint"),
    out.field("FIRST SEEN", "firstSeen", wide=True),
    out.field("MESSAGE", "message", wide=True),
)
KINDS: Final = ("secret", "source", "dependency", "image")
LEVELS: Final = ("low", "medium", "high", "critical")
WAIVERS: Final = (
    out.Column("NAME", out.name_of),
    out.field("PROJECT", "spec.project"),
    out.field("FINDING", "spec.fingerprint"),
    out.field("UNTIL", "spec.until"),
    out.Column("STATE", lambda row: str(out.condition(row).get("reason", ""))),
    out.field("REASON", "spec.reason"),
    out.Column("BY", lambda row: str((out.at(row, "metadata.annotations", {}) or {}).get("roost.dev/author", "-"))),
)


F = TypeVar("F", bound=Callable[..., Any])


def _project(required: bool = True) -> Callable[[F], F]:
    return click.option("-p", "--project", required=required, metavar="PROJECT", help="The project.")


@command(
    "findings",
    examples=(
        "roost findings -p shop",
        "roost findings -p shop --kind dependency --severity high --new -o json",
        "roost findings -e prod --release shop-v7",
    ),
)
@_project(required=False)
@click.option("--run", "run", default="", metavar="RUN", help="Of this run; of the newest without it.")
@click.option("--release", default="", metavar="NAME", help="Of the packages of this version's image instead.")
@click.option("--kind", type=click.Choice(KINDS), default=None, help="Only what this scan found.")
@click.option("--severity", type=click.Choice(LEVELS), default=None, help="Only this grave or graver.")
@click.option("--new", is_flag=True, help="Only what the last successful run had not.")
@click.option("--open", "still", is_flag=True, help="Only what no waiver lets stay.")
@target("env")
@output
@pass_session
def findings(session: Session, project: str | None, run: str, release: str, **wanted: Any) -> None:
    """List what the scan of a run found, and how to fix or waive it."""
    if not project and not release:
        raise Failure(tr("Name a project (-p), or a version (--release)."), code=USAGE)
    name = run or release
    if not name:
        found_run = session.api.get(session.of_tenant("projects", str(project)))
        name = str(out.at(found_run, "status.lastRun", "") or "")
    if not name:
        raise Failure(tr("{name} has no run yet.", name=str(project)), code=NOT_FOUND)
    where = session.of_env("releases", name) if release else session.of_tenant("runs", name)
    asked = {"kind": wanted["kind"], "severity": wanted["severity"]}
    asked |= {"new": "true" if wanted["new"] else None, "waived": "false" if wanted["still"] else None}
    found: Mapping[str, Any] = session.api.send("GET", f"{where}/findings", params=asked)
    rows = [{**item, "name": item.get("fingerprint", "")} for item in found.get("items", ())]
    out.show_list({"items": rows}, COLUMNS, session.output, tr("The scan of {run} found nothing.", run=name))
    if rows and not session.machine:
        out.say("\n" + tr("What to do: {fix}", fix=str(rows[0].get("fix", ""))))


@command("waive", examples=('roost waive 0123456789abcdef -p shop --reason "A key of the test server" --days 30',))
@click.argument("finding")
@_project()
@click.option("--reason", required=True, help="Why it may stay.")
@click.option("--days", type=click.IntRange(1, 366), default=30, help="For so many days; 30 without it.")
@target("tenant")
@output
@pass_session
def waive(session: Session, finding: str, project: str, reason: str, days: int) -> None:
    """Let a finding stay for a while (owners). Runs from then on are not stopped by it."""
    until = (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    name = f"{project[:40]}-{finding[:16]}"
    spec = {"project": project, "fingerprint": finding, "reason": reason, "until": until}
    body = {"metadata": {"name": name}, "spec": spec}
    try:
        made: Mapping[str, Any] = session.api.send("POST", session.of_tenant("waivers"), body)
    except Problem as problem:
        if problem.kind != "exists":
            raise
        # A waiver never changes, so that its author and reason stay true: another one takes the place of an older.
        session.api.send("DELETE", session.of_tenant("waivers", name))
        made = session.api.send("POST", session.of_tenant("waivers"), body)
    out.show_one(made, session.output, lambda: out.say(tr("It may stay until {until}.", until=until)))


@group("waiver")
def waiver() -> None:
    """What may stay although a scan found it: list, end."""


@waiver.command("list")
@_project(required=False)
@target("tenant")
@output
@pass_session
def list_(session: Session, project: str | None) -> None:
    """List the waivers of a tenant, or of one project."""
    found = session.api.items(session.of_tenant("waivers"))["items"]
    rows = [row for row in found if not project or out.at(row, "spec.project") == project]
    out.show_list({"items": rows}, WAIVERS, session.output, tr("There are no waivers."))


@waiver.command("end")
@click.argument("name")
@target("tenant")
@pass_session
def end(session: Session, name: str) -> None:
    """End a waiver now: the next run is stopped by the finding again."""
    session.api.send("DELETE", session.of_tenant("waivers", name))
    out.say(tr("{name} has ended.", name=name))


commands = (findings, waive, waiver)
