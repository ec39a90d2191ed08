"""The process of a commit status's pod: `python -m roost.mains.forge`. Tells a forge what became of a commit.

It ends with 0 whenever there is a report, which is the pod's termination message.
"""

import os
import sys
from pathlib import Path

from roost.adapters.forge import ForgeFailed, Said
from roost.adapters.forges import FORGES
from roost.model.build_task import CREDENTIALS, TRUST
from roost.model.forge_task import VARIABLE, ForgeReport, ForgeTask
from roost.model.kinds.forge import TOKEN
from roost.model.redaction import redacted


def tell(task: ForgeTask, credentials: Path, trust: Path) -> ForgeReport:
    """Tell the forge; a report in every case."""
    file, bundle = credentials / TOKEN, trust / "bundle.crt"
    token = file.read_text().strip() if file.exists() else ""
    if not token:
        words = "The forge's token is empty: `roost source token`."
        return ForgeReport(ok=False, reason="TokenMissing", message=words)
    said = Said(task.commit, task.state, task.context, task.description, task.url)
    try:
        FORGES[task.type](task.api, task.repository, token, bundle, task.proxy).report(said)
    except ForgeFailed as error:
        words = redacted(str(error), [token])[:1500]
        return ForgeReport(ok=False, reason=error.reason, message=words, lasting=error.lasting)
    return ForgeReport(ok=True)


def main() -> int:
    """Carry out the task in the environment."""
    task = ForgeTask.model_validate_json(os.environ[VARIABLE])
    report = tell(task, Path(CREDENTIALS), Path(TRUST))
    print(report.message or f"Told: {task.state}", flush=True)
    text = report.model_dump_json(by_alias=True)
    Path(os.environ.get("ROOST_TERMINATION_LOG", "/dev/termination-log")).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
