"""`roost releases` and `roost rollback`: the versions of an application, their difference, and the way back."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from roost.capabilities.release.advice import Advice, advice
from roost.capabilities.release.commands_sbom import sbom_of
from roost.surface.terminal import output as out
from roost.surface.terminal.difference import difference, tell
from roost.surface.terminal.failure import CONFLICT, NOT_FOUND, USAGE, Failure, printable
from roost.surface.terminal.rollout import conclude
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, dry_run, group, output, pass_session, target, waits, yes
from roost.surface.terminal.words import tr

WAIT_S: Final = 600
TRIES: Final = 3
DEFAULTS: Final = {"count": 50, "days": 30}
COLUMNS = (
    out.Column("VERSION", lambda row: f"v{number(row)}"),
    out.field("STATE", "status.phase"),
    out.field("CHANGE", "spec.cause"),
    out.Column("COMMIT", lambda row: str(out.at(row, "spec.content.artefact.commit", "-"))[:8] or "-"),
    out.field("AUTHOR", "spec.author"),
    out.age(),
    out.field("IMAGE", "spec.content.artefact.image", wide=True),
)
VERDICTS: Final = {
    "same": ("There is nothing to go back to.", "yellow"),
    "safe": ("Looks safe.", "green"),
    "care": ("Take care.", "yellow"),
    "against": ("Better not.", "red"),
}


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


def _of_app(session: Session) -> list[Any]:
    found = session.api.items(session.of_env("releases"))["items"]
    mine = [item for item in found if out.at(item, "spec.app") == session.app]
    return sorted(mine, key=number, reverse=True)


def _release(session: Session, wanted: int) -> Mapping[str, Any]:
    found: Mapping[str, Any] = session.api.get(session.of_env("releases", f"{session.app}-v{wanted}"))
    return found


@group("releases", invoke_without_command=True, examples=("roost releases", "roost releases diff v3 v7"))
@target("app")
@output
@pass_session
@click.pass_context
def releases(ctx: click.Context, session: Session) -> None:
    """The versions of an application: list (without a verb), show, diff, sbom, pin, keep."""
    if ctx.invoked_subcommand is None:
        rows = _of_app(session)
        empty = tr("{place} has no version yet.", place=session.place)
        out.show_list({"items": rows}, COLUMNS, session.output, empty)


@releases.command("list")
@target("app")
@output
@pass_session
def list_(session: Session) -> None:
    """List the versions, the newest first."""
    empty = tr("{place} has no version yet.", place=session.place)
    out.show_list({"items": _of_app(session)}, COLUMNS, session.output, empty)


@releases.command("show")
@click.argument("version", type=VERSION)
@target("app")
@output
@pass_session
def show(session: Session, version: int) -> None:
    """Show all that one version is."""
    found = _release(session, version)
    facts = [
        ("Version", f"v{number(found)}"),
        ("State", str(out.at(found, "status.phase", ""))),
        ("Change", str(out.at(found, "spec.cause", ""))),
        ("Author", str(out.at(found, "spec.author", ""))),
        ("Made", str(out.at(found, "metadata.creationTimestamp", ""))),
    ]

    def people() -> None:
        out.facts(facts)
        out.write("\n" + printable(out.yaml_text(out.at(found, "spec.content", {}))))

    out.show_one(found, session.output, people)


@releases.command("diff")
@click.argument("old", type=VERSION)
@click.argument("new", type=VERSION)
@target("app")
@output
@pass_session
def diff(session: Session, old: int, new: int) -> None:
    """Show what differs from one version to another."""
    contents = [out.at(_release(session, item), "spec.content", {}) for item in (old, new)]
    changes = difference(*contents)
    if session.machine:
        rows = [{"name": item.field, "old": item.old, "new": item.new} for item in changes]
        out.show_list({"items": rows}, (), session.output)
    elif not changes:
        out.say(tr("There is no difference."))
    else:
        for change in changes:
            out.write(change.text if out.coloured() else click.unstyle(change.text))


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


@command("rollback", examples=("roost rollback", "roost rollback v12 --yes -e prod"))
@click.argument("version", type=VERSION, required=False)
@yes
@dry_run
@waits(WAIT_S)
@target("app")
@output
@pass_session
def rollback(session: Session, version: int | None, yes: bool, dry_run: bool, detach: bool, timeout: int) -> None:
    """Go back to an earlier version: image, configuration, secrets, processes.

    Shows the difference and a verdict first and asks. Without a version it is the last one that served well before.
    Pushes do not reach the application afterwards until `roost resume`.
    """
    app = session.api.get(session.of_app())
    known = _of_app(session)
    wanted = _wanted(session, app, known, version)
    current: Any = next((item for item in known if out.name_of(item) == out.at(app, "status.release")), {})
    content = out.at(current, "spec.content", {})
    tell(difference(content, out.at(wanted, "spec.content", {})))
    judged = advice(current, wanted)
    _tell(judged)
    if judged.verdict == "same":
        raise Failure(tr("Nothing was changed."), why=" ".join(judged.reasons), code=CONFLICT)
    if not dry_run:
        session.ask(tr("Bring back v{number} of {place}?", number=number(wanted), place=session.place), yes)
    body = {"to": number(wanted)}
    changed = session.api.send("POST", session.of_app("rollback"), body, params={"dryRun": dry_run})
    conclude(session, changed, dry_run=dry_run, detach=detach, timeout=timeout)
    if not dry_run:
        out.say(tr("Pushes do not reach it until `{command}`.", command=session.command("resume")))


def _tell(judged: Advice) -> None:
    text, colour = VERDICTS[judged.verdict]
    click.echo("\n" + click.style(tr(text), fg=colour, bold=True) + " " + " ".join(judged.reasons), err=True)


def _wanted(session: Session, app: Any, known: list[Any], version: int | None) -> Any:
    """The Release to go back to: the one asked for, else what serves while a newer one fails, else the one before."""
    current, live = out.at(app, "status.release"), out.at(app, "status.live")
    if version is not None:
        found = next((item for item in known if number(item) == version), None)
    elif live and current != live:
        found = next((item for item in known if out.name_of(item) == live), None)
    else:
        newest = next((number(item) for item in known if out.name_of(item) == (live or current)), 0)
        earlier = [item for item in known if number(item) < newest and out.at(item, "status.phase") != "Failed"]
        found = next(iter(earlier), None)
    if found is None:
        raise Failure(
            tr("There is no version to go back to.")
            if version is None
            else tr("There is no v{number}.", number=version),
            hint=tr("See `{command}`.", command=session.command("releases")),
            code=NOT_FOUND,
        )
    return found


commands = (releases, rollback)
