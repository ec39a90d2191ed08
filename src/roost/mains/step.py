"""The process of a run's pod: `python -m roost.mains.step`.

Prints what it does for the person who pushed, and leaves a report as the pod's termination message. Exit status 0: the
report says how it ended. 1: no report, the pod is worth another try.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from roost.builds.step import Bench, BuilderLost, carry_out
from roost.model.build_task import CREDENTIALS, TRUST, VARIABLE, WORK, Task


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    """Carry out the task in the environment."""
    task = Task.model_validate_json(os.environ[VARIABLE])
    bench = Bench(Path(CREDENTIALS), Path(TRUST), Path(WORK), _say)

    def cancelled(_number: int, _frame: FrameType | None) -> None:
        bench.halt("Cancelled")

    signal.signal(signal.SIGTERM, cancelled)
    timer = threading.Timer(task.timeout_s, bench.halt, ["TimedOut"])
    timer.daemon = True
    timer.start()
    try:
        report = carry_out(task, bench)
    except BuilderLost as error:
        _say(f"-----> {error}")
        return 1
    if not report.ok:
        _say(f"-----> {report.message}")
    Path(os.environ.get("ROOST_TERMINATION_LOG", "/dev/termination-log")).write_text(report.text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
