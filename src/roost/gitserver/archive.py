"""An uploaded archive as a stream for `git fast-import`: `python -m roost.gitserver.archive FILE PARENT auto|keep
PERSON BYTES`.

The server starts it as a process of its own with little memory and time. Nothing is unpacked into a file system: each
file goes into git's object store under a name that was checked before, so no name leads anywhere. What is refused is
refused whole, before the first byte goes to git.

    Refused     the text is for who uploaded; the process says it on stderr and ends with 1

Standard output is the stream; the last line of stderr after success is one JSON object {"files": N, "folder": "..."}.
"""

import gzip
import io
import json
import re
import resource
import stat
import struct
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

BRANCH: Final = "refs/heads/upload"  # In the scratch repository.
MAX_ENTRIES: Final = 50_000
MAX_NAME: Final = 1000  # Bytes of a path.
MAX_DEPTH: Final = 60
MAX_LINK: Final = 1000  # Bytes that a link points to.
RATIO: Final = 100  # Source code shrinks to a tenth; what shrinks to a hundredth means harm.
FREE: Final = 32 << 20  # Bytes within which no ratio counts: a few generated files may shrink well.
MEMORY: Final = 768 << 20
CPU_S: Final = 300
CHUNK: Final = 1 << 16
_LEFT_OUT: Final = frozenset(["__MACOSX", ".DS_Store"])  # What macOS adds to archives.
_SPECIAL: Final = "Only files, folders and links are taken."
_BROKEN: Final = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,  # NotImplementedError among them: how zipfile says that it does not know a compression.
    ValueError,  # UnicodeError among them.
    OverflowError,
)


class Refused(Exception):
    """An archive that is not taken."""


@dataclass(frozen=True)
class Item:
    """One file or link of an archive as it says itself. `mode`: git's 100644, 100755 or 120000; `size` in bytes."""

    name: str
    mode: str
    size: int
    target: str = ""


class Counted(io.RawIOBase):
    """A stream that ends in Refused where more comes out of it than `limit` bytes."""

    def __init__(self, inner: IO[bytes], limit: int) -> None:
        super().__init__()
        self._inner = inner
        self._left = limit

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """As of io.RawIOBase."""
        chunk = self._inner.read(len(buffer))
        self._left -= len(chunk)
        if self._left < 0:
            raise Refused("Unpacked, the archive is far larger than it may be.")
        buffer[: len(chunk)] = chunk
        return len(chunk)


def allowed(packed: int, most: int) -> int:
    """How many bytes an archive of `packed` bytes may unpack to, where a repository takes `most` bytes."""
    return min(most, max(FREE, packed * RATIO))


def clean(name: str) -> str:
    """The path as git has it; empty: there is nothing to keep. Refused where it could lead elsewhere."""
    shown = repr(name[:80])
    try:
        length = len(name.encode())
    except UnicodeEncodeError as error:
        raise Refused(f"The name {shown} is not UTF-8.") from error
    if length > MAX_NAME:
        raise Refused(f"The name {shown}... has more than {MAX_NAME} bytes.")
    if re.search(r"[\x00-\x1f\x7f]", name):
        raise Refused(f"The name {shown} has control characters.")
    if name.startswith("/") or re.match(r"[A-Za-z]:[\\/]|\\", name):
        raise Refused(f"The name {shown} begins at the root of a disk.")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or ".." in name.split("\\"):
        raise Refused(f"The name {shown} leads out of the archive.")
    if len(parts) > MAX_DEPTH:
        raise Refused(f"The name {shown}... is more than {MAX_DEPTH} folders deep.")
    # A `.git` in an upload is somebody's working copy: its history is not what is uploaded.
    if any(part in _LEFT_OUT or part.lower() == ".git" for part in parts):
        return ""
    return "/".join(parts)


def check_link(path: str, target: str) -> None:
    """Refused where a link at `path` could lead out: `..` only at its start, and not above the top."""
    shown = f"The link {path[:80]!r} to {target[:80]!r}"
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = next((at for at, part in enumerate(parts) if part != ".."), len(parts))
    if not target or len(target) > MAX_LINK or re.search(r"[\x00-\x1f\x7f]", target):
        raise Refused(f"{shown} is none.")
    # After a folder that is itself a link, `..` would mean another folder than it seems.
    if target.startswith("/") or up > path.count("/") or ".." in parts[up:]:
        raise Refused(f"{shown} leads out of the archive.")


