"""Brings a run's report to the Run before the pod ends: the kubelet tells of an end up to a second late.

The git server passes it on, and need not be trusted for it: the report is sealed. Whatever goes wrong here costs that
second and nothing else, since the pod's last words say the same.
"""

import http.client
from typing import Final
from urllib.parse import urlsplit

from roost.builds.bench import Bench
from roost.model.build_report import BuildReport, seal
from roost.model.build_task import FETCH_TOKEN, REPORT_KEY, Task

TIMEOUT_S: Final = 3.0


def bring(task: Task, bench: Bench, report: BuildReport) -> bool:
    """Whether the git server took it."""
    try:
        key, token = bench.secret(REPORT_KEY), bench.secret(FETCH_TOKEN)
    except FileNotFoundError:
        return False
    where = urlsplit(task.git_url)
    kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
    connection = kind(where.netloc, timeout=TIMEOUT_S)
    try:
        body = seal(key, task.uid, report.text()).encode()
        path = f"{where.path}/outcomes/{task.tenant}/{task.project}/{task.run}"
        connection.request("POST", path, body, {"Authorization": f"Bearer {token}"})
        return connection.getresponse().status == 204
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
