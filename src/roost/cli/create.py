"""`roost app create`: an application from a directory, an archive, a repository elsewhere, an image, or only a name.

Mounted beneath `app` by `roost.cli.mount`: it needs the detection of builds, which the capability does not.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import click

from roost.cli import upload
from roost.surface.terminal import output as out
from roost.surface.terminal.failure import CONFLICT, REFUSED, USAGE, Failure
from roost.surface.terminal.follow import Progress, Step, follow
from roost.surface.terminal.repository import Repository
from roost.surface.terminal.rollout import conclude, steps
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, dry_run, output, pass_session, target, waits, yes
from roost.surface.terminal.state import Here, write_here
from roost.surface.terminal.words import tr

WAIT_S: Final = 1800  # A first build fetches everything.
DIGEST: Final = re.compile(r"@sha256:[a-f0-9]{64}\Z")
NAME: Final = re.compile(r"[a-z]([-a-z0-9]{0,28}[a-z0-9])?\Z")
GIT: Final = re.compile(r"(https?|ssh|git|svn)://|[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:|.*\.git/?\Z")
What = Literal["image", "git", "directory", "archive", "name"]


def kind_of(source: str, directory: Path) -> What:
    """What a word means: an image by digest, a repository elsewhere, an archive, a directory, else a name."""
    if "@sha256:" in source:
        return "image"
    if GIT.match(source):
        return "git"
    if upload.is_archive(directory / Path(source).expanduser()):
        return "archive"
    if source.startswith((".", "/", "~")) or "/" in source or (directory / source).is_dir():
        return "directory"
    return "name"


def derived(text: str) -> str:
    """The name of an application out of a folder's or repository's; empty where nothing is left of it."""
    last = re.split(r"[/:]", re.sub(r"\.(git|zip|tar|tgz|tar\.gz)/?\Z", "", DIGEST.sub("", text)).rstrip("/"))[
        -1
    ].lower()
    name = re.sub(r"[^a-z0-9]+", "-", last).lstrip("-0123456789")[:30].strip("-")
    return name if NAME.match(name) else ""


@command(
    "create",
    examples=(
        "roost app create .                                   # this directory, built from its files",
        "roost app create shop-1.4.zip                        # what is in an archive",
        "roost app create https://git.example.org/team/wiki.git",
        "roost app create registry.example.com/acme/shop@sha256:... --port 8000",
        "roost app create shop                                # only the name; deploy or push later",
    ),
)
@click.argument("source", metavar="DIRECTORY|ARCHIVE|GIT|IMAGE|NAME")
@click.option("--name", default="", metavar="NAME", help="Its name; made of the source's without it.")
@click.option("--image", default=None, help="An image by digest: repository@sha256:...")
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="Where web listens; 8080 without it.")
@click.option("--health", default="", metavar="PATH", help="An HTTP path that answers when an instance serves.")
@click.option("--start", default="", metavar="COMMAND", help="The start command of web where the repository has none.")
@click.option("--context", default="", metavar="FOLDER", help="The sub-directory that is built.")
@click.option("--branch", default="", metavar="BRANCH", help="The branch that is built.")
@click.option("--no-push", is_flag=True, help="Connect the directory and push nothing.")
@yes
@dry_run
@waits(WAIT_S)
@target("env")
@output
@pass_session
def create(session: Session, source: str, dry_run: bool, detach: bool, timeout: int, **given: Any) -> None:
    """Make an application of a directory, an archive, a git repository, an image by digest, or only a name.

    A directory becomes a project: what is in it is detected and told, the remote `roost` is added, and what is
    committed is pushed and followed until it serves. An archive becomes a project that takes archives: bring the next
    one with `roost project upload`.
    """
    what = "name" if given["image"] else kind_of(source, session.directory)
    folder = (session.directory / Path(source).expanduser()).resolve()
    name = given["name"] or (
        source if what == "name" else derived(folder.name if what in ("directory", "archive") else source)
    )
    if not NAME.match(name):
        raise Failure(
            tr("{name!r} cannot be the name of an application.", name=name or source),
            why=tr("A name has 1 to 30 lower-case letters, digits and hyphens, a letter first."),
            hint=tr("Choose one with --name."),
            code=USAGE,
        )
    session.choose("app", name)
    given |= {"dry_run": dry_run, "detach": detach, "timeout": timeout}
    if what == "directory":
        _from_directory(session, folder, given)
    elif what == "git":
        _from_git(session, source, given)
    elif what == "archive":
        _from_archive(session, folder, given)
    else:
        _from_image(session, given["image"] or (source if what == "image" else ""), given)


# An image, or nothing yet


def _from_image(session: Session, image: str, given: Mapping[str, Any]) -> None:
    if image and not DIGEST.search(image):
        raise Failure(
            tr("{image} is no image by digest.", image=image),
            why=tr("A tag can change under a running application; a digest cannot."),
            hint=tr("Write repository@sha256:...; `roost build show` prints the digest of a build."),
            code=USAGE,
        )
    process: dict[str, Any] = {"name": "web", "port": given["port"] or 8080}
    if given["health"]:
        process["health"] = {"path": given["health"]}
    spec: dict[str, Any] = {"processes": [process]} | ({"artefact": {"image": image}} if image else {})
    body = {"metadata": {"name": session.app}, "spec": spec}
    made = session.api.send("POST", session.of_env("apps"), body, params={"dryRun": given["dry_run"]})
    if image or given["dry_run"]:
        conclude(session, made, dry_run=given["dry_run"], detach=given["detach"], timeout=given["timeout"])
        return
    wanted = session.command("deploy IMAGE@sha256:...")
    out.say(tr("{place} is made. Deploy an image: `{command}`", place=session.place, command=wanted))
    if session.machine:
        out.show_one(made, session.output, lambda: None)


# A project, from here or from elsewhere


def _project(session: Session, branch: str, given: Mapping[str, Any], source: Mapping[str, Any]) -> Mapping[str, Any]:
    """The project of the application's name: made, or the one that is there."""
    build = {key: given[key] for key in ("start", "context", "port") if given[key]}
    spec: dict[str, Any] = {"branch": branch, "build": build, "environment": session.env}
    if source:
        spec["source"] = dict(source)
    path = session.of_tenant("projects", session.app)
    body = {"metadata": {"name": session.app}, "spec": spec}
    try:
        return session.api.send("POST", session.of_tenant("projects"), body, params={"dryRun": given["dry_run"]})
    except Failure as failure:
        if failure.code != CONFLICT:
            raise
    out.say(tr("Project {name} is there already; its settings stay.", name=session.app))
    return session.api.get(path)


