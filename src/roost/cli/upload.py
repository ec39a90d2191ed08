"""`roost project upload`: an archive or a directory becomes the next commit of a project that takes archives.

Mounted beneath `project` by `roost.cli.mount`: it follows what comes of it as `roost app create` does.
"""

import gzip
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import REFUSED, USAGE, Failure
from roost.surface.terminal.follow import Progress, Step, follow
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, output, pass_session, target, waits
from roost.surface.terminal.words import tr

WAIT_S: Final = 1800
ENDINGS: Final = (".zip", ".tar", ".tar.gz", ".tgz")
LEFT_OUT: Final = frozenset([".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv"])


def is_archive(path: Path) -> bool:
    """Whether a file's name says that it is an archive which can be uploaded."""
    return path.is_file() and path.name.lower().endswith(ENDINGS)


@command(
    "upload",
    examples=("roost project upload shop .", "roost project upload shop shop-1.4.zip"),
)
@click.argument("project")
@click.argument("source", metavar="DIRECTORY|ARCHIVE", type=click.Path(exists=True))
@click.option("--keep-folder", is_flag=True, help="Keep the one folder that all in the archive stands in.")
@waits(WAIT_S)
@target("tenant")
@output
@pass_session
def upload(session: Session, project: str, source: str, keep_folder: bool, detach: bool, timeout: int) -> None:
    """Upload a zip, tar, tar.gz or a directory; its files become the project's next version.

    With the files that are there already, nothing happens. Of a directory everything goes along but .git, .hg, .svn,
    .venv, node_modules and __pycache__.
    """
    found = send(session, project, session.directory / Path(source).expanduser(), keep_folder)
    if found["moved"] and found["run"] and not detach:
        wait(session, str(found["run"]), timeout)
    out.show_one(found, session.output, lambda: out.write(str(found["commit"])))


def send(session: Session, project: str, source: Path, keep_folder: bool) -> Mapping[str, Any]:
    """Upload it; what the API says: commit, moved, files, folder, run."""
    folder = "keep" if keep_folder or source.is_dir() else "auto"
    with packed(source) as file:
        path = session.of_tenant("projects", project, "archive")
        found: Mapping[str, Any] = session.api.upload(path, file, {"folder": folder})
    if found["folder"]:
        out.say(tr("All stood in {folder}, which is left out; --keep-folder keeps it.", folder=found["folder"]))
    if not found["moved"]:
        out.say(tr("These files are there already; nothing was made."))
    elif not found["run"]:
        out.say(tr("It is kept; see `{command}`.", command=f"roost build list -t {session.tenant} -p {project}"))
    return found


@contextmanager
def packed(source: Path) -> Iterator[BufferedIOBase]:
    """The archive, or the directory as one: the same files give the same bytes."""
    if not source.is_dir():
        with source.open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as file:
        try:
            with (
                gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as zipped,
                tarfile.open(fileobj=zipped, mode="w|", format=tarfile.PAX_FORMAT) as archive,
            ):
                archive.add(source, ".", filter=_wanted)
        except OSError as error:
            raise Failure(tr("{folder} cannot be read.", folder=source), why=str(error), code=USAGE) from error
        file.seek(0)
        yield file


def _wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Without what only this machine needs, and without when and by whom."""
    if not LEFT_OUT.isdisjoint(member.name.split("/")):
        return None
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def wait(session: Session, run: str, timeout: int) -> None:
    """Follow the run until it has ended; Failure (a gate refused) where it did not succeed."""

    def look() -> Progress:
        seen = session.api.get(session.of_tenant("runs", run))
        phase, told = str(out.at(seen, "status.phase", "Pending")), str(out.condition(seen).get("message", ""))
        if phase in ("Failed", "Cancelled"):
            failure = Failure(
                tr("Run {name} ended: {phase}.", name=run, phase=phase),
                why=told,
                hint=tr("See `{command}`.", command=f"roost build logs {run} -t {session.tenant}"),
                code=REFUSED,
            )
            return Progress((Step(tr("Build"), "failed", told),), failure=failure)
        done = phase == "Succeeded"
        return Progress((Step(tr("Build"), "done" if done else "running", told),), finished=done)

    follow(look, timeout, f"roost build show {run} -t {session.tenant}")
