"""What an instance is, as the API tells it: why it does not serve, how it ended last, what its health check said."""

from typing import Any

from roost.api.instances import instance, is_ready
from roost.model import names


def pod(container: dict[str, Any], **status: Any) -> dict[str, Any]:
    """A pod with one container in that state."""
    metadata = {"name": "shop-web-1", "labels": {names.PROCESS: "web", names.RELEASE: "shop-v1"}}
    return {"metadata": metadata, "spec": {"nodeName": "n1"}, "status": {"containerStatuses": [container], **status}}


def test_one_that_ends_over_and_over_tells_its_last_end() -> None:
    ended = {"exitCode": 1, "reason": "Error", "finishedAt": "2026-11-28T20:00:00Z", "message": "line\nboom\n"}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    told = instance(pod({"state": waiting, "lastState": {"terminated": ended}, "restartCount": 4}))
    assert (told["reason"], told["restarts"], told["ready"]) == ("CrashLoopBackOff", 4, False)
    assert told["lastEnd"] == {"exitCode": 1, "reason": "Error", "at": "2026-11-28T20:00:00Z", "words": "line\nboom"}


def test_one_without_a_node_tells_why() -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    told = instance({"metadata": {"name": "a"}, "status": {"conditions": [scheduled]}})
    assert (told["state"], told["reason"], told["message"]) == ("waiting", "Unschedulable", "0/1 nodes")
    assert "lastEnd" not in told


def test_what_the_health_check_said_is_told_where_it_is_known() -> None:
    running = pod({"state": {"running": {}}}, conditions=[{"type": "Ready", "status": "False"}])
    assert instance(running, "statuscode: 500")["probe"] == "statuscode: 500"
    assert "probe" not in instance(running)
    assert not is_ready(running)
