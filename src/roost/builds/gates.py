"""The conductor's side of the files and locks by which the steps of a run wait for their turn (engine/entrypoint).

What a step left is a stranger's: read without following links, only what is a regular file, within limits.
"""

import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from roost.builds.bench import Shared
from roost.model import step_task
from roost.model.step_task import StepResult

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Gates:
    """All gates of a run, closed from the start; the locks end with this process, however it ends."""

    def __init__(self, shared: Shared, steps: int) -> None:
        self._shared = shared
        self._outputs: list[int] = []
        self._gates: dict[int, int] = {}
        for place in range(steps):
            own = shared.own / str(place)
            own.mkdir(parents=True, exist_ok=True)
            made = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            # Held open from before the step could put something else there.
            self._outputs.append(os.open(own / step_task.OUTPUT, made, 0o600))
            path = shared.turns / step_task.gate(place)
            descriptor = os.open(f"{path}.new", made, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.rename(f"{path}.new", path)
            self._gates[place] = descriptor

    def open(self, place: int, seconds: int) -> None:
        """It is this step's turn; it has so many seconds for all its tries."""
        file = os.open(self._own(place, step_task.GO), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        os.write(file, str(seconds).encode())
        os.close(file)
        os.close(self._gates.pop(place))

    def close(self) -> None:
        """No further step has a turn: their containers end."""
        for descriptor in self._gates.values():
            os.close(descriptor)
        self._gates.clear()

    def is_alive(self, place: int) -> bool:
        """Whether the step's container is there: waiting for its turn, or at work."""
        try:
            descriptor = os.open(self._own(place, step_task.ALIVE), _READ)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def output(self, place: int, since: int) -> bytes:
        """What the step has printed since that many bytes."""
        left = step_task.OUTPUT_LIMIT + 1024 - since
        return os.pread(self._outputs[place], min(left, 1 << 18), since) if left > 0 else b""

    def result(self, place: int) -> StepResult | None:
        """What the step's entrypoint left; None where it left nothing that can be read."""
        try:
            descriptor = os.open(self._own(place, step_task.RESULT), _READ)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            text = file.read(step_task.RESULT_LIMIT + 1)
        try:
            return StepResult.model_validate_json(text) if len(text) <= step_task.RESULT_LIMIT else None
        except ValidationError:
            return None

    def _own(self, place: int, name: str) -> Path:
        return self._shared.own / str(place) / name