def top(names: Sequence[str]) -> str:
    """The one folder that all stands in, with a slash; empty where there is none."""
    first = {name.partition("/")[0] for name in names if "/" in name}
    alone = len(first) == 1 and all("/" in name for name in names)
    return f"{first.pop()}/" if alone else ""


def checked(items: Iterable[Item], limit: int, strip: bool) -> tuple[dict[str, Item], str]:
    """({name in the archive: the item at its path}, the folder that is left out). Refused."""
    found: dict[str, Item] = {}
    total = 0
    for count, item in enumerate(items, 1):
        total += item.size
        if count > MAX_ENTRIES:
            raise Refused(f"The archive holds more than {MAX_ENTRIES} files.")
        if total > limit:
            raise Refused(
                f"Unpacked, the archive is larger than {limit >> 20} MiB, which is the most that this may be."
            )
        path = clean(item.name)
        if path and item.name in found:
            raise Refused(f"The name {item.name[:80]!r} is there twice.")
        if path:
            found[item.name] = Item(path, item.mode, item.size, item.target)
    if not found:
        raise Refused("There are no files in the archive.")
    folder = top([item.name for item in found.values()]) if strip else ""
    moved = {
        name: Item(item.name.removeprefix(folder), item.mode, item.size, item.target) for name, item in found.items()
    }
    _check_together(list(moved.values()))
    return moved, folder.rstrip("/")


def _check_together(items: Sequence[Item]) -> None:
    """No two at one path, none beneath a file, no link that leads out."""
    paths = {item.name for item in items}
    if len(paths) < len(items):
        raise Refused("Two files of the archive have the same place, written differently.")
    for item in items:
        parts = item.name.split("/")
        above = next((one for at in range(1, len(parts)) if (one := "/".join(parts[:at])) in paths), "")
        if above:
            raise Refused(f"{above[:80]!r} is a file and a folder at once.")
        if item.mode == "120000":
            check_link(item.name, item.target)


# The two formats. Each gives its items, and then the items again with their content.


class Tar:
    """tar, plain or compressed by gzip. Read as a stream, twice."""

    def __init__(self, path: Path, zipped: bool, limit: int) -> None:
        self._path = path
        self._zipped = zipped
        self._limit = limit * 2 + FREE  # Headers and padding count as well.

    def _members(self) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
        with self._path.open("rb") as file, gzip.GzipFile(fileobj=file) as unzipped:
            source = Counted(unzipped if self._zipped else file, self._limit)  # type: ignore[arg-type]
            with tarfile.open(fileobj=io.BufferedReader(source, CHUNK), mode="r|", errorlevel=2) as tar:
                for member in tar:
                    tar.members = []  # type: ignore[attr-defined]  # It would keep them all.
                    yield tar, member

    def items(self) -> Iterator[Item]:
        """Files and links. Refused where there is anything else."""
        for _, member in self._members():
            if (item := _of_tar(member)) is not None:
                yield item

    def contents(self) -> Iterator[tuple[str, IO[bytes]]]:
        """(name, content) of each file, in the same order."""
        for tar, member in self._members():
            if member.isreg() and (content := tar.extractfile(member)) is not None:
                yield member.name, content


def _of_tar(member: tarfile.TarInfo) -> Item | None:
    if member.isdir():
        return None
    if member.issym():
        return Item(member.name, "120000", 0, member.linkname)
    if member.islnk():
        raise Refused(f"{member.name[:80]!r} is a hard link. Pack it as a file: tar --hard-dereference.")
    if not member.isreg() or member.issparse() or member.size < 0:
        raise Refused(f"{member.name[:80]!r} is a device, a pipe or another special file. {_SPECIAL}")
    return Item(member.name, "100755" if member.mode & 0o100 else "100644", member.size)


