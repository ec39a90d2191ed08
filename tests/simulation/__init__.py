"""Simulation: the kernel against a fake API server in one process, with virtual time and a seed."""

import pytest

pytest.register_assert_rewrite("tests.simulation.contract")
