"""The controller: another leads soon when the leader dies, and what is as it should be is left alone.

Writes are counted in kube-apiserver's audit log, which also names those that changed nothing.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import kubectl, kubectl_json, until
from tests.fault.victims import HERE, kill, leader, of_leader

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("well")]
AUDIT = Path("/var/log/kubernetes/audit")
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
CONTROLLER = "system:serviceaccount:roost-system:roost-controller"
NOT_KEPT = {"tokenreviews", "subjectaccessreviews", "localsubjectaccessreviews", "selfsubjectaccessreviews"}
AT_MOST_S = 15.0
CALM_S = 60.0
KINDS = (
    "tenants.roost.dev,projects.roost.dev,runs.roost.dev,promotions.roost.dev,apps.roost.dev,releases.roost.dev,"
    "deployments.apps,services,httproutes.gateway.networking.k8s.io,networkpolicies,resourcequotas,rolebindings"
)


def lines_since(began: datetime) -> Iterator[dict[str, Any]]:
    """The audit log's entries from that moment on, oldest file first."""
    stamp = began.strftime("%Y-%m-%dT%H:%M:%S.%f")
    for path in sorted(AUDIT.glob("audit*.log"), key=lambda item: item.stat().st_mtime):
        if path.stat().st_mtime < began.timestamp():
            continue
        for line in path.read_text().splitlines():
            entry: dict[str, Any] = json.loads(line)
            if entry["requestReceivedTimestamp"] >= stamp:
                yield entry


def writes_since(began: datetime) -> list[str]:
    """What the controller wrote, in words; also as somebody else, because the audit log names who really asked."""
    return [
        f"{entry['verb']} {entry['requestURI']}"
        for entry in lines_since(began)
        if entry["user"]["username"] == CONTROLLER
        and entry["verb"] in WRITES
        and entry["objectRef"]["resource"] not in NOT_KEPT
    ]


def identities() -> dict[str, str]:
    """Kind and name of everything that the platform keeps for the demo -> uid. Others may be at work meanwhile."""
    everything = kubectl_json("get", KINDS, "-A")["items"]
    items = [item for item in everything if item["metadata"].get("namespace", "demo").startswith("demo")]
    return {
        "/".join((item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"])): str(
            item["metadata"]["uid"]
        )
        for item in items
    }


def test_another_leads_within_15_s_and_nothing_is_made_twice() -> None:
    before = identities()
    kubectl("-n", HERE, "wait", "--for=condition=Ready", "pod", "-l", "app.kubernetes.io/name=roost-controller")
    pids = of_leader()
    assert pids
    began = time.monotonic()
    kill(pids)
    killed = datetime.now(UTC)

    def taken() -> bool:
        # The dead one's own container may be back first and lead again: whoever renews now is alive.
        spec = kubectl_json("-n", HERE, "get", "lease", "roost-controller")["spec"]
        return datetime.fromisoformat(spec["renewTime"]) > killed

    until(taken, "somebody leads again", 60, pause_s=0.2)
    assert time.monotonic() - began < AT_MOST_S
    assert identities() == before


@pytest.mark.full
def test_nothing_is_written_once_everything_is_as_it_should_be() -> None:
    quiet = datetime.now(UTC)
    time.sleep(CALM_S)
    assert writes_since(quiet) == []


@pytest.mark.full
def test_nothing_is_written_after_a_restart_of_the_controllers() -> None:
    before = identities()
    began = datetime.now(UTC)
    kubectl("-n", HERE, "rollout", "restart", "deployment/roost-controller")
    kubectl("-n", HERE, "rollout", "status", "deployment/roost-controller", "--timeout=120s")
    names = {
        pod["metadata"]["name"]
        for pod in kubectl_json("-n", HERE, "get", "pods", "-l", "app.kubernetes.io/name=roost-controller")["items"]
        if "deletionTimestamp" not in pod["metadata"]
    }
    until(lambda: leader() in names, "a new controller leads", 60)
    time.sleep(CALM_S)
    assert writes_since(began) == []
    assert identities() == before
