"""What is found out beside the stages of a run: what the registry says, while git or the builder is at work."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def beside(find: Callable[[], T]) -> Future[T]:
    """Begins at once; the result waits, and raises what was raised.

    No executor, because Python waits for the threads of one before it ends: this one keeps nobody from ending.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(find())
        except BaseException as error:  # noqa: BLE001  Raised again where it is asked for.
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
