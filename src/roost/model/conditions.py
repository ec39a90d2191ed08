"""Conditions: what is true of an object, with a reason for machines and a message for people.

As Kubernetes has them (API conventions, "Typical status properties"). Plans give conditions; the kernel writes them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Status = Literal["True", "False", "Unknown"]
READY = "Ready"


@dataclass(frozen=True)
class Condition:
    """One condition; `reason` is CamelCase, `message` one or more whole sentences for a person."""

    type: str
    status: Status
    reason: str
    message: str = ""


def ready(reason: str = "Ready", message: str = "") -> Condition:
    """Ready is true."""
    return Condition(READY, "True", reason, message)


def not_ready(reason: str, message: str) -> Condition:
    """Ready is false, and why."""
    return Condition(READY, "False", reason, message)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds, as Kubernetes writes times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def merge(
    old: Iterable[Mapping[str, Any]], new: Iterable[Condition], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """The conditions to write: `lastTransitionTime` stays where the status did; conditions that `new` lacks go."""
    before = {item.get("type"): item for item in old}
    merged = []
    for condition in sorted(new, key=lambda item: item.type):
        previous = before.get(condition.type)
        unchanged = previous is not None and previous.get("status") == condition.status
        since = previous.get("lastTransitionTime") if previous is not None and unchanged else None
        merged.append(
            {
                "type": condition.type,
                "status": condition.status,
                "reason": condition.reason,
                "message": condition.message[:2000],
                "observedGeneration": generation,
                "lastTransitionTime": since or timestamp(now),
            }
        )
    return merged


def find(conditions: Iterable[Mapping[str, Any]], type_: str) -> Mapping[str, Any] | None:
    """The condition of that type as it stands in an object's status, or None."""
    return next((item for item in conditions if item.get("type") == type_), None)
