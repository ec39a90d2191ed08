"""What an error means for an object: which condition it gets and when it is looked at again. The one place for that.

Pure; the reconciler calls it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from roost.kube.errors import Conflict, Forbidden, KubeError, RefusedError, RetryableError, UnknownKind
from roost.model.conditions import READY, Condition, not_ready
from roost.model.errors import Stalled, Waiting

PATIENCE = 3  # So many failures in a row pass as hiccups; then the object says what is wrong.


@dataclass(frozen=True)
class Judgement:
    """condition: Ready, or None to leave it. after_s: look again then; None with retry: back-off decides.

    retry: with back-off, at least `least_s`. unexpected: a bug, worth a traceback in the log.
    """

    condition: Condition | None
    after_s: float | None = None
    retry: bool = True
    least_s: float = 0.0
    unexpected: bool = False


def judge(error: Exception, failures: int) -> Judgement:
    """What follows from an error; `failures`: how many there were in a row before this one."""
    patient = failures < PATIENCE
    if isinstance(error, Stalled):
        return Judgement(not_ready(error.reason, error.message), retry=False)
    if isinstance(error, Waiting):
        return Judgement(not_ready(error.reason, error.message), after_s=error.after_s, retry=False)
    if isinstance(error, ValidationError):
        return Judgement(not_ready("Invalid", _mistakes(error)), retry=False)
    if isinstance(error, RetryableError):
        text = f"Kubernetes cannot be reached or is overloaded; it is tried again: {error}"
        return Judgement(None if patient else not_ready("Retrying", text), least_s=error.retry_after_s)
    if isinstance(error, Conflict) and error.reason != "AlreadyExists":
        text = f"Somebody else keeps changing the same objects; it is tried again: {error}"
        return Judgement(None if patient else not_ready("Conflict", text))
    if isinstance(error, UnknownKind):
        return Judgement(not_ready("KindMissing", f"{error} Install it, or remove what needs it."))
    if isinstance(error, RefusedError):
        reason = "QuotaExceeded" if isinstance(error, Forbidden) and "exceeded quota" in str(error) else "Refused"
        return Judgement(not_ready(reason, f"Kubernetes refused a change: {error}"))
    if isinstance(error, TimeoutError):
        return Judgement(None if patient else not_ready("TimedOut", "It took too long; it is tried again."))
    if isinstance(error, KubeError):
        return Judgement(not_ready("Failed", str(error)))
    text = f"An unexpected error ({type(error).__name__}) stands in the controller's log; it is tried again."
    return Judgement(not_ready("InternalError", text), unexpected=True)


def conditions_after(old: Iterable[Mapping[str, Any]], ready: Condition) -> tuple[Condition, ...]:
    """The conditions to write after an error: the ones that stand, with Ready replaced."""
    kept = [
        Condition(item["type"], item["status"], item.get("reason", ""), item.get("message", ""))
        for item in old
        if item.get("type") != READY
    ]
    return (*kept, ready)


def _mistakes(error: ValidationError) -> str:
    parts = [f"{'.'.join(str(step) for step in item['loc'])}: {item['msg']}" for item in error.errors()[:5]]
    return "The object does not fit its kind: " + "; ".join(parts)
