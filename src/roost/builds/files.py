"""A repository's files as detection sees them: relative paths, bounded reads, nothing outside the root.

`Checkout` reads a folder that a stranger filled: symbolic links are never followed, special files never opened.
`Listing` is the same over a dict (tests, `roost project eject` on a working directory uses Checkout).
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

MAX_FILE = 1 << 20
MAX_LISTED = 5000


class Files(Protocol):
    """Paths use `/`, are relative and have no `..`."""

    def read(self, path: str) -> str | None:
        """The text of a regular file of at most 1 MiB; None where there is none."""
        ...

    def names(self, folder: str = "") -> list[str]:
        """Names in a folder, sorted; folders end with a slash. Empty where there is no such folder."""
        ...


def tool_version(files: Files, *tools: str) -> str:
    """What .tool-versions (asdf, mise) says of the first of these tools that it names; empty: nothing."""
    for line in (files.read(".tool-versions") or "").splitlines():
        words = line.partition("#")[0].split()
        if len(words) > 1 and words[0] in tools:
            return words[1]
    return ""


def _clean(path: str) -> list[str] | None:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return None if ".." in parts or "\0" in path else parts


class Listing:
    """Files in memory."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = dict(files)

    def read(self, path: str) -> str | None:
        """The text, or None."""
        parts = _clean(path)
        return None if parts is None else self._files.get("/".join(parts))

    def names(self, folder: str = "") -> list[str]:
        """Names in a folder."""
        parts = _clean(folder)
        if parts is None:
            return []
        prefix = "".join(f"{part}/" for part in parts)
        found = set()
        for path in self._files:
            if path.startswith(prefix):
                name, slash, _ = path[len(prefix) :].partition("/")
                found.add(name + slash)
        return sorted(found)[:MAX_LISTED]


class Checkout:
    """Files beneath a folder, opened step by step so that no link leads out of it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _open(self, path: str, flags: int) -> int | None:
        parts = _clean(path)
        if parts is None:
            return None
        descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for at, part in enumerate(parts):
            more = flags if at == len(parts) - 1 else os.O_DIRECTORY
            try:
                step = os.open(
                    part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | more, dir_fd=descriptor
                )
            except OSError:
                return None
            finally:
                os.close(descriptor)
            descriptor = step
        return descriptor

    def read(self, path: str) -> str | None:
        """The text of a regular file, or None."""
        descriptor = self._open(path, 0)
        if descriptor is None:
            return None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE:
                return None
            with os.fdopen(os.dup(descriptor), "rb") as file:
                return file.read(MAX_FILE).decode("utf-8", "replace").removeprefix("﻿").replace("\r\n", "\n")
        finally:
            os.close(descriptor)

    def names(self, folder: str = "") -> list[str]:
        """Names in a folder."""
        descriptor = self._open(folder, os.O_DIRECTORY)
        if descriptor is None:
            return []
        try:
            found: list[str] = []
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    if len(found) >= MAX_LISTED:
                        break
                    found.append(entry.name + ("/" if entry.is_dir(follow_symlinks=False) else ""))
            return sorted(found)
        finally:
            os.close(descriptor)
