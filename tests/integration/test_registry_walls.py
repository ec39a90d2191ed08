"""What the token of one project's run opens in the real registry: that project's repository, and nothing else.

Each attack has the same request at the own repository as its twin; with a token that holds the other repository as
well, which nobody of the platform makes, the attack works.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from roost.adapters.registry import MANIFEST, Registry, over_tls
from roost.surface import registry as tokens
from roost.surface.registry import Access
from tests.integration import registry as registries
from tests.integration.registry import RegistryServer

pytestmark = pytest.mark.integration
OWN, THEIRS = "acme/shop", "rival/shop"
RUN = (Access(OWN, ("pull", "push")),)
BOTH = (*RUN, Access(THEIRS, ("pull", "push")))


@dataclass(frozen=True)
class Registered:
    """A registry with an image of each tenant; `digest` of the other's, and of a blob of it."""

    server: RegistryServer
    digest: str
    blob: str

    def status(self, access: Sequence[Access], method: str, path: str, ago_s: int = 0, key: bytes = b"") -> int:
        """What a request with such a token is answered."""
        key = key or (self.server.folder / "token.pem").read_bytes()
        now = datetime.now(UTC) - timedelta(seconds=ago_s)
        token = tokens.mint(key, "run:acme/shop-1", access, now, timedelta(minutes=5))
        connect = over_tls(self.server.host, str(self.server.folder / "ca.crt"))
        with closing(Registry(connect, token, time.sleep, tries=1)) as registry:
            return registry.send(method, path.format(digest=self.digest, blob=self.blob), Accept=MANIFEST).status


@pytest.fixture(scope="module")
def registered() -> Iterator[Registered]:
    server = registries.start()
    mine = server.push(OWN, "mine")
    image = server.push(THEIRS, "theirs")
    digest = image.partition("@")[2]
    for repository, made in ((OWN, mine), (THEIRS, image)):
        with closing(server.open(repository)) as registry:
            manifest = registry.manifest(repository, made.partition("@")[2]) or {}
            registry.put_manifest(repository, "v1", manifest)
            blob = str(manifest["config"]["digest"])
    yield Registered(server, digest, blob)
    server.kill()


TRIES = {
    "pull of a manifest": ("GET", "/v2/{repository}/manifests/{{digest}}"),
    "pull of a blob": ("GET", "/v2/{repository}/blobs/{{blob}}"),
    "a list of tags": ("GET", "/v2/{repository}/tags/list"),
    "push of a blob": ("POST", "/v2/{repository}/blobs/uploads/"),
}


@pytest.mark.parametrize(("method", "path"), TRIES.values(), ids=TRIES)
def test_another_tenants_repository_is_closed(registered: Registered, method: str, path: str) -> None:
    theirs = path.format(repository=THEIRS)
    assert registered.status(RUN, method, path.format(repository=OWN)) in (200, 202, 404)
    assert registered.status(RUN, method, theirs) == 401
    assert registered.status(BOTH, method, theirs) in (200, 202)


def test_a_blob_of_another_tenant_is_not_mounted(registered: Registered) -> None:
    mount = f"/v2/{OWN}/blobs/uploads/?mount={{blob}}&from={THEIRS}"
    # 202 begins an upload of one's own, 201 gives what the other has; a registry may also refuse altogether.
    assert registered.status(RUN, "POST", mount) in (202, 401)
    assert registered.status(RUN, "GET", f"/v2/{OWN}/blobs/{{blob}}") == 404
    assert registered.status(BOTH, "POST", mount) == 201


def test_nobody_lists_all_repositories(registered: Registered) -> None:
    assert registered.status(BOTH, "GET", "/v2/_catalog") == 401


@pytest.mark.parametrize("climbing", [f"{OWN}/../../{THEIRS}", f"{OWN}%2f..%2f..%2f{THEIRS}", f"/{THEIRS}"])
def test_no_path_leads_to_another(registered: Registered, climbing: str) -> None:
    assert registered.status(RUN, "GET", f"/v2/{climbing}/manifests/{{digest}}") in (301, 400, 401, 404)


def test_a_forged_and_an_old_token_open_nothing(registered: Registered) -> None:
    own = f"/v2/{OWN}/tags/list"
    assert registered.status(RUN, "GET", own) == 200
    assert registered.status(RUN, "GET", own, key=tokens.new_key()) == 401
    assert registered.status(RUN, "GET", own, ago_s=3600) == 401
