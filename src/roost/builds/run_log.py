"""The log of a run, line by line with its step: printed at once, and kept in the registry when the pod is gone.

`roost.mains.step` makes one; the API reads what was kept. On the way to people nothing in it can steer a terminal.
"""

import gzip
import io
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from roost.adapters.registry import Registry
from roost.model import kept, step_lines

KIND: Final = kept.LOG
MOST: Final = 32 << 20  # Bytes of a whole log; steps are bounded each for themselves.
LONGEST: Final = 16 << 10  # Characters of a line.
OFTEN_S: Final = 20.0
_ESCAPES: Final = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def tag(run: str) -> str:
    """Its tag in the project's own repository."""
    return f"log-{run}"


def plain(line: str) -> str:
    """A line without what steers a terminal."""
    return _CONTROLS.sub("", _ESCAPES.sub("", line[:LONGEST]))


class RunLog:
    """What a run says. `step` is whose words come next; `show` gets each line with its mark (`model.step_lines`)."""

    def __init__(self, file: Path, show: Callable[[str], None]) -> None:
        self.step = ""
        self._path = file
        self._file = file.open("w", encoding="utf-8")
        self._size = 0
        self._show = show
        self._kept = time.monotonic()

    def __call__(self, line: str) -> None:
        """One line, or several."""
        for text in line.split("\n"):
            text = plain(text)
            self._show(step_lines.marked(self.step, text))
            moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
            entry = json.dumps([moment, self.step, text], ensure_ascii=False) + "\n"
            self._size += len(entry)
            if self._size <= MOST:
                self._file.write(entry)

    @property
    def is_due(self) -> bool:
        """Whether it was not kept for a while."""
        return time.monotonic() > self._kept + OFTEN_S

    def close(self) -> None:
        """Nothing more is said."""
        self._file.close()

    def keep(self, registry: Registry, repository: str, run: str) -> None:
        """Store what was said so far. RegistryFailed."""
        self._file.flush()
        registry.put_artefact(repository, KIND, gzip.compress(self._path.read_bytes(), 6, mtime=0), tag=tag(run))
        self._kept = time.monotonic()


def read(content: bytes) -> Iterator[tuple[str, str, str]]:
    """(time, step, line) of what was kept; it ends where it cannot be read any further."""
    size = 0
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        try:
            while (text := file.readline(4 * LONGEST)) and (size := size + len(text)) <= 2 * MOST:
                moment, step, line = json.loads(text)
                yield str(moment), str(step), str(line)
        except (OSError, EOFError, ValueError):
            return
