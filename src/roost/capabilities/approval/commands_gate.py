"""`roost gate`: what a version must pass before it comes into an environment (administrators change it)."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import CONFLICT, NOT_FOUND, USAGE, Failure
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import dry_run, group, output, pass_session, target
from roost.surface.terminal.words import tr

TRIES: Final = 3
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _when(freeze: Mapping[str, Any]) -> str:
    days = ",".join(freeze.get("days") or ()) or tr("every day")
    start, end = freeze.get("start", "00:00"), freeze.get("end", "00:00")
    hours = "" if start == end == "00:00" else f" {start}-{end}"
    return f"{days}{hours} {freeze.get('zone', 'UTC')}"


def _frozen(gates: Mapping[str, Any]) -> str:
    """Whether the environment is frozen now, and until when: in the zone of the freeze, as its times are."""
    from roost.model.kinds.gates import Gates, frozen, zone_known  # They bring pydantic, of use only here.

    found = frozen(Gates.model_validate(gates).freezes, datetime.now(UTC))
    if found is None:
        return tr("no")
    freeze, end = found
    if end is None:
        return tr("with no end in sight: {reason}", reason=freeze.reason)
    local = end.astimezone(ZoneInfo(freeze.zone)) if zone_known(freeze.zone) else end
    return tr("until {end}: {reason}", end=f"{local:%Y-%m-%d %H:%M} ({local.tzname()})", reason=freeze.reason)


FREEZES = (
    out.field("REASON", "reason"),
    out.Column("WHEN", _when),
    out.field("SINCE", "since"),
    out.field("UNTIL", "until"),
)


def _find(session: Session) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """(the tenant, its environment that is asked for)."""
    tenant = session.api.get(f"/v1/tenants/{session.tenant}")
    for item in out.at(tenant, "spec.environments", ()):
        if item["name"] == session.env:
            return tenant, dict(item)
    raise Failure(tr("{tenant} has no environment {env}.", tenant=session.tenant, env=session.env), code=NOT_FOUND)


@group("gate", invoke_without_command=True, examples=("roost gate -e prod", "roost gate set -e prod --approvals 1"))
@target("env")
@output
@pass_session
@click.pass_context
def gate(ctx: click.Context, session: Session) -> None:
    """What versions must pass before an environment: show (without a verb), set, freeze, unfreeze."""
    if ctx.invoked_subcommand is None:
        _show(session)


def _show(session: Session) -> None:
    _, environment = _find(session)
    gates = environment.get("gates") or {}

    def people() -> None:
        eyes = tr("yes") if gates.get("fourEyes", True) else tr("no")
        out.facts(
            [
                ("Environment", session.env),
                ("Approvals", str(gates.get("approvals", 0))),
                ("Four eyes", eyes),
                ("Frozen", _frozen(gates)),
            ]
        )
        if gates.get("freezes"):
            out.write("")
            out.table(gates["freezes"], FREEZES)

    out.show_one({"name": session.env, **gates}, session.output, people)


def _change(session: Session, change: Callable[[dict[str, Any]], None], dry_run: bool) -> None:
    """Change the gates of one environment, over the version that was read."""
    for left in reversed(range(TRIES)):
        tenant, environment = _find(session)
        gates = dict(environment.get("gates") or {})
        change(gates)
        rows = [
            {**item, "gates": gates} if item["name"] == session.env else item
            for item in out.at(tenant, "spec.environments", ())
        ]
        match = {"If-Match": f'"{out.at(tenant, "metadata.resourceVersion", "")}"'}
        body = {"spec": {"environments": rows}}
        try:
            session.api.send("PATCH", f"/v1/tenants/{session.tenant}", body, params={"dryRun": dry_run}, headers=match)
        except Failure as failure:
            if failure.code != CONFLICT or not left:
                raise
            continue
        break
    if dry_run:
        out.say(tr("It would be changed; nothing was."))
    else:
        _show(session)


@gate.command("set", examples=("roost gate set -e prod --approvals 1", "roost gate set -e test --approvals 0"))
@click.option("--approvals", type=click.IntRange(0, 5), default=None, help="People who must approve; 0: none.")
@click.option(
    "--four-eyes/--no-four-eyes", "four_eyes", default=None, help="Whether who made the change may not approve it."
)
@dry_run
@target("env")
@output
@pass_session
def set_(session: Session, approvals: int | None, four_eyes: bool | None, dry_run: bool) -> None:
    """Set how many people must approve a version before it comes in (administrators)."""
    wanted = {"approvals": approvals, "fourEyes": four_eyes}
    given = {key: value for key, value in wanted.items() if value is not None}
    if not given:
        raise Failure(tr("Nothing to set: give --approvals or --four-eyes."), code=USAGE)
    _change(session, lambda gates: gates.update(given), dry_run)


@gate.command(
    "freeze",
    examples=(
        "roost gate freeze -e prod --reason Weekend --days fri,sat,sun --start 16:00 --end 16:00 --zone Europe/Berlin",
        "roost gate freeze -e prod --reason Christmas --since 2026-12-20T00:00:00Z --until 2027-01-02T00:00:00Z",
    ),
)
@click.option("--reason", required=True, help="What people are told; its name.")
@click.option("--since", default="", metavar="TIME", help="From when on, e.g. 2026-12-20T00:00:00Z.")
@click.option("--until", default="", metavar="TIME", help="To when.")
@click.option("--days", default="", metavar="DAYS", help="Days on which it begins, e.g. sat,sun; every day without it.")
@click.option("--start", default="00:00", metavar="HH:MM", help="Time of day at which it begins.")
@click.option("--end", default="00:00", metavar="HH:MM", help="Time of day at which it ends; the next day if earlier.")
@click.option("--zone", default="UTC", help="Time zone, as in Europe/Berlin.")
@dry_run
@target("env")
@output
@pass_session
def freeze(session: Session, dry_run: bool, days: str, **given: str) -> None:
    """Add a time in which nothing new comes in, or change the one of the same reason (administrators)."""
    chosen = [day for day in days.replace(" ", "").split(",") if day]
    unknown = [day for day in chosen if day not in DAYS]
    if unknown:
        raise Failure(tr("{day!r} is no day: {days}.", day=unknown[0], days=", ".join(DAYS)), code=USAGE)
    entry: dict[str, Any] = {**{key: value for key, value in given.items() if value}, "days": chosen}

    def change(gates: dict[str, Any]) -> None:
        others = [item for item in gates.get("freezes") or () if item["reason"] != entry["reason"]]
        gates["freezes"] = [*others, entry]

    _change(session, change, dry_run)


@gate.command("unfreeze", examples=("roost gate unfreeze -e prod --reason Weekend",))
@click.option("--reason", required=True, help="The reason that it was given.")
@dry_run
@target("env")
@output
@pass_session
def unfreeze(session: Session, reason: str, dry_run: bool) -> None:
    """Take a freeze away (administrators)."""

    def change(gates: dict[str, Any]) -> None:
        left = [item for item in gates.get("freezes") or () if item["reason"] != reason]
        if len(left) == len(gates.get("freezes") or ()):
            raise Failure(tr("{env} has no freeze {reason!r}.", env=session.env, reason=reason), code=NOT_FOUND)
        gates["freezes"] = left

    _change(session, change, dry_run)
