"""The process of a run's pod: `python -m roost.mains.step`. It conducts the steps, which have containers of their own.

Where it was started ahead, it waits for its order, with everything imported; from then on there is no difference.

Prints what it does for the person who pushed, and leaves a report as the pod's termination message. Exit status 0: the
report says how it ended. 1: no report, the pod is worth another try.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from roost.builds import order, outcome
from roost.builds.bench import Bench, BuilderLost, Shared
from roost.builds.gates import Gates
from roost.builds.run_log import RunLog
from roost.builds.step import carry_out
from roost.model import step_task
from roost.model.build_task import CREDENTIALS, ORDER_VARIABLE, TRUST, VARIABLE, WORK, Task


def _show(line: str) -> None:
    print(line, flush=True)


def _bench(task: Task, log: RunLog) -> Bench:
    bench = Bench(Path(CREDENTIALS), Path(TRUST), Path(WORK), log, log=log)
    if task.pipeline.steps:
        folders = (step_task.WORKSPACE, step_task.HOME, step_task.TURNS, step_task.OWN)
        bench.shared = Shared(*(Path(folder) for folder in folders))
        bench.gates = Gates(bench.shared, len(task.pipeline.steps))
    return bench


def _task() -> Task:
    """What is to be done: told at the start, or once a run takes this pod."""
    file = os.environ.get(ORDER_VARIABLE)
    return Task.model_validate_json(order.wait(Path(file)) if file else os.environ[VARIABLE])


def main() -> int:
    """Carry out the task."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(1))  # Nobody else ends the first process of a pod for us.
    task = _task()
    log = RunLog(Path(WORK) / "log.ndjson", _show)
    bench = _bench(task, log)

    def cancelled(_number: int, _frame: FrameType | None) -> None:
        bench.halt("Cancelled")

    signal.signal(signal.SIGTERM, cancelled)
    timer = threading.Timer(task.timeout_s, bench.halt, ["TimedOut"])
    timer.daemon = True
    timer.start()
    try:
        report = carry_out(task, bench, lambda told: outcome.bring(task, bench, told))
    except BuilderLost as error:
        log(f"-----> {error}")
        return 1
    finally:
        if bench.gates is not None:
            bench.gates.close()
    log.close()
    Path(os.environ.get("ROOST_TERMINATION_LOG", "/dev/termination-log")).write_text(report.text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
