"""The process of a notice's pod: `python -m roost.mains.notify`.

Sends one webhook. Exit status 0: the report says how it ended. 1: it was not taken, the pod is worth another try; the
Job waits longer before each.
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from roost.adapters.webhook import AddressRefused, NotTaken, Sender, networks, signed
from roost.model.build_task import CREDENTIALS
from roost.model.kinds.channel import SECRET_KEY
from roost.model.notice_task import VARIABLE, NoticeReport, NoticeTask


def carry_out(task: NoticeTask, secret: str, sender: Sender) -> NoticeReport:
    """Send it once. NotTaken where another try may help."""
    body = task.body.encode()
    try:
        status = sender.send(task.url, signed(secret, task.id, body, datetime.now(UTC)), body)
    except AddressRefused as error:
        return NoticeReport(ok=False, reason="AddressRefused", message=str(error)[:1000])
    except NotTaken as error:
        if not error.gone:
            raise
        return NoticeReport(ok=False, reason="Gone", message=str(error)[:1000])
    return NoticeReport(ok=True, message=f"The receiver answered {status}.")


def main() -> int:
    """Carry out the task in the environment."""
    task = NoticeTask.model_validate_json(os.environ[VARIABLE])
    secret = (Path(os.environ.get("ROOST_CREDENTIALS", CREDENTIALS)) / SECRET_KEY).read_text().strip()
    sender = Sender(networks(task.networks), task.proxy, task.timeout_s)
    last_words = Path(os.environ.get("ROOST_TERMINATION_LOG", "/dev/termination-log"))
    try:
        report = carry_out(task, secret, sender)
    except NotTaken as error:
        print(error, flush=True)
        last_words.write_text(str(error)[:1000])
        return 1
    print(report.message, flush=True)
    last_words.write_text(report.model_dump_json(by_alias=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
