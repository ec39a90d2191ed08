"""Roost in clusters that it did not make. One test per cluster, because making one takes a minute.

Where nothing enforces NetworkPolicy it is refused, and why is said. Where Cilium does: checked, installed, an
application answers, a later version and back without an instance replaced or a request lost, removed in both ways.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from roost.model.kinds.app import App
from roost.model.kinds.tenant import Tenant
from roost.model.names import REGISTRY
from roost.node import demo, engine, images
from tests.foreign import later
from tests.foreign.cluster import PODS, SERVICES, Foreign, cluster, until

pytestmark = [pytest.mark.full, pytest.mark.timeout(2400)]
DOMAIN = "apps.example.com"
HOST = f"hello-dev.acme.{DOMAIN}"
BASE = "base-python-3.13"


def given(made: Foreign) -> list[str]:
    """What every call is told of this cluster."""
    where = ["--registry", made.registry, "--registry-ca", str(made.authority), "--domain", DOMAIN, "--bases", BASE]
    return [*where, "--pod-network", PODS, "--service-network", SERVICES]


def findings(output: str) -> dict[str, dict[str, str]]:
    """By check; what refuses wins."""
    found: dict[str, dict[str, str]] = {}
    for item in json.loads(output):
        if item["check"] not in found or item["verdict"] == "refuse":
            found[item["check"]] = item
    return found


def spaces(made: Foreign) -> set[str]:
    """Namespaces that are Roost's or the trial's and stay."""
    listed = json.loads(made.kubectl("get", "namespaces", "-o", "json"))["items"]
    return {item["metadata"]["name"] for item in listed if item["status"]["phase"] == "Active"} - {
        "default",
        "kube-node-lease",
        "kube-public",
        "kube-system",
    }


def test_where_nothing_enforces_policy_it_is_not_installed(tmp_path: Path) -> None:
    with cluster("bridge", tmp_path) as made:
        done = made.roost("install", *given(made), "-o", "json")
        assert done.returncode == 7, done.stderr
        found = findings(done.stdout)
        assert {name for name, item in found.items() if item["verdict"] == "refuse"} == {"network policy"}
        assert "cannot offer multi-tenancy" in found["network policy"]["text"]
        assert "nothing was installed" in done.stderr
        until(lambda: not spaces(made), "the trial's namespaces to go")
        assert "roost.dev" not in made.kubectl("get", "customresourcedefinitions", "-o", "name")


def deploy_hello(made: Foreign) -> None:
    """The demo tenant's application."""
    base = images.build(engine.existing(), [BASE]).images[BASE]
    image = f"{REGISTRY}/{base.offered.rsplit(':', 1)[0]}@{base.digest}"
    made.apply(Tenant.manifest("acme", demo.tenant_spec()))
    until(lambda: "acme-dev" in spaces(made), "the tenant's namespace")
    made.apply(App.manifest("hello", demo.app_spec(image), "acme-dev"))
    until(lambda: made.get(HOST)[0] == 200, f"{HOST} to answer")
    until(lambda: "True" in made.kubectl("get", "app", "hello", "-n", "acme-dev"), "the application to be live")


def instances(made: Foreign) -> list[tuple[str, int]]:
    """(uid, restarts) of the application's pods."""
    items: list[dict[str, Any]] = json.loads(made.kubectl("get", "pods", "-n", "acme-dev", "-o", "json"))["items"]
    return sorted((item["metadata"]["uid"], item["status"]["containerStatuses"][0]["restartCount"]) for item in items)


@contextmanager
def asking(made: Foreign) -> Iterator[list[int]]:
    """The application is asked all the time; the statuses of the answers."""
    statuses: list[int] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            statuses.append(made.get(HOST)[0])

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield statuses
    finally:
        over.set()
        thread.join(30)


def upgrade(made: Foreign, copy: Path | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`roost upgrade`, of a copy where one is given."""
    if copy is None:
        return made.roost("upgrade", *arguments)
    variables = {**later.environment(copy), "KUBECONFIG": str(made.kubeconfig)}
    command = [sys.executable, "-m", "roost.cli.main", "upgrade", "--registry-ca", str(made.authority), *arguments]
    return subprocess.run(
        command, env=variables, cwd=made.folder, capture_output=True, text=True, check=False, timeout=1200
    )


def go_on_and_back(made: Foreign, copy: Path) -> None:
    """A later version and back again; the application's instances and answers are what they were."""
    before = instances(made)
    with asking(made) as statuses:
        done = upgrade(made, copy)
        assert done.returncode == 0, done.stderr
        made.kubectl("get", "apps.roost.dev", "hello", "-n", "acme-dev")
        note = json.dumps({"spec": {"note": "only the later version knows this"}})
        made.kubectl("patch", "app", "hello", "-n", "acme-dev", "--type=merge", "-p", note)
        until(lambda: "hello-v2" in made.kubectl("get", "releases", "-n", "acme-dev"), "the later version at work")
        refused = upgrade(made, None, "--back")
        assert refused.returncode == 7 and "App: spec.note (in 1)" in refused.stderr, refused.stderr
        done = upgrade(made, None, "--back", "--accept-loss")
        assert done.returncode == 0, done.stderr
        assert instances(made) == before
    assert len(statuses) > 50 and set(statuses) == {200}


def leave_alone(made: Foreign) -> None:
    """Roost goes, the application answers, also from a new pod."""
    done = made.roost("uninstall", "--keep-applications", "--confirm", DOMAIN)
    assert done.returncode == 0, done.stderr
    assert "roost.dev" not in made.kubectl("get", "customresourcedefinitions", "-o", "name")
    assert made.get(HOST)[0] == 200
    made.kubectl("delete", "pods", "-n", "acme-dev", "--all")
    until(lambda: made.get(HOST)[0] == 200, "the application from a new pod")
    assert {"acme-dev", "acme-build", "roost-system"} <= spaces(made)


def test_where_policy_holds_it_is_installed_upgraded_and_removed(tmp_path: Path) -> None:
    copy = later.make(tmp_path)
    with cluster("cilium", tmp_path) as made:
        done = made.roost("install", *given(made), "--check-only", "-o", "json")
        assert done.returncode == 0, done.stderr
        assert findings(done.stdout)["rules that outrank tenants"]["verdict"] == "ok"
        until(lambda: not spaces(made), "the trial's namespaces to go")
        done = made.roost("install", *given(made))
        assert done.returncode == 0, done.stderr
        deploy_hello(made)
        done = made.roost("install", *given(made))
        assert done.returncode == 7 and "roost upgrade" in done.stdout
        go_on_and_back(made, copy)
        wrong = made.roost("uninstall", "--everything", "--confirm", "another.example.com")
        assert wrong.returncode == 2 and made.get(HOST)[0] == 200
        leave_alone(made)
        done = made.roost("uninstall", "--everything", "--confirm", DOMAIN)
        assert done.returncode == 0, done.stderr
        assert spaces(made) == set()
        assert made.roost("uninstall", "--everything", "--confirm", DOMAIN).returncode == 1
