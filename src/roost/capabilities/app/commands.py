"""Commands of applications: `app`, `deploy`, `scale`, `open`, `resume`; more of them in the other commands_*.py."""

import re
from collections.abc import Mapping
from typing import Any, Final

import click

from roost.capabilities.app.commands_config import config
from roost.capabilities.app.commands_diff import diff
from roost.capabilities.app.commands_domain import domain
from roost.capabilities.app.commands_exec import exec_
from roost.capabilities.app.commands_files import cp
from roost.capabilities.app.commands_forward import port_forward
from roost.capabilities.app.commands_health import health
from roost.capabilities.app.commands_logs import logs
from roost.capabilities.app.commands_rollout import rollout
from roost.capabilities.app.commands_status import show_app, status
from roost.surface.terminal import output as out
from roost.surface.terminal.failure import USAGE, Failure
from roost.surface.terminal.repository import Repository
from roost.surface.terminal.rollout import conclude, version
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, confirm, dry_run, group, output, pass_session, target, waits
from roost.surface.terminal.words import tr

WAIT_S: Final = 600


def _instances(app: Any) -> str:
    wanted = out.at(app, "status.wanted")
    return "-" if wanted is None else f"{out.at(app, 'status.instances', 0)}/{wanted}"


COLUMNS = (
    out.Column("NAME", out.name_of),
    out.Column("VERSION", lambda row: version(out.at(row, "status.live")) or "-"),
    out.Column("INSTANCES", _instances),
    out.Column("STATE", out.state),
    out.field("URL", "status.url"),
    out.age(),
    out.field("IMAGE", "spec.artefact.image", wide=True),
)


@group("app")
def app() -> None:
    """Applications: create, list, show, delete."""


@app.command("list")
@target("env")
@output
@pass_session
def list_(session: Session) -> None:
    """List the applications of an environment."""
    found = session.api.items(session.of_env("apps"))
    empty = tr("There is no application in {tenant}/{env} yet.", tenant=session.tenant, env=session.env)
    out.show_list(found, COLUMNS, session.output, empty)


@app.command("show")
@click.argument("name", required=False)
@target("app")
@output
@pass_session
def show(session: Session, name: str | None) -> None:
    """Show an application: what runs, where, how it is."""
    if name:
        session.choose("app", name)
    found = session.api.get(session.of_app())
    out.show_one(found, session.output, lambda: show_app(session, found))


@app.command("delete")
@click.argument("name")
@confirm
@target("env")
@pass_session
def delete(session: Session, name: str, confirm: str | None) -> None:
    """Delete an application with its versions and configuration."""
    session.choose("app", name)
    session.confirm(tr("{place} goes, with its versions and configuration.", place=session.place), name, confirm)
    session.api.send("DELETE", session.of_app())
    out.say(tr("{place} is being deleted.", place=session.place))


def _by_digest(image: str) -> str:
    if not re.search(r"@sha256:[a-f0-9]{64}\Z", image):
        raise Failure(
            tr("{image} is no image by digest.", image=image),
            why=tr("A tag can change under a running application; a digest cannot."),
            hint=tr("Write repository@sha256:...; `roost build show` prints the digest of a build."),
            code=USAGE,
        )
    return image


@command(
    "deploy",
    examples=(
        "roost deploy                                          # push what is committed here",
        "roost deploy registry.example.com/acme/shop@sha256:... -e prod",
    ),
)
@click.argument("image", required=False)
@click.option("--commit", default="", metavar="COMMIT", help="The commit that it was built from.")
@click.option("--runs-as-root", is_flag=True, help="The image runs as root; its instances get a user namespace.")
@dry_run
@waits(WAIT_S)
@target("app")
@output
@pass_session
def deploy(session: Session, image: str | None, dry_run: bool, detach: bool, timeout: int, **given: Any) -> None:
    """Run a new version and follow until it serves: an image (by digest), or what is committed in this directory."""
    if image is None:
        _push(session, dry_run)
        return
    wire = {"commit": given["commit"], "runsAsRoot": given["runs_as_root"]}
    body = {"image": _by_digest(image), **{key: value for key, value in wire.items() if value}}
    changed = session.api.send("POST", session.of_app("deploy"), body, params={"dryRun": dry_run})
    conclude(session, changed, dry_run=dry_run, detach=detach, timeout=timeout)


def _push(session: Session, dry_run: bool) -> None:
    repository = Repository(session.directory, session.environment)
    if not repository.remote:
        raise Failure(
            tr("It is not clear what to deploy."),
            why=tr("This directory is not connected with a project."),
            hint=tr("Name an image (repository@sha256:...), or connect the directory with `roost app create .`."),
            code=USAGE,
        )
    branch = repository.branch
    if repository.unsaved():
        out.say(tr("{count} files are not committed and do not come along.", count=repository.unsaved()))
    if dry_run:
        out.say(tr("{commit} of {branch} would be pushed.", commit=repository.commit[:8], branch=branch))
        return
    repository.push(branch)


@command("scale", examples=("roost scale web=3", "roost scale web=2 worker=4 -e prod"))
@click.argument("processes", nargs=-1, required=True, metavar="PROCESS=N...")
@dry_run
@waits(WAIT_S)
@target("app")
@output
@pass_session
def scale(session: Session, processes: tuple[str, ...], dry_run: bool, detach: bool, timeout: int) -> None:
    """Set how many instances each process has."""
    wanted: dict[str, int] = {}
    for text in processes:
        name, equals, number = text.partition("=")
        if not name or not equals or not number.isdecimal():
            raise Failure(
                tr("{text!r} is not PROCESS=N.", text=text), hint=tr("For example: roost scale web=3"), code=USAGE
            )
        wanted[name] = int(number)
    changed = session.api.send("POST", session.of_app("scale"), {"processes": wanted}, params={"dryRun": dry_run})
    conclude(session, changed, dry_run=dry_run, detach=detach, timeout=timeout)


@command("resume")
@dry_run
@target("app")
@output
@pass_session
def resume(session: Session, dry_run: bool) -> None:
    """Let pushes reach the application again after a rollback."""
    changed = session.api.send("POST", session.of_app("resume"), params={"dryRun": dry_run})
    if session.machine:
        out.show_one(changed, session.output, lambda: None)
    out.say(tr("Pushes reach {place} again.", place=session.place))


@command("open")
@click.option("--print", "only_print", is_flag=True, help="Print the address and open nothing.")
@target("app")
@pass_session
def open_(session: Session, only_print: bool) -> None:
    """Open the application in a browser; print its address where there is none."""
    found: Mapping[str, Any] = session.api.get(session.of_app())
    url = out.at(found, "status.url")
    if not url:
        raise Failure(
            tr("{place} has no address yet.", place=session.place),
            why=str(out.condition(found).get("message", "")),
            hint=tr("See `{command}`.", command=session.command("status")),
        )
    has_screen = session.environment.get("DISPLAY") or session.environment.get("WAYLAND_DISPLAY")
    if only_print or not (has_screen or session.environment.get("BROWSER")) or click.launch(url) != 0:
        out.write(url)


commands = (
    app,
    deploy,
    status,
    logs,
    open_,
    diff,
    config,
    scale,
    resume,
    exec_,
    cp,
    port_forward,
    domain,
    health,
    rollout,
)
