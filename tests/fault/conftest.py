"""What the fault tests share: the people and tenants of the end-to-end tests, and a cluster that is well at the start.

They kill only processes in the cluster's own control groups, each by its pid.
"""

import pytest

from roost.node.status import look
from tests.e2e.conftest import administrator, ca, kubectl, kubectl_json, member, until
from tests.fault.victims import HERE

__all__ = ["administrator", "ca", "member"]


def unwell() -> str:
    """What `roost node status` finds wrong; empty where it finds nothing."""
    return ", ".join(line.what for line in look() if line.well is False)


def renew_the_often_killed() -> None:
    """Make anew what was killed twice: its next start would be put off for longer and longer."""
    for pod in kubectl_json("-n", HERE, "get", "pods")["items"]:
        if any(item["restartCount"] > 1 for item in pod["status"].get("containerStatuses", ())):
            # Waited for: a gateway that still ends looks well, and would go in the middle of the case.
            kubectl("-n", HERE, "delete", "pod", pod["metadata"]["name"], "--timeout=120s", "--ignore-not-found")


@pytest.fixture
def well() -> None:
    """The case starts with a cluster that is well, whatever the one before did to it."""
    until(lambda: kubectl("get", "--raw", "/readyz", check=False) == "ok", "kube-apiserver answers", 240)
    renew_the_often_killed()
    until(lambda: not unwell(), "the cluster is well before the case", 240)
