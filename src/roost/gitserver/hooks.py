"""What git runs in the middle of a push: `run` with `pre-receive` or `reference-transaction`.

The server writes two small scripts that call this into its own hooks folder (`hook_scripts`); repositories bring none.
`pre-receive` refuses what could not be built, in words that the pusher sees; `reference-transaction` logs each move
while git holds the ref's lock. Both start in every push, which waits for them, so they import little. Environment:
ROOST_PUSH, ROOST_PERSON, ROOST_BRANCH, ROOST_REFS (patterns of other refs that are built, one a line),
ROOST_MAX_REPOSITORY_MIB, and git's own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterable, Mapping, Sequence

from roost.gitserver import moves_log
from roost.model.refs import HEADS, REQUESTS, TAGS, matches, request_of

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1"
MAX_REF = 200
MOST_FILES = 200_000  # As many as the steps of a run may leave.
_POINTER_SIZES = range(100, 301)
_MAX_POINTERS = 1000
_CHUNK = 1 << 16
_LONGEST = 8192  # Bytes of a path: file systems take 4096.


class Refused(Exception):
    """A push that is not taken; the text is for the pusher."""


def size_of(folder: str | os.PathLike[str]) -> int:
    """Bytes that the files beneath take on the disk's books; files that vanish meanwhile count nothing."""
    total = 0
    for root, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(root, name)).st_size
            except FileNotFoundError:
                continue
    return total


def _git(*arguments: str, stdin: bytes | None = None) -> bytes:
    import subprocess  # The other hook does without.

    return subprocess.run(("git", *arguments), input=stdin, capture_output=True, check=True).stdout


def check_ref(ref: str) -> None:
    """Refused where a ref lies outside branches and tags, or is longer than what derives from it can bear."""
    if not ref.startswith((HEADS, TAGS)) and request_of(ref) is None:
        raise Refused(
            f"{ref}: only branches, tags and merge requests are kept here."
            " Push to refs/heads/, refs/tags/ or refs/merge-requests/<number>/head."
        )
    if len(ref.encode()) > MAX_REF:
        raise Refused(f"{ref[:60]}...: the name of a branch or tag has {MAX_REF} bytes at most here.")


def entries(commit: str) -> Generator[bytes]:
    """What `ls-tree -r -l -z` tells, one file after the other as git finds it: a pack of a few KiB may stand for more
    files than any memory holds, when folders contain the same folder again and again. Refused where git cannot tell.
    """
    import subprocess  # The other hook does without.

    command = ("git", "ls-tree", "-r", "-l", "-z", "--full-tree", commit)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as git:
        assert git.stdout is not None
        rest = b""
        try:
            while chunk := git.stdout.read(_CHUNK):
                *whole, rest = (rest + chunk).split(b"\0")
                yield from whole
                if len(rest) > _LONGEST:
                    raise Refused("The names of this commit's folders are longer than any file system takes.")
            done = git.wait()
        finally:
            git.kill()
    if done or rest:
        raise Refused("The files of this commit cannot be read: are its folders nested without end?")


def check_tree(listing: Iterable[bytes]) -> list[bytes]:
    """Blobs among `entries` that may be LFS pointers. Refused where there is a submodule, or too much."""
    candidates = []
    for count, entry in enumerate(listing, 1):
        if count > MOST_FILES:
            raise Refused(f"This commit has more than {MOST_FILES} files, which is the most that is built here.")
        meta, _, path = entry.partition(b"\t")
        mode, _, object_id, size = meta.split()
        if mode == b"160000":
            name = path.decode(errors="replace")
            raise Refused(
                f"{name} is a submodule. Submodules are not fetched here: copy its files into the repository"
                f" (git rm --cached {name}; git add {name}) and push again."
            )
        if size.isdigit() and int(size) in _POINTER_SIZES:
            candidates.append(object_id)
    return candidates


def _check_commit(commit: str) -> None:
    listing = entries(commit)
    try:
        candidates = check_tree(listing)[:_MAX_POINTERS]
    finally:
        listing.close()
    if candidates and LFS_POINTER in _git("cat-file", "--batch", stdin=b"\n".join(candidates) + b"\n"):
        raise Refused(
            "The repository holds Git LFS pointers, and files kept in LFS cannot be had here:"
            " bring them back with 'git lfs migrate export --include=\"*\"' and push again."
        )


def pre_receive(lines: Iterable[tuple[str, str, str]], environment: Mapping[str, str]) -> None:
    """Refused, or the push may go on. `lines`: (old, new, ref)."""
    built = [f"refs/heads/{environment.get('ROOST_BRANCH', 'main')}", *environment.get("ROOST_REFS", "").splitlines()]
    for _, new, ref in lines:
        check_ref(ref)
        if new != moves_log.ZERO and any(matches(pattern, ref) for pattern in built):
            _check_commit(new)
    limit = int(environment.get("ROOST_MAX_REPOSITORY_MIB", "1024"))
    if size_of(environment.get("GIT_DIR", ".")) > limit << 20:
        raise Refused(f"With this push the repository is larger than {limit} MiB, which is the most it may take.")


def reference_transaction(lines: Iterable[tuple[str, str, str]], environment: Mapping[str, str]) -> None:
    """Log what is about to be committed. Outside a push (git packs its refs) nothing moves and nothing is logged."""
    push, person = environment.get("ROOST_PUSH"), environment.get("ROOST_PERSON", "")
    if push:
        found = [
            {"ref": ref, "old": old, "new": new, "person": person, "push": push}
            for old, new, ref in lines
            if old != new and ref.startswith((HEADS, TAGS, REQUESTS))
        ]
        moves_log.append(environment.get("GIT_DIR", "."), found)


def main(arguments: Sequence[str], environment: Mapping[str, str], stdin: bytes) -> int:
    """The exit status of the hook; what is refused is said on stderr."""
    try:
        lines = [tuple(line.split(" ", 2)) for line in stdin.decode().splitlines()]
        if arguments[0] == "pre-receive":
            pre_receive(lines, environment)  # type: ignore[arg-type]
        else:
            reference_transaction(lines, environment)  # type: ignore[arg-type]
    except UnicodeDecodeError:
        print("The name of a branch or tag must be UTF-8.", file=sys.stderr)
        return 1
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    return 0


def run() -> None:
    """The hook that is named on the command line."""
    raise SystemExit(main(sys.argv[1:], os.environ, sys.stdin.buffer.read()))
