"""What an instance of an App is, as the API tells it. Pure but for `unhealthy`, which reads what probes said last."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from roost.kube.client import Client, Selection
from roost.kube.errors import KubeError
from roost.model import names

WORDS: Final = 500
EVENTS: Final = 200  # As many are looked at; a namespace keeps its Events for a bounded time.


def _condition(pod: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    found: Sequence[Mapping[str, Any]] = (pod.get("status") or {}).get("conditions") or ()
    return next((item for item in found if item["type"] == type_), {})


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether requests reach it."""
    return bool(_condition(pod, "Ready").get("status") == "True")


def instance(pod: Mapping[str, Any], probe: str = "") -> dict[str, Any]:
    """An instance: what it is doing, why it does not serve, how it ended last. `probe`: what its health check said."""
    labels = pod["metadata"].get("labels") or {}
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or [{}]
    state: Mapping[str, Any] = containers[0].get("state") or {}
    which = next(iter(state), "waiting")
    detail = state.get(which) or {}
    scheduled = _condition(pod, "PodScheduled")
    homeless = scheduled.get("status") == "False"
    made: dict[str, Any] = {
        "name": pod["metadata"]["name"],
        "process": labels.get(names.PROCESS, ""),
        "release": labels.get(names.RELEASE, ""),
        "ready": is_ready(pod),
        "restarts": sum(int(item.get("restartCount", 0)) for item in containers),
        "startedAt": detail.get("startedAt") or status.get("startTime") or "",
        "state": "terminating" if pod["metadata"].get("deletionTimestamp") else which,
        "reason": detail.get("reason") or (scheduled.get("reason", "") if homeless else ""),
        "message": str(detail.get("message") or (scheduled.get("message", "") if homeless else ""))[:WORDS],
        "node": (pod.get("spec") or {}).get("nodeName", ""),
    }
    ended = state.get("terminated") or (containers[0].get("lastState") or {}).get("terminated")
    if ended:
        made["lastEnd"] = {
            "exitCode": ended.get("exitCode"),
            "reason": ended.get("reason", ""),
            "at": ended.get("finishedAt", ""),
            # The last lines that it logged: what pods of applications ask for as their termination message.
            "words": str(ended.get("message") or "").strip()[-WORDS:],
        }
    return made | ({"probe": probe[:WORDS]} if probe else {})


async def unhealthy(client: Client, namespace: str) -> dict[str, str]:
    """What the last failed health check of each instance said, by the instance's name. Empty where one may not see."""
    chosen = Selection(namespace, fields="involvedObject.kind=Pod,reason=Unhealthy")
    try:
        events = (await client.page("v1", "Event", chosen, limit=EVENTS)).items
    except KubeError:
        return {}  # It is more than was asked for.
    told: dict[str, str] = {}
    for event in sorted(events, key=lambda item: str(item.get("lastTimestamp") or item.get("eventTime") or "")):
        told[str((event.get("involvedObject") or {}).get("name", ""))] = str(event.get("message") or "").strip()
    return told
