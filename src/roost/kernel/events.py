"""Kubernetes Events: told when Ready of an object changes, so that `kubectl describe` shows its history.

The name follows from what is told: told twice, it stands once. That an Event cannot be written never stops the work.
"""

from datetime import datetime

import structlog

from roost.kube.client import Client
from roost.kube.errors import AlreadyExists, KubeError
from roost.kube.reader import Object
from roost.model.conditions import Condition, timestamp
from roost.model.names import short_digest

LONGEST_MESSAGE = 1000


def event(item: Object, condition: Condition, capability: str, now: datetime) -> Object:
    """The Event that says that an object's condition became what it is."""
    meta = item["metadata"]
    namespace = meta.get("namespace") or "default"
    what = (condition.type, condition.status, condition.reason, condition.message)
    digest = short_digest(meta["uid"], str(meta.get("generation")), meta["resourceVersion"], *what, length=16)
    moment = timestamp(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{meta['name'][:100]}.{digest}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": item["apiVersion"],
            "kind": item["kind"],
            "name": meta["name"],
            "uid": meta["uid"],
            **({"namespace": meta["namespace"]} if meta.get("namespace") else {}),
        },
        "type": "Warning" if condition.status == "False" else "Normal",
        "reason": condition.reason or condition.type,
        "message": (condition.message or f"{condition.type} is {condition.status}.")[:LONGEST_MESSAGE],
        "source": {"component": f"roost-{capability}"},
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }


async def tell(client: Client, told: Object) -> None:
    """Write the Event; a failure is logged and nothing else."""
    try:
        await client.create(told, "roost-events")
    except AlreadyExists:
        return
    except KubeError as error:
        structlog.get_logger("roost.kernel.events").warning("An Event could not be written.", error=str(error))
