"""What the pod of a run reports when it ends: its termination message, at most 4096 bytes of JSON.

Written by `roost.builds` in the pod, read by the run capability. A pod that ends without one died; it is tried again.
The kubelet tells of an end up to a second late, so the pod has the same text brought to the Run by the git server
before it ends. That way is not trusted: the text is sealed (HMAC-SHA-256) with a key that the pod and the controller
alone have, for this very Run.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

from pydantic import Field, ValidationError

from roost.model.kinds.app import Process
from roost.model.pipeline import StepReport, TestReport
from roost.model.resource import Model

LIMIT: Final = 4096  # Bytes that Kubernetes keeps of a termination message.


class BuildReport(Model):
    """How a build ended."""

    ok: bool
    reason: str = Field("", max_length=60, description="One CamelCase word where it failed.")
    message: str = Field("", max_length=1500, description="Why it failed, for a person.")
    image: str = Field("", max_length=300, description="Repository of the image, without tag and digest.")
    digest: str = Field("", max_length=71, pattern=r"^(sha256:[a-f0-9]{64})?$")
    runs_as_root: bool = False
    processes: tuple[Process, ...] = Field((), max_length=10)
    release_command: tuple[str, ...] = Field((), max_length=50)
    detected: str = Field("", max_length=1500)
    findings: int | None = Field(None, ge=0, description="What the scan found; None: there was none.")
    steps: tuple[StepReport, ...] = Field((), max_length=30, description="In their order.")
    tests: TestReport | None = Field(None, description="What JUnit files said; None: there were none.")

    def text(self) -> str:
        """The termination message. What is longer than Kubernetes keeps is shortened: words first, never commands."""
        report = self
        for length in (1500, 600, 200, 0):
            report = report.model_copy(
                update={"message": report.message[: length + 200], "detected": report.detected[:length]}
            )
            if report.tests is not None and length < 1500:
                tests = report.tests.model_copy(update={"failed": report.tests.failed[:3] if length else ()})
                report = report.model_copy(update={"tests": tests})
            text = report.model_dump_json(by_alias=True, exclude_defaults=True)
            if len(text.encode()) <= LIMIT:
                return text
        message = "The commands of the Procfile are too long together: put them into scripts of the repository."
        return BuildReport(ok=False, reason="TooLong", message=message).model_dump_json(exclude_defaults=True)


def _mac(key: str, uid: str, text: str) -> str:
    return hmac.new(key.encode(), f"{uid}\0{text}".encode(), hashlib.sha256).hexdigest()


def seal(key: str, uid: str, text: str) -> str:
    """A report as the git server brings it to the Run of that uid: one line, then the report's own text."""
    return f"{_mac(key, uid, text)}\n{text}"


def unseal(keys: Iterable[str], uid: str, sealed: str) -> BuildReport | None:
    """The report in it; None where none of the keys sealed it for this Run. Any text may be given."""
    mac, _, text = sealed.partition("\n")
    mine = [key for key in keys if hmac.compare_digest(mac.encode(), _mac(key, uid, text).encode())]
    return read(text) if mine else None


def read(text: str) -> BuildReport | None:
    """The report in a termination message; None where it is none."""
    try:
        return BuildReport.model_validate_json(text)
    except ValidationError:
        return None
