"""What the fault tests share: the people and tenants of the end-to-end tests, and a cluster that is well at the start.

They kill only processes in the cluster's own control groups, each by its pid.
"""

import pytest

from roost.node.status import look
from tests.e2e.conftest import administrator, ca, member, until

__all__ = ["administrator", "ca", "member"]


def unwell() -> str:
    """What `roost node status` finds wrong; empty where it finds nothing."""
    return ", ".join(line.what for line in look() if line.well is False)


@pytest.fixture
def well() -> None:
    """The case starts with a cluster that is well, whatever the one before did to it."""
    until(lambda: not unwell(), "the cluster is well before the case", 240)
