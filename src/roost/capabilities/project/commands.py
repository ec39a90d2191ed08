"""`roost project`: hosted repositories that build into applications."""

from collections.abc import Mapping
from typing import Any, Final

import click

from roost.capabilities.project.commands_pause import pause, resume
from roost.capabilities.project.commands_secret import secret
from roost.surface.terminal import output as out
from roost.surface.terminal.failure import USAGE, Failure
from roost.surface.terminal.follow import Progress, Step, follow
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import confirm, dry_run, group, output, pass_session, target, waits
from roost.surface.terminal.words import tr

STRATEGIES: Final = ("auto", "containerfile", "python", "node", "go", "java", "static")
COLUMNS = (
    out.Column("NAME", out.name_of),
    out.field("BRANCH", "spec.branch"),
    out.field("BUILD", "spec.build.strategy"),
    out.field("LAST RUN", "status.lastRun"),
    out.Column("STATE", out.state),
    out.age(),
    out.field("REPOSITORY", "status.repository", wide=True),
)


@group("project")
def commands() -> None:
    """Repositories that build into applications: create, list, show, eject, delete."""


commands.add_command(pause)
commands.add_command(resume)
commands.add_command(secret)


def _repository(session: Session, project: Mapping[str, Any]) -> str:
    told = str(out.at(project, "status.repository", ""))
    return told or f"{session.login.server}/{session.tenant}/{out.name_of(project)}.git"


@commands.command("list")
@target("tenant")
@output
@pass_session
def list_(session: Session) -> None:
    """List the projects of a tenant."""
    found = session.api.items(session.of_tenant("projects"))
    out.show_list(found, COLUMNS, session.output, tr("There is no project in {tenant} yet.", tenant=session.tenant))


@commands.command("show")
@click.argument("name")
@target("tenant")
@output
@pass_session
def show(session: Session, name: str) -> None:
    """Show a project and where to push to."""
    project = session.api.get(session.of_tenant("projects", name))
    out.show_one(project, session.output, lambda: _tell(session, project))


def _tell(session: Session, project: Mapping[str, Any]) -> None:
    found = out.condition(project)
    build = out.at(project, "spec.build", {})
    out.facts(
        [
            ("Project", out.name_of(project)),
            ("State", out.state(project)),
            ("Why", "" if found.get("status") == "True" else str(found.get("message", ""))),
            ("Repository", _repository(session, project)),
            ("Follows", str(out.at(project, "spec.source.url", "") or out.at(project, "spec.source.image", ""))),
            ("Branch", str(out.at(project, "spec.branch", ""))),
            ("Build", str(build.get("strategy", ""))),
            ("Sub-directory", str(build.get("context", ""))),
            ("Start command", str(build.get("start", ""))),
            ("Application", str(out.at(project, "spec.app", "") or out.name_of(project))),
            ("Environment", str(out.at(project, "spec.environment", ""))),
            ("Last run", str(out.at(project, "status.lastRun", ""))),
        ]
    )