def _from_directory(session: Session, folder: Path, given: Mapping[str, Any]) -> None:
    repository = Repository(folder, session.environment)
    context = folder / given["context"]
    if not context.is_dir():
        raise Failure(tr("There is no directory {folder}.", folder=context), code=USAGE)
    tell_detected(context, {key: given[key] for key in ("start", "port") if given[key]})
    branch = given["branch"] or (repository.branch if repository.exists else "main")
    project = _project(session, branch, given, {})
    if given["dry_run"]:
        out.say(tr("It would be made; nothing was changed."))
        return
    written = write_here(folder, Here(session.tenant, session.env, session.app))
    if written:
        out.say(tr("roost.yaml was written: commands in this directory mean {place}.", place=session.place))
    if not repository.exists:
        session.ask(tr("{folder} is no git repository. Make it one and commit all files?", folder=folder), given["yes"])
        repository.begin(branch)
    _connect(session, repository, project, given["timeout"])
    _push(session, repository, branch, given)


def _connect(session: Session, repository: Repository, project: Mapping[str, Any], timeout: int) -> None:
    seen: dict[str, Any] = {}

    def look() -> Progress:
        seen.clear()
        seen.update(session.api.get(session.of_tenant("projects", session.app)))
        found = out.condition(seen)
        ready = found.get("status") == "True"
        text = "" if ready else str(found.get("message", ""))
        return Progress((Step(tr("Repository"), "done" if ready else "running", text),), finished=ready)

    follow(look, min(timeout, 120), f"roost project show {session.app} -t {session.tenant}")
    told = str(out.at(seen, "status.repository", ""))
    url = told or f"{session.login.server}/{session.tenant}/{out.name_of(project)}.git"
    parts = urlsplit(url)
    repository.connect(url, f"{parts.scheme}://{parts.netloc}/", session.login)


def _push(session: Session, repository: Repository, branch: str, given: Mapping[str, Any]) -> None:
    again = f"git push roost HEAD:{branch}"
    if not repository.commit:
        out.say(tr("Nothing is committed yet. Commit, then: `{command}`", command=again))
        return
    if repository.unsaved():
        out.say(tr("{count} files are not committed and do not come along.", count=repository.unsaved()))
    if given["no_push"]:
        out.say(tr("It is connected. Push it: `{command}`", command=again))
        return
    repository.push(branch)
    found = session.api.get(session.of_app())
    out.show_one(found, session.output, lambda: out.write(str(out.at(found, "status.url", ""))))


