"""How a pod that was started ahead learns what to do: a file that the kubelet fills when the pod is given to a run.

`roost.mains.step` waits here. The kubelet replaces the whole content of the folder at once, by the name of a link; the
kernel tells of it (inotify(7)), so that waiting costs nothing.
"""

import ctypes
import os
import select
from pathlib import Path
from typing import Final

LOOK_S: Final = 5.0  # It is looked at as often in any case.
_LINK_MOVED: Final = 0x00000080  # IN_MOVED_TO, of <sys/inotify.h>.
_CLOSED_ON_EXEC: Final = os.O_CLOEXEC  # IN_CLOEXEC has the same value.


def wait(file: Path) -> str:
    """The text of the file, once there is any."""
    watching = _watch(file.parent)
    try:
        while not (text := _read(file)):
            select.select([watching] if watching >= 0 else [], [], [], LOOK_S if watching >= 0 else 0.05)
            if watching >= 0:
                _drain(watching)
        return text
    finally:
        if watching >= 0:
            os.close(watching)


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return ""


def _watch(folder: Path) -> int:
    """A descriptor that can be read when something was moved into the folder; -1 where the kernel has none to give."""
    libc = ctypes.CDLL(None, use_errno=True)
    watching = int(libc.inotify_init1(_CLOSED_ON_EXEC | os.O_NONBLOCK))
    if watching >= 0 and libc.inotify_add_watch(watching, os.fsencode(folder), _LINK_MOVED) < 0:
        os.close(watching)
        return -1
    return watching


def _drain(watching: int) -> None:
    try:
        os.read(watching, 65536)
    except BlockingIOError:
        return
