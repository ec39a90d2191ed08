"""`roost rollout`: how a new version takes over, where it stands, and what a person decides about it."""

from collections.abc import Callable
from typing import Any, Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import CONFLICT, USAGE, Failure
from roost.surface.terminal.rollout import conclude, version
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import dry_run, group, output, pass_session, target, waits, yes
from roost.surface.terminal.words import tr

WAIT_S: Final = 600
TRIES: Final = 3
STRATEGIES: Final = {"rolling": "rolling", "blue_green": "blueGreen", "canary": "canary"}


@group("rollout", examples=("roost rollout status", "roost rollout abort", "roost rollout set --canary 10:60,50:120"))
def rollout() -> None:
    """How a new version takes over: status, promote, abort, set."""


@rollout.command("status")
@target("app")
@output
@pass_session
def status(session: Session) -> None:
    """Show where the version stands that takes over, and how versions do."""
    app = session.api.get(session.of_app())
    wanted, state = out.at(app, "spec.rollout", {}), out.at(app, "status.rollout", {})
    answer = {"rollout": state, "strategy": wanted, "budgetLeftPercent": out.at(app, "status.budget.leftPercent", None)}
    out.show_one(answer, session.output, lambda: out.facts(_head(app)))


def _head(app: Any) -> list[tuple[str, str]]:
    wanted, state = out.at(app, "spec.rollout", {}), out.at(app, "status.rollout", {})
    facts = [("Strategy", str(wanted.get("strategy", "rolling")))]
    if state:
        facts += [
            ("Version", version(str(state.get("release", "")))),
            ("State", str(state.get("phase", ""))),
            ("Requests", f"{state.get('weight', 0)} %"),
            ("Since", str(state.get("since", ""))),
            ("Says", str(state.get("message", ""))),
        ]
    left = out.at(app, "status.budget.leftPercent", None)
    if left is not None:
        facts.append(("Error budget", tr("{percent} % left", percent=left)))
    return facts


def _change(session: Session, change: Callable[[Any], dict[str, Any]], dry: bool = False) -> Any:
    """Change `spec.rollout` over the App that was read."""
    for left in reversed(range(TRIES)):
        app = session.api.get(session.of_app())
        match = {"If-Match": f'"{out.at(app, "metadata.resourceVersion", "")}"'}
        body = {"spec": {"rollout": change(app)}}
        try:
            return session.api.send("PATCH", session.of_app(), body, params={"dryRun": dry}, headers=match)
        except Failure as failure:
            if failure.code != CONFLICT or not left:
                raise
    raise AssertionError("The last try returns or raises.")


def _number(app: Any) -> int:
    """The number of the version that takes over."""
    release, state = out.at(app, "status.release", None), out.at(app, "status.rollout", {}) or {}
    current = version(str(release or ""))
    replacing = state.get("release") == release and state.get("phase") == "Replacing"  # It serves, but beside the old.
    if not current or (out.at(app, "status.live", None) == release and not replacing):
        raise Failure(
            tr("No version is taking over."), hint=tr("`roost rollback` goes back from one that serves."), code=CONFLICT
        )
    return int(current[1:])


@rollout.command("promote")
@dry_run
@waits(WAIT_S)
@target("app")
@output
@pass_session
def promote(session: Session, dry_run: bool, detach: bool, timeout: int) -> None:
    """Give the new version every request, without waiting for its steps, a pause or the error budget any longer."""
    changed = _change(session, lambda app: {"promote": _number(app)}, dry_run)
    conclude(session, changed, dry_run=dry_run, detach=detach, timeout=timeout)


@rollout.command("abort")
@yes
@dry_run
@target("app")
@output
@pass_session
def abort(session: Session, yes: bool, dry_run: bool) -> None:
    """Take the new version back for good: it gets no request any more, and what served before serves."""
    number = _number(session.api.get(session.of_app()))
    if not dry_run:
        session.ask(tr("Take back v{number} of {place}?", number=number, place=session.place), yes)

    def same(app: Any) -> dict[str, Any]:
        if _number(app) != number:
            raise Failure(tr("Another version came meanwhile; nothing was changed."), code=CONFLICT)
        return {"abort": number}

    changed = _change(session, same, dry_run)
    if session.machine:
        out.show_one(changed, session.output, lambda: None)
        return
    out.say(tr("It would be done; nothing was changed.") if dry_run else tr("v{number} is taken back.", number=number))


def _steps(text: str) -> list[dict[str, int]]:
    """`10:60,50:120`: percent and seconds."""
    try:
        found = [tuple(map(int, part.split(":"))) for part in text.split(",")]
        return [{"weight": weight, "holdS": seconds} for weight, seconds in found]
    except ValueError:
        raise Failure(
            tr("{text!r} is no list of steps.", text=text),
            hint=tr("PERCENT:SECONDS, with commas between: 10:60,50:120"),
            code=USAGE,
        ) from None


@rollout.command("set", examples=("roost rollout set --rolling", "roost rollout set --blue-green --pause"))
@click.option("--rolling", is_flag=True, help="One instance after the other.")
@click.option("--blue-green", is_flag=True, help="All requests at once, when every instance is ready.")
@click.option("--canary", default=None, metavar="STEPS", help="By steps, each PERCENT:SECONDS: 10:60,50:120.")
@click.option("--pause/--no-pause", default=None, help="Wait for a person before it takes all requests.")
@click.option("--bake", type=click.IntRange(0, 86_400), default=None, help="Seconds with all requests, before the end.")
@click.option("--errors", type=click.IntRange(0, 100), default=None, help="Most requests in a hundred that may fail.")
@click.option("--latency", type=click.IntRange(0, 10_000), default=None, help="Milliseconds; 0: not looked at.")
@dry_run
@target("app")
@output
@pass_session
def set_(session: Session, dry_run: bool, **given: Any) -> None:
    """Set how new versions take over. The present one goes on as it is."""
    ways = [name for name in STRATEGIES if given[name]]
    if len(ways) > 1:
        raise Failure(tr("Name one strategy."), code=USAGE)
    change: dict[str, Any] = {"strategy": STRATEGIES[ways[0]]} if ways else {}
    if given["canary"]:
        change["steps"] = _steps(given["canary"])
    numbers = {"pause": given["pause"], "bakeS": given["bake"]}
    checks = {"errorPercent": given["errors"], "latencyMs": given["latency"]}
    change |= {key: value for key, value in numbers.items() if value is not None}
    if kept := {key: value for key, value in checks.items() if value is not None}:
        change["checks"] = kept
    if not change:
        raise Failure(tr("Nothing to set."), hint=tr("See `roost rollout set --help`."), code=USAGE)
    changed = _change(session, lambda app: change, dry_run)
    out.show_one(changed, session.output, lambda: None)
    if not session.machine:
        out.say(tr("It would be done; nothing was changed.") if dry_run else tr("New versions take over so."))
