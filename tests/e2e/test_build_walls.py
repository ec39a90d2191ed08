"""The walls around a build, from inside: what a step of a pipeline reaches, and what a RUN of a Containerfile does.

The twin of every closed way: from the machine itself the same address answers, so it is the wall that closes it.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import pytest
from tests.e2e.conftest import PREFIX, Person, can_connect, kubectl_json, made_tenant, repository, small_app, until
from tests.e2e.test_walls import instance, serving_app

from roost.node import cgroups
from roost.node.run import run as carry_out

pytestmark = [pytest.mark.e2e, pytest.mark.full]

METADATA = "169.254.169.254"
METADATA_PORT = 8099
PROBE = """\
import socket, sys

for target in sys.argv[2:]:
    host, _, port = target.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        print("reach", sys.argv[1], target, "open")
    except OSError:
        print("reach", sys.argv[1], target, "closed")
"""
PIPELINE = """\
pipeline:
  image: base/python:3.13
  steps:
    - name: probe
      commands: python3 probe.py step {targets}
"""
CONTAINERFILE = """\
FROM base/python:3.13
COPY probe.py /probe.py
RUN python3 /probe.py build {targets}
USER 1000
CMD ["python3", "-m", "http.server", "8080"]
"""
REGISTRY = "registry.roost-system.svc:5000"
GIT = "roost-git.roost-system.svc:8080"
API = "roost-api.roost-system.svc:80"
BUILDER = "builder:1234"


@contextmanager
def _metadata_service() -> Iterator[str]:
    """Something answers at the address at which clouds hand out credentials of the machine."""
    subprocess.run(["ip", "address", "add", f"{METADATA}/32", "dev", "lo"], check=True)
    command = [sys.executable, "-m", "http.server", "--bind", METADATA, str(METADATA_PORT)]
    try:
        with TemporaryDirectory() as folder, subprocess.Popen(command, cwd=folder) as server:
            try:
                until(lambda: can_connect(METADATA, METADATA_PORT), "the made-up metadata service answers", 20)
                yield f"{METADATA}:{METADATA_PORT}"
            finally:
                server.kill()
    finally:
        subprocess.run(["ip", "address", "delete", f"{METADATA}/32", "dev", "lo"], check=True)


@dataclass(frozen=True)
class Seen:
    """Addresses (`host:port`), and what is reached from where: (`step` or `build`, address) -> open."""

    victim: str
    node: str
    metadata: str
    reached: dict[tuple[str, str], bool]


@pytest.fixture(scope="module")
def seen(administrator: Person, member: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """One run that tries all ways, from its step and from its build."""
    with made_tenant(administrator, f"{PREFIX}wallvictim", ("dev",)), _metadata_service() as metadata:
        serving_app(f"{PREFIX}wallvictim-dev", "alice")
        alice = instance(f"{PREFIX}wallvictim-dev", "alice")
        victim, node = f"{alice['ip']}:8080", alice["node"]
        service = f"alice-web.{PREFIX}wallvictim-dev.svc:80"
        nodes = [f"{node}:{port}" for port in (10250, 6443, 2379, 443)]
        targets = [victim, service, *nodes, "kubernetes.default.svc:443", metadata, REGISTRY, GIT, API, BUILDER]
        words = " ".join(targets)
        files = {"probe.py": PROBE, "roost.yaml": PIPELINE.format(targets=words)}
        files["Containerfile"] = CONTAINERFILE.format(targets=words)
        member.roost("project", "create", "probe")
        small_app(member.tenant, "probe")
        path = repository(member, tmp_path_factory.mktemp("probe") / "probe", files)
        member.git("push", member.remote("probe"), "HEAD:main", cwd=path, ok=False)
        run = member.roost("build", "list", "-p", "probe", "-o", "json").json()[0]["metadata"]["name"]
        reached = {}
        for line in member.roost("build", "logs", run).out.splitlines():
            part = line.split()
            if part[:1] == ["reach"] and len(part) == 4:
                reached[(part[1], part[2])] = part[3] == "open"
        assert {(who, target) for who in ("step", "build") for target in targets} == set(reached)
        yield Seen(victim, node, metadata, reached)


@pytest.mark.parametrize("who", ["step", "build"])
def test_what_a_build_works_with_is_reached(seen: Seen, who: str) -> None:
    assert seen.reached[(who, REGISTRY)]
    # A step shares its pod with what fetches; a Containerfile has no business with git.
    assert seen.reached[(who, GIT)] == (who == "step")


@pytest.mark.parametrize("who", ["step", "build"])
def test_another_tenant_is_not_reached(seen: Seen, who: str) -> None:
    assert _answers(seen.victim)
    assert not seen.reached[(who, seen.victim)]
    assert not seen.reached[(who, f"alice-web.{PREFIX}wallvictim-dev.svc:80")]


@pytest.mark.parametrize("who", ["step", "build"])
def test_nodes_and_the_platform_are_not_reached(seen: Seen, who: str) -> None:
    for port in (10250, 6443, 443):
        assert can_connect(seen.node, port), port
    closed = [f"{seen.node}:{port}" for port in (10250, 6443, 2379, 443)]
    closed += ["kubernetes.default.svc:443", API]
    assert [target for target in closed if seen.reached[(who, target)]] == []
    (api, *_) = kubectl_json("-n", "roost-system", "get", "pods", "-l", "app.kubernetes.io/name=roost-api")["items"]
    assert _answers(f"{api['status']['podIP']}:8080")


@pytest.mark.parametrize("who", ["step", "build"])
def test_a_metadata_service_is_not_reached(seen: Seen, who: str) -> None:
    assert can_connect(*_split(seen.metadata))
    assert not seen.reached[(who, seen.metadata)]


def test_nobody_begins_to_talk_to_a_run(seen: Seen, member: Person) -> None:
    policies = kubectl_json("-n", f"{member.tenant}-build", "get", "networkpolicies")["items"]
    entered = [item["metadata"]["name"] for item in policies if item["spec"].get("ingress")]
    assert entered == ["roost-builder"]


def _answers(target: str) -> bool:
    """Whether it answers the machine itself, whose own control group alone is let into the cluster's networks."""
    probe = [sys.executable, "-c", PROBE, "machine", target]
    return carry_out(probe, cgroup=cgroups.hierarchies().host, timeout_s=60).split()[-1] == "open"


def _split(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    return host, int(port)
