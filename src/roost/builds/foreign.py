"""An import in its pod: what is new at a source elsewhere goes to the hosted repository.

`roost.mains.fetch` calls `carry_out`. Each type of source is a module of `roost.builds.sources`.
"""

import subprocess
from collections.abc import Callable, Mapping
from typing import Final

from roost.builds.sources import git, image, svn
from roost.builds.sources.bench import FetchFailed, Place
from roost.model.fetch_task import FetchReport, FetchTask

LOOKS: Final[Mapping[str, Callable[[FetchTask, Place], FetchReport]]] = {
    "git": git.look,
    "svn": svn.look,
    "image": image.look,
}


def carry_out(task: FetchTask, place: Place) -> FetchReport:
    """The whole import; a report in every case."""
    try:
        return LOOKS[task.type](task, place)
    except FetchFailed as error:
        return FetchReport(ok=False, reason=error.reason, message=place.sayable(str(error))[:1500])
    except subprocess.TimeoutExpired:
        words = f"It took longer than {task.timeout_s} s: the source does not answer, or it is too large."
        return FetchReport(ok=False, reason="TimedOut", message=words)
