"""Files to and from an instance as tar streams: `roost cp`. What comes out of an instance is a stranger's.

Taking apart: only regular files and folders, opened step by step from the target's own folder, never through a link;
names that climb out are refused. (`tarfile`'s own filters of Python 3.11 can be gone around.)
"""

import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from roost.surface.terminal.failure import Failure
from roost.surface.terminal.words import tr

PIECE: Final = 1 << 20
MOST: Final = 200_000  # Members of one archive.
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def pack(stream: IO[bytes], source: Path, name: str) -> None:
    """Write a file or a folder with all in it as a tar, under that name. Links go as links."""
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        archive.add(source, name, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Who owns it here means nothing there."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def unpack(stream: IO[bytes], folder: Path, name: str) -> tuple[int, list[str]]:
    """Take a tar apart into `folder`, with its first part called `name`: (files written, what was left out).

    Failure where a name climbs out or a link stands in the way. Links and devices are left out.
    """
    written, left = 0, []
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for number, member in enumerate(archive):
            parts = [name, *_parts(member.name)[1:]]
            if number >= MOST:
                raise Failure(tr("There are more than {count} files in it.", count=MOST))
            if member.isdir():
                with _opened(folder, parts):
                    continue
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                left.append(member.name)
                continue
            with _opened(folder, parts[:-1]) as there:
                _write(content, parts[-1], there, member.mode & 0o777)
            written += 1
    return written, left


def _parts(name: str) -> Sequence[str]:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or not parts or "\0" in name:
        raise Failure(
            tr("The instance sent a name that leads out of the target."),
            why=repr(name[:200]),
            hint=tr("Nothing was written outside. Do not trust this instance."),
        )
    return parts


@contextmanager
def _opened(folder: Path, parts: Sequence[str]) -> Iterator[int]:
    """The folder beneath `folder`, made where it is not there; no step of the way is a link."""
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            try:
                os.mkdir(part, 0o755, dir_fd=here)
            except FileExistsError:
                pass
            try:
                step = os.open(part, _FOLDER, dir_fd=here)
            except OSError as error:
                raise _in_the_way(parts, error) from error
            os.close(here)
            here = step
        yield here
    finally:
        os.close(here)


def _write(content: IO[bytes], name: str, there: int, mode: int) -> None:
    try:
        descriptor = os.open(name, _FILE, mode | 0o600, dir_fd=there)
    except OSError as error:
        raise _in_the_way([name], error) from error
    with os.fdopen(descriptor, "wb") as file:
        while piece := content.read(PIECE):
            file.write(piece)


def _in_the_way(parts: Sequence[str], error: OSError) -> Failure:
    return Failure(tr("{file} cannot be written.", file="/".join(parts)), why=error.strerror or str(error))