@commands.command(
    "create",
    examples=(
        "roost project create shop",
        'roost project create wiki --start "gunicorn wiki:app" --port 8000',
        "roost project create wiki --from https://git.example.org/team/wiki.git",
        "roost project create wiki --from https://svn.example.org/wiki --svn trunk",
        "roost project create wiki --archive           # then: roost project upload wiki .",
        "roost project create wiki --image registry.example.org/team/wiki:stable",
    ),
)
@click.argument("name")
@click.option(
    "--branch", default="main", metavar="BRANCH", help="Pushes to it are built and deployed; main without it."
)
@click.option("--strategy", type=click.Choice(STRATEGIES), default="auto", help="How it is built; auto looks.")
@click.option("--context", default="", metavar="PATH", help="A sub-directory of the repository.")
@click.option("--containerfile", default="", metavar="PATH", help="Where the Containerfile is in the context.")
@click.option("--start", default="", metavar="COMMAND", help="The start command of web where the repository has none.")
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="Where web listens ($PORT); 8080 without it.")
@click.option(
    "--deploy-to", default="", metavar="ENV", help="Where builds go; the tenant's first environment without it."
)
@click.option(
    "--as", "app", default="", metavar="APP", help="The application it becomes; one of the same name without it."
)
@click.option("--from", "url", default="", metavar="URL", help="Follow this git or Subversion repository instead.")
@click.option("--svn", default=None, metavar="FOLDER", help="It is Subversion; the folder, e.g. trunk.")
@click.option("--only", multiple=True, metavar="PATH", help="Subversion: only this part of the folder; repeatable.")
@click.option(
    "--forge", type=click.Choice(("gitlab", "github", "gitea")), default=None, help="What the repository stands at."
)
@click.option(
    "--previews", default="", metavar="ENV", help="Merge requests get an application of their own in this environment."
)
@click.option("--archive", is_flag=True, help="It takes uploaded archives instead of pushes.")
@click.option("--image", default="", metavar="IMAGE", help="Follow this ready image, registry/name:tag, instead.")
@click.option(
    "--poll", type=click.IntRange(0, 86400), default=None, help="Seconds between two looks; 0: webhooks only."
)
@dry_run
@waits(120)
@target("tenant")
@output
@pass_session
def create(session: Session, name: str, dry_run: bool, detach: bool, timeout: int, **given: Any) -> None:
    """Make a repository to push to; each push becomes a running version."""
    build = {key: given[key] for key in ("strategy", "context", "containerfile", "start", "port") if given[key]}
    spec = {"branch": given["branch"], "build": build}
    spec |= {key: value for key, value in (("environment", given["deploy_to"]), ("app", given["app"])) if value}
    if source := _source(given):
        spec["source"] = source
    if given["forge"]:
        spec["forge"] = {"type": given["forge"]}
    if given["previews"]:
        spec["previews"] = {"environment": given["previews"]}
    body = {"metadata": {"name": name}, "spec": spec}
    made: Mapping[str, Any] = session.api.send("POST", session.of_tenant("projects"), body, params={"dryRun": dry_run})
    if dry_run:
        out.say(tr("It would be made; nothing was changed."))
    elif not detach:
        made = _wait(session, name, timeout)
    if session.machine:
        out.show_one(made, session.output, lambda: None)
    if not dry_run:
        _tell_next(session, made, given["branch"])


def _source(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the options say of the source; empty: people push."""
    chosen = [name for name in ("url", "archive", "image") if given[name]]
    if len(chosen) > 1:
        raise Failure(tr("Give only one of --from, --archive and --image."), code=USAGE)
    if not chosen or given["archive"]:
        return {"type": "archive"} if given["archive"] else {}
    source: dict[str, Any] = {"type": "image", "image": given["image"]}
    if given["url"]:
        source = {"type": "git" if given["svn"] is None else "svn", "url": given["url"]}
        folder = (given["svn"] or "").strip("/")
        source |= {key: value for key, value in (("path", folder), ("only", list(given["only"]))) if value}
    if given["poll"] is not None:
        source["pollS"] = given["poll"]
    return source


def _wait(session: Session, name: str, timeout: int) -> Mapping[str, Any]:
    seen: dict[str, Any] = {}

    def look() -> Progress:
        seen.clear()
        seen.update(session.api.get(session.of_tenant("projects", name)))
        found = out.condition(seen)
        ready = found.get("status") == "True"
        text = "" if ready else str(found.get("message", ""))
        return Progress((Step(tr("Repository"), "done" if ready else "running", text),), finished=ready)

    follow(look, timeout, f"roost project show {name} -t {session.tenant}")
    return seen


def _tell_next(session: Session, project: Mapping[str, Any], branch: str) -> None:
    if out.at(project, "spec.source.type") == "archive":
        out.say("\n" + tr("Bring it files: `roost project upload {name} .`", name=out.name_of(project)))
        return
    followed = str(out.at(project, "spec.source.url", "") or out.at(project, "spec.source.image", ""))
    if followed:
        name = out.name_of(project)
        out.say("\n" + tr("It follows {url}. Look now: `roost source fetch {name}`.", url=followed, name=name))
        out.say(tr("Told by webhooks, it looks at once: `roost source hook {name}`.", name=name))
        return
    repository = _repository(session, project)
    out.say("\n" + tr("In your repository:"))
    if session.login.ca:
        base = repository.removesuffix(f"/{session.tenant}/{out.name_of(project)}.git")
        out.say(f"  git config http.{base}/.sslCAInfo {session.login.ca}")
    out.say(f"  git remote add roost {repository}")
    out.say(f"  git push roost HEAD:{branch}")
    out.say(tr("git asks for your name ({name}) and your password or a token.", name=session.login.name or "-"))


@commands.command("delete")
@click.argument("name")
@confirm
@target("tenant")
@pass_session
def delete(session: Session, name: str, confirm: str | None) -> None:
    """Delete a project with its repository. The application stays."""
    warning = tr("Project {name} of {tenant} goes, with its repository and runs.", name=name, tenant=session.tenant)
    session.confirm(warning, name, confirm)
    session.api.send("DELETE", session.of_tenant("projects", name))
    out.say(tr("Project {name} is being deleted.", name=name))
