"""Files that a stranger left: found, packed and unpacked so that nothing leads out of the folder that they are in.

No link is followed and no special file is opened, whatever names they have. When something is unpacked, links are made
last, so that no file is written through one; what would lie outside is refused.

    TreeRefused     an archive that holds what it must not; the text says what
    TreeTooLarge    more than may be packed
"""

import os
import shutil
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Final

MOST: Final = 200_000  # Files of a tree.
MOST_MEMBERS: Final = 400_000
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK: Final = 1 << 20


class TreeRefused(ValueError):
    """An archive that holds what it must not."""


class TreeTooLarge(ValueError):
    """More than may be packed."""


@dataclass(frozen=True, order=True)
class Entry:
    """Something in a tree. path: relative, with `/`. stamp: changes with whatever is done to it."""

    path: str
    kind: str  # file, link, folder
    size: int = 0
    mode: int = 0
    stamp: tuple[int, ...] = ()


def clear(root: Path) -> None:
    """Empty a folder; the folder itself stays, since it may be a mount."""
    for entry in os.scandir(root):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def entries(root: Path) -> Iterator[Entry]:
    """Files, links and folders beneath `root`, sorted by path; others are passed over. TreeTooLarge."""
    count = 0
    for folder, folders, files, descriptor in os.fwalk(root, follow_symlinks=False):
        folders.sort()
        prefix = os.path.relpath(folder, root)
        prefix = "" if prefix == "." else f"{prefix}/"
        for name in sorted([*folders, *files]):
            count += 1
            if count > MOST:
                raise TreeTooLarge(f"there are more than {MOST} files")
            try:
                seen = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue
            kind = _kind(seen.st_mode)
            if kind:
                size = seen.st_size if kind == "file" else 0
                stamp = (seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size)
                yield Entry(prefix + name, kind, size, stat.S_IMODE(seen.st_mode) & 0o777, stamp)


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISLNK(mode):
        return "link"
    return "folder" if stat.S_ISDIR(mode) else ""


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether a path is named by one of the patterns, or lies in a folder that is. `**` stands for any folders."""
    parts = path.split("/")
    return any(_match(parts, pattern.strip("/").split("/")) for pattern in patterns)


def _match(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Iteratively, as for `*` in a text: what the last `**` takes grows until the rest fits."""
    at, of, star, mark = 0, 0, -1, 0
    while of < len(pattern) and (at < len(parts) or pattern[of] == "**"):
        if pattern[of] == "**":
            star, mark = of, at
            of += 1
        elif at < len(parts) and fnmatchcase(parts[at], pattern[of]):
            at, of = at + 1, of + 1
        elif star >= 0 and mark < len(parts):
            mark += 1
            at, of = mark, star + 1
        else:
            return False
    return of == len(pattern)


def open_file(root: Path, path: str) -> IO[bytes] | None:
    """A regular file beneath `root`, opened step by step; None where there is none."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        parts = path.split("/")
        for part in parts[:-1]:
            deeper = os.open(part, _READ | os.O_DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = deeper
        file = os.open(parts[-1], _READ, dir_fd=descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        return None
    return os.fdopen(file, "rb")


def pack(root: Path, chosen: Iterable[Entry], into: tarfile.TarFile, limit: int, prefix: str = "") -> int:
    """Add entries to an archive; how many bytes of files went in. TreeTooLarge beyond `limit` bytes."""
    total = 0
    for entry in chosen:
        member = tarfile.TarInfo(prefix + entry.path)
        member.mode = entry.mode
        if entry.kind == "folder":
            member.type = tarfile.DIRTYPE
            into.addfile(member)
        elif entry.kind == "link":
            member.type = tarfile.SYMTYPE
            try:
                member.linkname = os.readlink(root / entry.path)
            except OSError:
                continue
            into.addfile(member)
        else:
            file = open_file(root, entry.path)
            if file is None:
                continue
            with file:
                member.size = os.fstat(file.fileno()).st_size
                total += member.size
                if total > limit:
                    raise TreeTooLarge(f"the files are larger than {limit >> 20} MiB together")
                into.addfile(member, file)
    return total


def safe(path: str) -> list[str]:
    """The parts of an archive's path. TreeRefused where it leads out, or is none."""
    parts = path.removesuffix("/").split("/")
    if path.startswith("/") or not all(parts) or any(part in (".", "..") for part in parts) or "\0" in path:
        raise TreeRefused(f"the path {path[:100]!r} leads out of the folder")
    return parts


def unpack(stream: IO[bytes], roots: Mapping[str, Path], limit: int) -> None:
    """Write a gzipped archive's members into the folders that their paths begin with. TreeRefused, TreeTooLarge.

    `roots`: folders by what stands before a path, `home/` for example; members of no such folder are passed over. Links
    are made when all files are written, and none is ever followed.
    """
    total, links = 0, []
    with tarfile.open(fileobj=stream, mode="r|gz") as archive:
        for number, member in enumerate(archive):
            if number > MOST_MEMBERS:
                raise TreeTooLarge(f"there are more than {MOST_MEMBERS} files")
            prefix = next((prefix for prefix in roots if member.name.startswith(prefix)), None)
            if prefix is None:
                continue
            root, parts = roots[prefix], safe(member.name[len(prefix) :])
            if member.isdir():
                os.close(_folder(root, parts))
            elif member.issym():
                links.append((root, parts, member.linkname))
            elif member.isreg():
                total += member.size
                if total > limit:
                    raise TreeTooLarge(f"the files are larger than {limit >> 20} MiB together")
                _write(root, parts, archive.extractfile(member), member.mode & 0o777)
            else:
                raise TreeRefused(f"{member.name[:100]!r} is neither a file nor a folder nor a link")
    for root, parts, target in links:
        folder = _folder(root, parts[:-1])
        try:
            _remove(parts[-1], folder)
            os.symlink(target, parts[-1], dir_fd=folder)
        finally:
            os.close(folder)


def _folder(root: Path, parts: Sequence[str]) -> int:
    """A descriptor of a folder beneath `root`, made where it is missing. TreeRefused where a link is in the way."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in parts:
        try:
            try:
                os.mkdir(part, 0o755, dir_fd=descriptor)
            except FileExistsError:
                pass
            deeper = os.open(part, _READ | os.O_DIRECTORY, dir_fd=descriptor)
        except OSError as error:
            raise TreeRefused(f"{'/'.join(parts)[:100]!r} is no folder") from error
        finally:
            os.close(descriptor)
        descriptor = deeper
    return descriptor


def _remove(name: str, folder: int) -> None:
    """What has this name in a folder, unless it is a folder."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise TreeRefused(f"{name[:100]!r} is a folder already") from error


def _write(root: Path, parts: Sequence[str], content: IO[bytes] | None, mode: int) -> None:
    folder = _folder(root, parts[:-1])
    try:
        _remove(parts[-1], folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(parts[-1], flags, mode | 0o200, dir_fd=folder), "wb") as file:
            if content is not None:
                shutil.copyfileobj(content, file, _CHUNK)
            os.fchmod(file.fileno(), mode)
    finally:
        os.close(folder)


def remove(root: Path, paths: Iterable[str]) -> None:
    """Remove files, links and folders beneath `root`; what is not there is no error."""
    for path in sorted(paths, reverse=True):
        try:
            folder = _folder(root, safe(path)[:-1])
        except TreeRefused:
            continue
        name = path.rsplit("/", 1)[-1]
        try:
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                shutil.rmtree(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            pass
        finally:
            os.close(folder)
