"""`roost promote` and `roost promotion`: bring what serves in one environment into the next, bit for bit."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.difference import difference, tell
from roost.surface.terminal.failure import CONFLICT, NOT_FOUND, REFUSED, Failure
from roost.surface.terminal.follow import Progress, State, Step, follow
from roost.surface.terminal.rollout import conclude, version
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, dry_run, group, output, pass_session, target, waits, yes
from roost.surface.terminal.words import tr

WAIT_S: Final = 600
ENDED_BADLY: Final = ("Refused", "Superseded")
WAITS_FOR_PEOPLE: Final = ("AwaitingApproval", "AuthorsUnknown", "Frozen")
COLUMNS = (
    out.Column("NAME", out.name_of),
    out.field("APP", "spec.app"),
    out.field("STATE", "status.phase"),
    out.Column("VERSION", lambda row: version(out.at(row, "status.release")) or "-"),
    out.field("FROM", "spec.sourceEnvironment"),
    out.field("RUN", "spec.run"),
    out.field("AUTHOR", "spec.author"),
    out.age(),
)


@group("promotion")
def promotion() -> None:
    """What was brought into an environment: list."""


@promotion.command("list")
@target("env")
@output
@pass_session
def list_(session: Session) -> None:
    """List what builds and people brought into the environment, the newest first."""
    found = session.api.items(session.of_env("promotions"))["items"]
    rows = sorted(found, key=lambda row: str(out.at(row, "metadata.creationTimestamp", "")), reverse=True)
    out.show_list({"items": rows}, COLUMNS, session.output)


@command("promote", examples=("roost promote --to prod", "roost promote -e test -a shop --to prod --yes"))
@click.option("--to", "goal", required=True, metavar="ENV", help="The environment that gets it.")
@yes
@dry_run
@waits(WAIT_S)
@target("app")
@output
@pass_session
def promote(session: Session, goal: str, yes: bool, dry_run: bool, detach: bool, timeout: int) -> None:
    """Bring what serves here into another environment: the same image, not built again.

    Configuration, secrets and scale of the other environment stay as they are.
    """
    origin, source = session.place, session.env
    content = _serving(session)
    session.move(goal)
    image = str(out.at(content, "artefact.image", ""))
    out.say(tr("{image}\n  from {origin} to {place}", image=image, origin=origin, place=session.place))
    _compare(session, content)
    if not dry_run:
        session.ask(tr("Bring it into {env}?", env=goal), yes)
    name = f"{session.app}-{secrets.token_hex(4)}"
    spec = {key: content[key] for key in ("artefact", "processes", "releaseCommand") if key in content}
    # Sequence 0: a person's own choice, which no later build is held against.
    spec |= {"app": session.app, "sourceEnvironment": source, "sequence": 0}
    body = {"metadata": {"name": name}, "spec": spec}
    made = session.api.send("POST", session.of_env("promotions"), body, params={"dryRun": dry_run})
    if dry_run or detach:
        conclude(session, made, dry_run=dry_run, detach=detach, timeout=timeout)
        return
    if not _wait(session, name, timeout):
        return
    app = session.api.get(session.of_app())
    conclude(session, app, dry_run=False, detach=False, timeout=timeout)


def _serving(session: Session) -> Mapping[str, Any]:
    """The content of the Release that serves."""
    app = session.api.get(session.of_app())
    live = out.at(app, "status.live")
    if not live:
        raise Failure(
            tr("{place} does not serve: there is nothing to bring.", place=session.place),
            hint=tr("See `{command}`.", command=session.command("status")),
            code=CONFLICT,
        )
    content: Mapping[str, Any] = out.at(session.api.get(session.of_env("releases", str(live))), "spec.content", {})
    return content


def _compare(session: Session, content: Mapping[str, Any]) -> None:
    """What the other environment sets differently: it stays so, and the artefact must live with it."""
    try:
        app = session.api.get(session.of_app())
    except Failure as failure:
        if failure.code != NOT_FOUND:
            raise
        out.say(tr("{place} is new: it begins with the defaults.", place=session.place))
        return
    changes = difference(_settings(content), _settings(out.at(app, "spec", {})))
    if changes:
        out.say(tr("{env} has its own settings, which stay:", env=session.env))
        tell(changes)


def _settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """What of an App's content an environment decides, and a promotion leaves as it is."""
    scale = [
        {key: item[key] for key in ("name", "replicas", "resources") if key in item}
        for item in content.get("processes") or ()
    ]
    return {"config": content.get("config"), "domains": content.get("domains"), "processes": scale}


def _wait(session: Session, name: str, timeout: int) -> bool:
    """Follow it until the environment has it (True), or until it waits for people (False)."""
    waits: list[str] = []

    def look() -> Progress:
        seen = session.api.get(session.of_env("promotions", name))
        phase, told = str(out.at(seen, "status.phase", "Pending")), str(out.condition(seen).get("message", ""))
        if phase in ENDED_BADLY:
            failure = Failure(tr("The environment did not take it."), why=told, code=REFUSED)
            return Progress((Step(tr("Promotion"), "failed", told),), failure=failure)
        if out.condition(seen).get("reason") in WAITS_FOR_PEOPLE:
            waits[:] = [told]
            return Progress((Step(tr("Promotion"), "done", told),), finished=True)
        done = phase == "Applied" and bool(out.at(seen, "status.release"))
        state: State = "done" if done else "running"
        return Progress((Step(tr("Promotion"), state, "" if done else told),), finished=done)

    follow(look, timeout, session.command("status"))
    return not waits


commands = (promote, promotion)
