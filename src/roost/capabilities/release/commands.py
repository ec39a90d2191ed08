"""`roost releases` and `roost rollback`: the versions of an application, their difference, and the way back."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import click

from roost.capabilities.release.advice import SAYS, VERDICTS
from roost.capabilities.release.commands_sbom import sbom_of
from roost.model.difference import Change
from roost.surface.terminal import output as out
from roost.surface.terminal.difference import tell, told
from roost.surface.terminal.failure import CONFLICT, NOT_FOUND, REFUSED, USAGE, Failure, printable
from roost.surface.terminal.rollout import conclude
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, dry_run, group, output, pass_session, target, waits, yes
from roost.surface.terminal.words import tr

WAIT_S: Final = 600
TRIES: Final = 3
DEFAULTS: Final = {"count": 50, "days": 30}
AS_OF_APP: Final = "roost.dev/app={app}"  # A label selector.


class Version(click.ParamType[int]):
    """`v7` or `7`: a positive number."""

    name = "version"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        match = re.fullmatch(r"v?([1-9][0-9]{0,6})", str(value))
        if match is None:
            self.fail(tr("{value!r} is no version: v7, for example.", value=value), param, ctx)
        return int(match[1])


VERSION: Final = Version()


def number(release: Any) -> int:
    """The number of a Release."""
    return int(out.at(release, "spec.number", 0))


def _columns(pins: Collection[int]) -> tuple[out.Column, ...]:
    """Of the table of versions; `pins` stay for good."""
    return (
        out.Column("VERSION", lambda row: f"v{number(row)}"),
        out.field("STATE", "status.phase"),
        out.field("CHANGE", "spec.cause"),
        out.Column("COMMIT", lambda row: str(out.at(row, "spec.content.artefact.commit", "-"))[:8] or "-"),
        out.Column("PINNED", lambda row: tr("yes") if number(row) in pins else "-"),
        out.field("AUTHOR", "spec.author"),
        out.age(),
        out.field("RUN", "spec.run", wide=True),
        out.field("IMAGE", "spec.content.artefact.image", wide=True),
    )


def _of_app(session: Session) -> list[Any]:
    found = session.api.items(session.of_env("releases"), labels=AS_OF_APP.format(app=session.app))["items"]
    mine = [item for item in found if out.at(item, "spec.app") == session.app]
    return sorted(mine, key=number, reverse=True)


def _show_all(session: Session) -> None:
    rows = _of_app(session)
    pins = [] if session.machine or not rows else out.at(session.api.get(session.of_app()), "spec.history.pins", ())
    out.show_list(
        {"items": rows}, _columns(pins), session.output, tr("{place} has no version yet.", place=session.place)
    )


def _release(session: Session, wanted: int) -> Mapping[str, Any]:
    found: Mapping[str, Any] = session.api.get(session.of_env("releases", f"{session.app}-v{wanted}"))
    return found


def _changes(answer: Mapping[str, Any]) -> list[Change]:
    """The changes of an answer, or of a Release's spec."""
    items = answer.get("changes") or ()
    return [Change(str(item.get("field", "")), item.get("before"), item.get("after")) for item in items]


def _paint(answer: Mapping[str, Any]) -> None:
    for change in told(_changes(answer)):
        out.write(change.text if out.coloured() else click.unstyle(change.text))
    if answer.get("omitted"):
        out.write(tr("... and {count} more.", count=answer["omitted"]))


@group("releases", invoke_without_command=True, examples=("roost releases", "roost releases diff v3 v7"))
@target("app")
@output
@pass_session
@click.pass_context
def releases(ctx: click.Context, session: Session) -> None:
    """The versions of an application: list (without a verb), show, diff, sbom, pin, keep."""
    if ctx.invoked_subcommand is None:
        _show_all(session)


@releases.command("list")
@target("app")
@output
@pass_session
def list_(session: Session) -> None:
    """List the versions, the newest first."""
    _show_all(session)


@releases.command("show")
@click.argument("version", type=VERSION)
@target("app")
@output
@pass_session
def show(session: Session, version: int) -> None:
    """Show all that one version is."""
    found = _release(session, version)

    def people() -> None:
        out.facts(_head(found))
        if out.at(found, "spec.changes"):
            out.write("\n" + tr("It differs from the version before in:"))
            _paint(found["spec"])
        out.write("\n" + printable(out.yaml_text(out.at(found, "spec.content", {}))))

    out.show_one(found, session.output, people)


def _head(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("Version", f"v{number(found)}"),
        ("State", str(out.at(found, "status.phase", ""))),
        ("Change", str(out.at(found, "spec.cause", ""))),
        ("Author", str(out.at(found, "spec.author", ""))),
        ("Run", str(out.at(found, "spec.run", ""))),
        ("Made", str(out.at(found, "metadata.creationTimestamp", ""))),
        ("Served from", str(out.at(found, "status.liveAt", ""))),
        ("Data", ", ".join(map(_data_point, out.at(found, "status.dataPoints", ())))),
    ]


def _data_point(item: Any) -> str:
    kind, name, point, moment = (out.at(item, key, "") for key in ("kind", "name", "point", "at"))
    return f"{kind} {name}: {point} ({moment})"


