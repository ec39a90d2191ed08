"""A pod waits for the next run of a project: the run takes it, it is used once, and another one comes after it."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Person, commit, get, kubectl_json, repository, small_app, until
from tests.e2e.page import CONTAINERFILE, PROGRAM

pytestmark = [pytest.mark.e2e, pytest.mark.full]
PROJECT = "waited"


def spares(tenant: str, owner: str) -> list[Any]:
    """Pods that belong to an object of that kind and run, or have ended."""
    items = kubectl_json("-n", f"{tenant}-build", "get", "pods", "-l", "roost.dev/spare")["items"]
    return [item for item in items if [who["kind"] for who in item["metadata"]["ownerReferences"]] == [owner]]


def waiting(tenant: str) -> str:
    """The name of the one that waits; empty: none does."""
    running = [item for item in spares(tenant, "Project") if item["status"]["phase"] == "Running"]
    return str(running[0]["metadata"]["name"]) if running else ""


def answers(url: str, version: str) -> bool:
    """Whether that version does."""
    return get(url).body == version


def test_a_run_takes_the_pod_that_waits_and_leaves_another_one(member: Person, tmp_path: Path) -> None:
    member.roost("project", "create", PROJECT)
    small_app(member.tenant, PROJECT)
    files = {"Containerfile": CONTAINERFILE, "app.py": PROGRAM.replace("VERSION", "version-0")}
    path = repository(member, tmp_path / "site", files)
    url = f"http://{PROJECT}-dev.{member.tenant}.roost.localhost"
    for version in ("version-1", "version-2"):
        commit(member, path, {"app.py": PROGRAM.replace("VERSION", version)}, f"Say {version}.")
        name = waiting(member.tenant)
        pushed = member.git("push", member.remote(PROJECT), "main", cwd=path)
        assert f"-----> Fetching {member.git('rev-parse', 'HEAD', cwd=path).out.strip()[:12]}" in pushed.err
        until(partial(answers, url, version), f"{version} answers", 60)
        runs = kubectl_json("-n", f"{member.tenant}-build", "get", "runs.roost.dev")["items"]
        run = max(
            (item for item in runs if item["spec"]["project"] == PROJECT), key=lambda item: item["spec"]["attempt"]
        )
        assert run["status"]["phase"] == "Succeeded" and run["status"].get("spare", "") == name
        assert "Fetching" in member.roost("build", "logs", run["metadata"]["name"]).out
        if name:
            (used,) = [item for item in spares(member.tenant, "Run") if item["metadata"]["name"] == name]
            assert used["metadata"]["ownerReferences"][0]["uid"] == run["metadata"]["uid"]
        other = until(lambda: waiting(member.tenant), "another pod waits", 60)
        assert other != name
    assert name, "the second run took a pod that had waited"
