"""The process of an import's pod: `python -m roost.mains.fetch`.

Prints how it went and leaves a report as the pod's termination message. It ends with 0 whenever there is a report.
"""

import os
import sys
from pathlib import Path

from roost.builds.foreign import carry_out
from roost.builds.sources.bench import Place
from roost.model.build_task import CREDENTIALS, TRUST, WORK
from roost.model.fetch_task import FORGE, SOURCE, VARIABLE, FetchTask


def main() -> int:
    """Carry out the task in the environment."""
    task = FetchTask.model_validate_json(os.environ[VARIABLE])
    report = carry_out(
        task, Place(Path(CREDENTIALS), Path(SOURCE), Path(TRUST), Path(WORK), task.timeout_s, Path(FORGE))
    )
    print(report.message or f"{'Moved to' if report.moved else 'Stands at'} {report.commit[:12]}", flush=True)
    text = report.model_dump_json(by_alias=True)
    Path(os.environ.get("ROOST_TERMINATION_LOG", "/dev/termination-log")).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