@releases.command("diff")
@click.argument("old", type=VERSION)
@click.argument("new", type=VERSION)
@target("app")
@output
@pass_session
def diff(session: Session, old: int, new: int) -> None:
    """Show what differs from one version to another."""
    answer = session.api.send("GET", session.of_app("difference"), params={"from": old, "to": new})
    if session.machine:
        rows = [{"name": item.field, "old": item.before, "new": item.after} for item in _changes(answer)]
        out.show_list({"items": rows}, (), session.output)
    elif not answer.get("changes"):
        out.say(tr("There is no difference."))
    else:
        _paint(answer)


def _newest(session: Session) -> int:
    known = _of_app(session)
    if not known:
        raise Failure(tr("{place} has no version yet.", place=session.place), code=NOT_FOUND)
    return number(known[0])


releases.add_command(sbom_of(VERSION, _newest))


@releases.command("pin", examples=("roost releases pin v3", "roost releases pin v3 --off"))
@click.argument("version", type=VERSION)
@click.option("--off", is_flag=True, help="Let it go with the others.")
@target("app")
@output
@pass_session
def pin(session: Session, version: int, off: bool) -> None:
    """Keep a version for good: neither it nor its image goes, however old it becomes."""
    _release(session, version)

    def pins(history: dict[str, Any]) -> None:
        others = [item for item in history.get("pins") or () if item != version]
        history["pins"] = others if off else sorted([*others, version])

    _keep(session, pins)
    text = tr("v{number} goes with the others.", number=version) if off else tr("v{number} stays.", number=version)
    out.say(text)


@releases.command("keep", examples=("roost releases keep --count 20 --days 90",))
@click.option("--count", type=click.IntRange(1, 200), default=None, help="The newest versions that stay in any case.")
@click.option("--days", type=click.IntRange(0, 3650), default=None, help="Versions younger than so many days stay.")
@target("app")
@output
@pass_session
def keep(session: Session, count: int | None, days: int | None) -> None:
    """Set which versions one can go back to. Those that are pinned stay besides."""
    given = {key: value for key, value in (("count", count), ("days", days)) if value is not None}
    if not given:
        raise Failure(tr("Nothing to set: give --count or --days."), code=USAGE)
    history = _keep(session, lambda history: history.update(given))
    out.say(tr("The newest {count} versions stay, and those younger than {days} days.", **DEFAULTS | history))


def _keep(session: Session, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Change the application's history over the version that was read: what it is now."""
    for left in reversed(range(TRIES)):
        app = session.api.get(session.of_app())
        history = dict(out.at(app, "spec.history", {}))
        change(history)
        match = {"If-Match": f'"{out.at(app, "metadata.resourceVersion", "")}"'}
        try:
            session.api.send("PATCH", session.of_app(), {"spec": {"history": history}}, headers=match)
            return history
        except Failure as failure:
            if failure.code != CONFLICT or not left:
                raise
    raise AssertionError("The last try returns or raises.")


@command("rollback", examples=("roost rollback", "roost rollback v12 --yes -e prod", "roost rollback v3 --dry-run"))
@click.argument("version", type=VERSION, required=False)
@yes
@click.option("--force", is_flag=True, help="Go back against the verdict, where that is possible.")
@dry_run
@waits(WAIT_S)
@target("app")
@output
@pass_session
def rollback(session: Session, version: int | None, **given: Any) -> None:
    """Go back to an earlier version: image, configuration, secrets, processes, host names.

    Shows the difference and a verdict first and asks. Without a version it is the last one that served well before.
    Pushes do not reach the application afterwards until `roost resume`.
    """
    dry_run, force = given["dry_run"], given["force"]
    plan = session.api.send("GET", session.of_app("rollback"), params={"to": version})
    wanted = int(plan["target"])
    tell(told(_changes(plan)))
    said = _tell(plan)
    if plan["verdict"] == "same":
        raise Failure(tr("Nothing was changed."), why=said, code=CONFLICT)
    if plan["verdict"] == "refused" and not (force and plan.get("force")):
        hint = tr("Add --force to go back all the same.") if plan.get("force") else ""
        raise Failure(tr("Nothing was changed."), why=said, hint=hint, code=REFUSED)
    if dry_run and session.machine:
        out.show_one(plan, session.output, lambda: None)
        return
    if not dry_run:
        session.ask(tr("Bring back v{number} of {place}?", number=wanted, place=session.place), given["yes"])
    body = {"to": wanted, **({"force": True} if force else {})}
    changed = session.api.send("POST", session.of_app("rollback"), body, params={"dryRun": dry_run})
    if dry_run:
        out.say(tr("It would be done; nothing was changed."))
        return
    conclude(session, changed, dry_run=False, detach=given["detach"], timeout=given["timeout"])
    out.say(tr("Pushes do not reach it until `{command}`.", command=session.command("resume")))


def _tell(plan: Mapping[str, Any]) -> str:
    """Say the verdict, and why; the reasons."""
    checks = plan.get("checks") or ()
    # A reason that this version does not know is told as the API says it.
    reasons = [
        tr(SAYS[item["reason"]], **(item.get("values") or {})) if item["reason"] in SAYS else str(item["message"])
        for item in checks
    ]
    if plan["verdict"] == "safe":
        reasons = [tr("v{number} served before.", number=plan["target"])]
    text, colour = VERDICTS[plan["verdict"]]
    said = " ".join(map(printable, reasons))
    click.echo("\n" + click.style(tr(text), fg=colour, bold=True) + " " + said, err=True)
    return said


commands = (releases, rollback)
