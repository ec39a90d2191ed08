"""What is found out beside the stages of a run: what the registry says, while git or the builder is at work."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Beside(Generic[T]):
    """Begins at once, in a thread that keeps nobody from ending; `result` waits, and raises what was raised."""

    def __init__(self, find: Callable[[], T]) -> None:
        self._find = find
        self._found: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found.append(self._find())
        except BaseException as error:  # noqa: BLE001  Raised again where it is asked for.
            self._error = error

    def result(self) -> T:
        """What was found."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found[0]