def tell_detected(folder: Path, settings: Mapping[str, Any]) -> None:
    """Say what the platform will see in the directory; Failure (a gate refused) where it cannot be built."""
    from roost.builds.detect import detect
    from roost.builds.errors import Unbuildable
    from roost.builds.files import Checkout
    from roost.model.bases import OFFERED
    from roost.model.kinds.delivery import Build

    try:
        found = detect(Checkout(folder), Build.model_validate(dict(settings)), OFFERED)
    except (Unbuildable, FileNotFoundError, NotADirectoryError) as error:
        raise Failure(
            tr("This cannot be built."),
            why=str(error),
            hint=tr("Add what is missing, say --start or --context, or write a Containerfile."),
            code=REFUSED,
        ) from error
    for line in found.lines:
        out.say(f"  {line}")


# A repository elsewhere


def _from_git(session: Session, url: str, given: Mapping[str, Any]) -> None:
    source = {"type": "git", "url": re.sub(r"\A([\w.-]+@[\w.-]+):", r"ssh://\1/", url)}
    _project(session, given["branch"] or "main", given, source)
    if given["dry_run"]:
        out.say(tr("It would be made; nothing was changed."))
        return
    _until_it_serves(session, given)


def _from_archive(session: Session, file: Path, given: Mapping[str, Any]) -> None:
    _project(session, given["branch"] or "main", given, {"type": "archive"})
    if given["dry_run"]:
        out.say(tr("It would be made; nothing was changed."))
        return
    upload.send(session, session.app, file, keep_folder=False)
    _until_it_serves(session, given)


def _until_it_serves(session: Session, given: Mapping[str, Any]) -> None:
    if given["detach"]:
        out.say(tr("It goes on; see `{command}`.", command=f"roost build list -t {session.tenant} -p {session.app}"))
        return
    again = f"roost build show -t {session.tenant} -p {session.app}"
    follow(lambda: progress_of(session), given["timeout"], again)
    found = session.api.get(session.of_app())
    out.show_one(found, session.output, lambda: out.write(str(out.at(found, "status.url", ""))))


def _newest(session: Session, kind: str) -> Mapping[str, Any]:
    found = session.api.items(session.of_tenant(kind))["items"]
    mine = [item for item in found if out.at(item, "spec.project") == session.app]
    return max(mine, key=lambda item: str(out.at(item, "metadata.creationTimestamp", "")), default={})


def progress_of(session: Session) -> Progress:
    """How far a project is that is followed from elsewhere: source, build, version."""
    run = _newest(session, "runs")
    if not run:
        return _fetching(session)
    source = Step(tr("Source"), "done", str(out.at(run, "spec.commit", ""))[:8])
    phase, told = str(out.at(run, "status.phase", "Pending")), str(out.condition(run).get("message", ""))
    if phase in ("Failed", "Cancelled"):
        failure = Failure(
            tr("Run {name} ended: {phase}.", name=out.name_of(run), phase=phase),
            why=told,
            hint=tr("See `{command}`.", command=f"roost build logs {out.name_of(run)} -t {session.tenant}"),
            code=REFUSED,
        )
        return Progress((source, Step(tr("Build"), "failed", told)), failure=failure)
    if phase != "Succeeded":
        return Progress((source, Step(tr("Build"), "running", str(out.at(run, "status.step", "")) or told)))
    built = Step(tr("Build"), "done", str(out.at(run, "status.artefact.image", "")).rpartition("@")[2][:19])
    try:
        app = session.api.get(session.of_app())
    except Failure:
        return Progress((source, built, Step(tr("Version"), "running")))  # Its promotion is under way.
    release: Mapping[str, Any] = {}
    if out.at(app, "status.release"):
        release = session.api.get(session.of_env("releases", str(app["status"]["release"])))
    instances = session.api.get(session.of_app("instances")).get("items", [])
    rest = steps(app, release, instances, int(out.at(app, "metadata.generation", 0)))
    finished = rest.finished and bool(out.at(app, "spec.artefact"))
    return Progress((source, built, *rest.steps), finished=finished, failure=rest.failure)


def _fetching(session: Session) -> Progress:
    looked = _newest(session, "imports")
    told = str(out.condition(looked).get("message", ""))
    if out.at(looked, "status.phase") == "Failed":
        failure = Failure(
            tr("The source could not be read."),
            why=told,
            hint=tr("See `{command}`.", command=f"roost source list {session.app} -t {session.tenant}"),
        )
        return Progress((Step(tr("Source"), "failed", told),), failure=failure)
    return Progress((Step(tr("Source"), "running", told), Step(tr("Build"), "waiting")))
