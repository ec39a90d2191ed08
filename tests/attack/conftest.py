"""What the attack tests share: one kube-apiserver with all walls, for the whole session."""

from collections.abc import Iterator

import pytest

from tests.attack.signed import admit
from tests.attack.world import World, build
from tests.integration import apiserver as servers


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Two tenants behind all walls."""
    server = servers.start()
    try:
        made = build(server)
        admit(made)
        yield made
        made.http.close()
    finally:
        server.stop()
