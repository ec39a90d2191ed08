"""Appends to the durable log of moves, which `moves` reads.

By itself, because git's hooks call it: a program that starts twice in each push, and must import next to nothing.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Mapping

LOG = "roost-moves.log"
ZERO = "0" * 40


def append(repository: str | os.PathLike[str], lines: Iterable[Mapping[str, str]]) -> None:
    """Add lines (`moves.Line`) and flush them to the disk. A torn line of a crash before is closed first."""
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
    if not text:
        return
    descriptor = os.open(os.path.join(repository, LOG), os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            text = b"\n" + text
        while text:
            text = text[os.write(descriptor, text) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