class Zip:
    """zip: stored or deflated, not encrypted."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit

    def items(self) -> Iterator[Item]:
        """Files and links. Refused where there is anything else."""
        with zipfile.ZipFile(self._path) as archive:
            for info in archive.infolist():
                if (item := _of_zip(archive, info)) is not None:
                    yield item

    def contents(self) -> Iterator[tuple[str, IO[bytes]]]:
        """(name, content) of each file, in the same order."""
        with zipfile.ZipFile(self._path) as archive:
            left = self._limit
            for info in archive.infolist():
                mode = info.external_attr >> 16
                if not info.is_dir() and not stat.S_ISLNK(mode):
                    with archive.open(info) as content:
                        yield info.filename, io.BufferedReader(Counted(content, left), CHUNK)
                    left -= info.file_size


def _of_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Item | None:
    name, mode = info.orig_filename, info.external_attr >> 16
    shown = repr(name[:80])
    if info.flag_bits & 1:
        raise Refused(f"{shown} is encrypted. Pack it without a password.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Refused(f"{shown} is compressed in a way that is not taken: use deflate.")
    if info.is_dir():
        return None
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFLNK:
        if info.file_size > MAX_LINK:
            raise Refused(f"The link {shown} leads too far.")
        return Item(info.filename, "120000", 0, archive.read(info).decode())
    if kind not in (0, stat.S_IFREG):
        raise Refused(f"{shown} is a device, a pipe or another special file. {_SPECIAL}")
    if "\0" in name or "\\" in name:
        raise Refused(f"The name {shown} has characters that no path has.")
    return Item(info.filename, "100755" if mode & 0o100 else "100644", info.file_size)


def opened(path: Path, limit: int) -> Tar | Zip:
    """What the first bytes say it is. Refused where it is neither."""
    with path.open("rb") as file:
        head = file.read(512)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return Zip(path, limit)
    if head[:2] == b"\x1f\x8b":
        return Tar(path, True, limit)
    if head[257:262] == b"ustar":
        return Tar(path, False, limit)
    raise Refused("This is no archive that is taken: zip, tar or tar.gz.")


def quoted(path: str) -> bytes:
    """A path as `git fast-import` reads it."""
    return b'"' + path.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def stream(archive: Tar | Zip, wanted: dict[str, Item], head: bytes, out: IO[bytes]) -> None:
    """The whole stream. Refused where the archive says one size and holds another."""
    out.write(b"feature done\n" + head + b"deleteall\n")
    for item in wanted.values():
        if item.mode == "120000":
            content = item.target.encode()
            out.write(b"M 120000 inline " + quoted(item.name) + b"\ndata %d\n" % len(content) + content + b"\n")
    for name, content_of in archive.contents():
        if name not in wanted:
            continue
        here = wanted[name]
        out.write(f"M {here.mode} inline ".encode() + quoted(here.name) + b"\ndata %d\n" % here.size)
        left = here.size
        while left:
            chunk = content_of.read(min(left, CHUNK))
            if not chunk:
                raise Refused(f"{name[:80]!r} is shorter than the archive says.")
            left -= len(chunk)
            out.write(chunk)
        if content_of.read(1):
            raise Refused(f"{name[:80]!r} is longer than the archive says.")
        out.write(b"\n")
    out.write(b"done\n")


def header(person: str, parent: str, now_s: int) -> bytes:
    """What the commit says before its files. `parent`: the branch's last commit; empty: there is none."""
    who = f"{person} <{person}@roost.localhost> {now_s} +0000"
    words = b"Upload an archive.\n"
    text = f"commit {BRANCH}\nmark :1\nauthor {who}\ncommitter {who}\ndata {len(words)}\n".encode() + words
    return text + (f"from {parent}\n".encode() if parent else b"")


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    file, parent, folder, person, most = arguments
    path = Path(file)
    limit = allowed(path.stat().st_size, int(most))
    try:
        archive = opened(path, limit)
        wanted, left_out = checked(archive.items(), limit, folder == "auto")
        stream(archive, wanted, header(person, parent, int(time.time())), sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    except MemoryError:
        print("The archive's table of contents is larger than it may be.", file=sys.stderr)
        return 1
    except BrokenPipeError:
        print("git took no more of it.", file=sys.stderr)
        return 2
    except _BROKEN as error:
        words = "".join(char for char in str(error) if char.isprintable())[:200]
        print(f"The archive is broken: {words or type(error).__name__}.", file=sys.stderr)
        return 1
    print(json.dumps({"files": len(wanted), "folder": left_out}), file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
