"""kube-apiserver answers as the simulation's fake does: the same suite over both."""

import pytest

from tests.simulation.contract import Contract

pytestmark = pytest.mark.integration


class TestReal(Contract):
    """The suite over kube-apiserver."""

    @pytest.fixture
    def space(self, namespace: str) -> str:
        """A fresh namespace."""
        return namespace
