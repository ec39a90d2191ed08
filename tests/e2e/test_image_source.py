"""A project that follows a ready image: each digest that the tag comes to name is one run, and is released by it."""

import base64
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Person, commit, get, kubectl_json, repository, small_app, until
from tests.e2e.page import CONTAINERFILE, PROGRAM
from tests.integration.git.sources import call

from roost.model import names
from roost.node import bases, cgroups
from roost.node.run import run as carry_out
from roost.surface import registry as tokens

pytestmark = [pytest.mark.e2e, pytest.mark.full]


# Cluster addresses are reached from the nodes' own control group alone, so it is a process of its own.
RETAG = """\
import json, sys, time
from roost.adapters.registry import Registry, over_tls
token, host, authority, repository, digest, tag = json.load(sys.stdin)
registry = Registry(over_tls(host, authority), token, time.sleep, tries=20)
registry.put_manifest(repository, tag, registry.manifest(repository, digest))
"""


@dataclass(frozen=True)
class Maker:
    """The project whose image is followed, and its repository."""

    member: Person
    path: Path

    def make(self, version: str) -> str:
        """Build a version and let the tag `stable` name it; its digest."""
        commit(self.member, self.path, {"app.py": PROGRAM.replace("VERSION", version)}, version)
        self.member.git("push", self.member.remote("maker"), "HEAD:main", cwd=self.path)
        run = self.member.roost("build", "list", "-p", "maker", "-o", "json").json()[0]
        digest = str(run["status"]["artefact"]["image"]).rpartition("@")[2]
        self._name(digest)
        return digest

    def _name(self, digest: str) -> None:
        """The tag names it from now on."""
        repository = f"{self.member.tenant}/maker"
        secret = kubectl_json("-n", "roost-system", "get", "secret", "registry-token")
        key = base64.b64decode(secret["data"]["key.pem"])
        access = [tokens.Access(repository, ("pull", "push"))]
        token = tokens.mint(key, "tests", access, datetime.now(UTC), timedelta(minutes=5))
        authority = str(bases.certificates() / "ca.crt")
        asked = json.dumps([token, bases.HOST, authority, repository, digest, "stable"])
        carry_out([sys.executable, "-c", RETAG], text=asked, cgroup=cgroups.hierarchies().host, timeout_s=60)


@pytest.fixture(scope="module")
def maker(member: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Maker]:
    """The project that makes the image; its application is of no interest."""
    member.roost("project", "create", "maker")
    small_app(member.tenant, "maker")
    yield Maker(
        member, repository(member, tmp_path_factory.mktemp("maker") / "maker", {"Containerfile": CONTAINERFILE})
    )


def test_each_digest_of_a_tag_is_one_run_and_is_released(maker: Maker) -> None:
    member, tenant = maker.member, maker.member.tenant
    url, space = f"http://taker-dev.{tenant}.roost.localhost", f"{tenant}-build"
    first = maker.make("one")
    member.roost("project", "create", "taker", "--image", f"{names.REGISTRY}/{tenant}/maker:stable", "--poll", "0")
    small_app(tenant, "taker")
    member.roost("source", "fetch", "taker")
    until(lambda: get(url).body == "one", "the first digest to serve", 300)
    second = maker.make("two")
    assert second != first
    hook = member.roost("source", "hook", "taker", "-o", "json").json()
    for _ in range(2):
        assert _deliver(member, hook) == "202"
    until(lambda: get(url).body == "two", "the second digest to serve", 300)

    def runs() -> list[dict[str, Any]]:
        found = kubectl_json("-n", space, "get", "runs.roost.dev", "-l", "roost.dev/project=taker")["items"]
        return sorted(found, key=lambda run: int(run["spec"]["attempt"]))

    assert [str(run["status"]["artefact"]["image"]).rpartition("@")[2] for run in runs()] == [first, second]
    # What is named already is no news.
    member.roost("source", "fetch", "taker")
    assert len(runs()) == 2
    assert {str(run["status"]["artefact"]["image"]).partition("@")[0] for run in runs()} == {
        f"{names.REGISTRY}/{tenant}/taker"
    }


def _deliver(person: Person, hook: dict[str, str]) -> str:
    words = ["--silent", "--cacert", person.ca, "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST"]
    return call("curl", *words, "-H", f"Authorization: Bearer {hook['secret']}", hook["url"])
