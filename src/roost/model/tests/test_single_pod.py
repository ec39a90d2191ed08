"""What came of a pod, from what Kubernetes says of it."""

from typing import Any

import pytest

from roost.model.single_pod import SeenPod, newest


def pod(name: str = "a", minute: int = 0, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "creationTimestamp": f"2026-11-28T11:{minute:02}:00Z"}, "status": status}


def container(**state: Any) -> list[dict[str, Any]]:
    return [{"state": state}]


def test_the_newest_speaks() -> None:
    old = pod("z", 0, phase="Failed")
    new = pod("b", 1, containerStatuses=container(terminated={"message": "{}", "reason": "Completed", "exitCode": 0}))
    expected = SeenPod(name="b", started=True, ended=True, exit_code=0, reason="Completed", message="{}")
    assert newest([new, old]) == newest([old, new]) == expected
    assert newest([]) is None


WAITING = {"reason": "ErrImageNeverPull", "message": "not present"}
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
WORDS = {
    "its image": ({"containerStatuses": container(waiting=WAITING)}, "ErrImageNeverPull: not present", False),
    "no node": ({"conditions": [UNSCHEDULABLE]}, "Unschedulable: 0/1 nodes", False),
    "evicted": ({"phase": "Failed", "reason": "Evicted", "message": "disk"}, "Evicted", True),
    "killed": (
        {"containerStatuses": container(terminated={"reason": "OOMKilled", "exitCode": 137})},
        "OOMKilled",
        True,
    ),
    "nothing yet": ({}, "", False),
    "its start": ({"containerStatuses": container(waiting={"reason": "PodInitializing"})}, "", False),
    "runs": ({"containerStatuses": container(running={})}, "", False),
}


@pytest.mark.parametrize(("status", "why", "ended"), WORDS.values(), ids=WORDS)
def test_why_it_waits_or_ended(status: dict[str, Any], why: str, ended: bool) -> None:
    seen = newest([pod(**status)])
    assert seen is not None and (seen.why, seen.ended) == (why, ended)
    assert seen.started is bool(status.get("containerStatuses") and "waiting" not in str(status))
