"""`roost build start`: run a branch or a tag as it stands now."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import REFUSED, USAGE, Failure
from roost.surface.terminal.follow import Progress, Step, follow
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, output, pass_session, target, waits
from roost.surface.terminal.words import tr

ENDED: Final = ("Succeeded", "Failed", "Cancelled")


def _given(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """KEY=VALUE, any text after the first sign."""
    found = {}
    for value in values:
        name, sign, text = value.partition("=")
        if not sign or not name:
            raise Failure(tr("--param wants KEY=VALUE, and got {value}.", value=repr(value[:60])), code=USAGE)
        found[name] = text
    return found


@command("start", examples=("roost build start wiki", "roost build start wiki --ref v1.2 --param LEVEL=debug"))
@click.argument("project")
@click.option("--ref", default="", metavar="REF", help="A branch or a tag; without it the project's branch.")
@click.option(
    "--param", "given", multiple=True, metavar="KEY=VALUE", callback=_given, help="A parameter; may stand again."
)
@waits(3600)
@target("tenant")
@output
@pass_session
def start(session: Session, project: str, ref: str, given: Mapping[str, str], detach: bool, timeout: int) -> None:
    """Run a branch or a tag as it stands now."""
    # The key makes a request that is sent again, as after a lost answer, the same run.
    body = {"ref": ref, "parameters": dict(given), "key": f"cli-{secrets.token_hex(12)}"}
    made: Mapping[str, Any] = session.api.send("POST", session.of_tenant("projects", project, "runs"), body)
    name = out.name_of(made)
    out.say(tr("Run {name} of {ref}.", name=name, ref=str(out.at(made, "spec.ref", ""))))
    if not detach:
        made = _wait(session, name, timeout)
    out.show_one(made, session.output, lambda: out.say(str(out.condition(made).get("message", ""))))


def _wait(session: Session, name: str, timeout: int) -> Mapping[str, Any]:
    seen: dict[str, Any] = {}

    def look() -> Progress:
        seen.clear()
        seen.update(session.api.get(session.of_tenant("runs", name)))
        phase, told = str(out.at(seen, "status.phase", "Pending")), str(out.condition(seen).get("message", ""))
        if phase in ENDED and phase != "Succeeded":
            failure = Failure(tr("Run {name} ended: {phase}.", name=name, phase=phase), why=told, code=REFUSED)
            return Progress((Step(tr("Run"), "failed", told),), failure=failure)
        done = phase == "Succeeded"
        return Progress((Step(tr("Run"), "done" if done else "running", told),), finished=done)

    follow(look, timeout, f"roost build logs {name} -f -t {session.tenant}")
    return seen
