"""`roost cp`: files to and from an instance, as tar through a command in it."""

import os
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Final

import click

from roost.capabilities.app.commands_exec import chosen
from roost.surface.terminal import output as out
from roost.surface.terminal.failure import NOT_FOUND, USAGE, Failure
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, pass_session, target
from roost.surface.terminal.words import tr

THERE: Final = re.compile(r"([A-Za-z0-9-]*):(.+)", re.DOTALL)
NO_TAR: Final = (126, 127)


@dataclass(frozen=True)
class Place:
    """A path in an instance. `where`: a process or an instance; empty: web."""

    where: str
    path: str


def place_of(text: str) -> Place | None:
    """`:/tmp/x`, `worker:/tmp/x`, `shop-web-x7k2p:/tmp/x`; None: it is a path of this machine."""
    found = THERE.fullmatch(text)
    return Place(found[1], found[2]) if found else None


@command(
    "cp",
    examples=(
        "roost cp notes.txt :/tmp/            # into an instance of web",
        "roost cp worker:/app/out ./          # out of an instance of worker",
        "roost cp :/app/shop.db backup.db",
    ),
)
@click.argument("source", metavar="FROM")
@click.argument("goal", metavar="TO")
@target("app")
@pass_session
def cp(session: Session, source: str, goal: str) -> None:
    """Copy a file or a folder into an instance or out of it.

    A path in an instance is [PROCESS|INSTANCE]:PATH. The instance needs a tar; what is written in it is gone with it.
    """
    there, to = place_of(source), place_of(goal)
    if (there is None) == (to is None):
        raise Failure(
            tr("One of the two is a path in an instance, the other one is not."),
            hint=tr("Write it as [PROCESS|INSTANCE]:PATH, for example :/tmp/notes.txt."),
            code=USAGE,
        )
    if to is not None:
        _upload(session, session.directory / Path(source).expanduser(), to)
    elif there is not None:
        _download(session, there, session.directory / Path(goal).expanduser())


def _upload(session: Session, source: Path, to: Place) -> None:
    from roost.surface.terminal.remote import CHUNK, transfer

    if not source.exists():
        raise Failure(tr("There is no {file} here.", file=source), code=NOT_FOUND)
    instance = chosen(session, to.where)
    folder, name = to.path, source.resolve().name
    if not to.path.endswith("/") and transfer(session, instance, ("test", "-d", to.path))[0] != 0:
        folder, name = posixpath.dirname(to.path) or ".", posixpath.basename(to.path)
    with _piped(lambda end: _pack(end, source, name)) as read:
        code, said = transfer(session, instance, ("tar", "xof", "-", "-C", folder), lambda: os.read(read, CHUNK))
    _judge(code, said, instance)
    out.say(
        tr("{source} is at {instance}:{path}.", source=source, instance=instance, path=posixpath.join(folder, name))
    )


def _pack(end: int, source: Path, name: str) -> None:
    from roost.surface.terminal.archive import pack

    with os.fdopen(end, "wb") as stream:
        try:
            pack(stream, source, name)
        except BrokenPipeError:
            return  # The other side ended; its exit code tells why.


def _download(session: Session, there: Place, goal: Path) -> None:
    from roost.surface.terminal.remote import transfer

    instance = chosen(session, there.where)
    path = there.path.rstrip("/") or "/"
    inside, name = posixpath.dirname(path) or ".", posixpath.basename(path)
    folder, called = (goal, name) if goal.is_dir() else (goal.parent, goal.name)
    if not name or name in (".", ".."):
        raise Failure(tr("{path} has no name that it could have here.", path=there.path), code=USAGE)
    if not folder.is_dir():
        raise Failure(tr("There is no directory {folder}.", folder=folder), code=NOT_FOUND)
    taken = _Taken(folder, called)
    code, said = transfer(session, instance, ("tar", "cf", "-", "-C", inside, "--", name), None, taken.write)
    written, left = taken.end()
    _judge(code, said, instance)
    out.say(tr("{count} files are in {folder}.", count=written, folder=folder / called))
    if left:
        out.say(tr("Links and devices were left out: {names}", names=", ".join(sorted(left)[:10])))


def _judge(code: int, said: str, instance: str) -> None:
    if code in NO_TAR:
        raise Failure(
            tr("There is no tar in {instance}.", instance=instance),
            why=said,
            hint=tr(
                "Send a single file through a shell: {command}", command="roost exec -T -- sh -c 'cat > FILE' < FILE"
            ),
        )
    if code:
        raise Failure(tr("The copy did not succeed."), why=said)


class _piped:
    """A pipe whose end for writing a thread fills; the end for reading is given."""

    def __init__(self, fill: Callable[[int], None]) -> None:
        self._read, write = os.pipe()
        self._thread = Thread(target=fill, args=(write,), daemon=True)

    def __enter__(self) -> int:
        self._thread.start()
        return self._read

    def __exit__(self, *_: object) -> None:
        os.close(self._read)
        self._thread.join()


class _Taken:
    """What comes as a tar, taken apart by a thread while it comes."""

    def __init__(self, folder: Path, name: str) -> None:
        read, self._end = os.pipe()
        self.result: tuple[int, list[str]] = (0, [])
        self.failure: Failure | None = None
        self._thread = Thread(target=self._unpack, args=(read, folder, name), daemon=True)
        self._thread.start()

    def _unpack(self, read: int, folder: Path, name: str) -> None:
        import tarfile

        from roost.surface.terminal.archive import unpack

        with os.fdopen(read, "rb") as stream:
            try:
                self.result = unpack(stream, folder, name)
            except Failure as failure:
                self.failure = failure
            except tarfile.ReadError as error:
                self.failure = Failure(tr("The copy did not succeed."), why=str(error))

    def write(self, data: bytes) -> None:
        """The next piece."""
        try:
            while data:
                data = data[os.write(self._end, data) :]
        except BrokenPipeError:
            self.end()

    def end(self) -> tuple[int, list[str]]:
        """Nothing more comes: what was written, and what was left out. Failure where something was wrong in it."""
        if self._end >= 0:
            os.close(self._end)
            self._end = -1
        self._thread.join()
        if self.failure is not None:
            raise self.failure
        return self.result
