"""The controller is away while a schedule is due several times: afterwards there is one run, of the newest time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.conftest import Person, get, kubectl, kubectl_json, repository, small_app, until
from tests.e2e.page import CONTAINERFILE, PROGRAM
from tests.fault.victims import HERE

pytestmark = [pytest.mark.e2e, pytest.mark.full, pytest.mark.usefixtures("well")]
CONTROLLER = "roost-controller"
MISSED: timedelta = timedelta(seconds=130)  # Two times of a schedule that is due every minute, at least.


@contextmanager
def away() -> Iterator[None]:
    """No controller runs."""
    kubectl("-n", HERE, "scale", "deployment", CONTROLLER, "--replicas=0")
    try:
        label = f"app.kubernetes.io/name={CONTROLLER}"
        kubectl("-n", HERE, "wait", "--for=delete", "pod", "-l", label, "--timeout=90s")
        yield
    finally:
        kubectl("-n", HERE, "scale", "deployment", CONTROLLER, "--replicas=2")
        kubectl("-n", HERE, "rollout", "status", f"deployment/{CONTROLLER}", "--timeout=180s")


def test_times_that_were_missed_run_once_with_the_newest(member: Person, tmp_path: Any) -> None:
    space = f"{member.tenant}-build"
    small_app(member.tenant, "shop")
    member.roost("project", "create", "shop")
    files = {"Containerfile": CONTAINERFILE, "app.py": PROGRAM}
    path = repository(member, tmp_path / "shop", files)
    member.git("push", member.remote("shop"), "main", cwd=path)
    until(lambda: get(f"http://shop-dev.{member.tenant}.roost.localhost").status == 200, "the application answers")
    schedule = {"triggers": {"schedules": [{"name": "often", "cron": "* * * * *", "environment": "dev"}]}}

    def project(spec: dict[str, Any]) -> dict[str, Any]:
        patch = json.dumps({"spec": spec})
        kubectl("-n", space, "patch", "projects.roost.dev", "shop", "--type=merge", "-p", patch)
        return kubectl_json("-n", space, "get", "projects.roost.dev", "shop")

    def runs() -> list[dict[str, Any]]:
        found = kubectl_json("-n", space, "get", "runs.roost.dev")["items"]
        return [run for run in found if run["spec"].get("cause") == "schedule"]

    def known() -> dict[str, Any]:
        told = kubectl_json("-n", space, "get", "projects.roost.dev", "shop").get("status") or {}
        return next(iter(told.get("schedules") or []), {})

    project(schedule)
    until(known, "the schedule to be known", 60)
    with away():
        before, began = len(runs()), datetime.now(UTC)
        until(lambda: datetime.now(UTC) > began + MISSED, "times to be missed", MISSED.total_seconds() + 30, 5)
        missed = datetime.now(UTC).replace(second=0, microsecond=0)
    # Paused as soon as the first run after the gap is there, so that the next minute adds none.
    until(lambda: len(runs()) > before, "a run for what was missed", 120, pause_s=0.2)
    paused = project({"triggers": {"paused": "The test has seen enough."}})["metadata"]["generation"]

    def followed() -> bool:
        told = kubectl_json("-n", space, "get", "projects.roost.dev", "shop")["status"]["conditions"]
        return bool(min(item["observedGeneration"] for item in told) >= paused)

    until(followed, "the project to be paused", 60)
    last = datetime.fromisoformat(str(known()["last"]).replace("Z", "+00:00"))
    fresh = len(runs()) - before
    # One for the gap, however many times it held; a minute that began since then may have had its own.
    assert fresh == 1 + int((last - missed).total_seconds() // 60 if last > missed else 0), (fresh, last, missed)
