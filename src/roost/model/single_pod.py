"""A pod that does one thing and ends: of a run, an import, a task. What came of it, read from Kubernetes. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import Field

from roost.model.resource import Model

STARTING: Final = ("ContainerCreating", "PodInitializing")  # Nothing is wrong, and it will not last.


class SeenPod(Model):
    """The newest pod of a Job, shortened."""

    name: str = ""
    started: bool = False
    ended: bool = False
    exit_code: int | None = None
    over: tuple[str, ...] = Field((), description="Containers that have ended.")
    reason: str = Field("", description="Why it waits or how it ended, as Kubernetes says it.")
    message: str = Field("", description="What it left as its last words; before its end, why it waits.")

    @property
    def why(self) -> str:
        """Reason and words of one that has not ended, for people."""
        return f"{self.reason}: {self.message}"[:500] if self.message and not self.ended else self.reason


def newest(pods: Iterable[Mapping[str, Any]], container: str = "") -> SeenPod | None:
    """The newest of a Job's pods, by the state of the container of that name, or of its only one."""
    pod = max(
        pods,
        default=None,
        key=lambda item: (item["metadata"].get("creationTimestamp") or "", item["metadata"]["name"]),
    )
    if pod is None:
        return None
    status: Mapping[str, Any] = pod.get("status") or {}
    containers = status.get("containerStatuses") or ()
    states = (item for item in containers if container in ("", item.get("name")))
    state: Mapping[str, Any] = next((item.get("state") or {} for item in states), {})
    ended, waiting = state.get("terminated"), state.get("waiting") or {}
    conditions = status.get("conditions") or ()
    scheduled: Mapping[str, Any] = next((item for item in conditions if item["type"] == "PodScheduled"), {})
    if not waiting and scheduled.get("status") == "False":
        waiting = scheduled
    if waiting.get("reason") in STARTING:
        waiting = {}
    # A pod that was evicted or never ran says it of itself.
    told = ended or waiting or status
    return SeenPod(
        name=pod["metadata"]["name"],
        started="running" in state or ended is not None,
        ended=ended is not None or status.get("phase") == "Failed",
        exit_code=(ended or {}).get("exitCode"),
        over=_over(containers),
        reason=str(told.get("reason") or status.get("reason") or "")[:100],
        message=str(told.get("message") or "").strip(),
    )


def _over(containers: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    ended = (item for item in containers if "terminated" in (item.get("state") or {}))
    return tuple(sorted(item["name"] for item in ended if "name" in item))
