"""A tag, a person, a schedule and a new image each start a run; what came of it is told, and only where it may be."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Person, get, kubectl, kubectl_json, repository, small_app, until
from tests.e2e.page import CONTAINERFILE, PROGRAM

pytestmark = [pytest.mark.e2e, pytest.mark.full]
# The value of the argument is what the page says: shell text in it must arrive as it is and do nothing.
FILES = {
    "Containerfile": CONTAINERFILE.replace("USER 1000\n", "ARG WORDS=none\nENV WORDS=$WORDS\nUSER 1000\n"),
    "app.py": PROGRAM.replace('b"VERSION"', '__import__("os").environ["WORDS"].encode()'),
}
HOSTILE = "a,b=c; $(touch /tmp/x) `id` && \"'"


def spec(minute: int) -> dict[str, Any]:
    return {
        "triggers": {
            "tags": [{"pattern": "v*"}],
            "schedules": [{"name": "soon", "cron": f"{minute} * * * *", "environment": "dev"}],
        },
        "parameters": [{"name": "WORDS", "default": "usual"}],
    }


@pytest.fixture(scope="module")
def shop(member: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A pushed application; its project has a schedule that is due within ten minutes."""
    small_app(member.tenant, "shop")
    minute = (datetime.now(UTC) + timedelta(minutes=8)).minute
    meta = {"name": "shop", "namespace": f"{member.tenant}-build"}
    body = {"apiVersion": "roost.dev/v1alpha1", "kind": "Project", "metadata": meta, "spec": spec(minute)}
    kubectl("apply", "-f", "-", stdin=json.dumps(body))
    path = repository(member, tmp_path_factory.mktemp("shop") / "shop", FILES)
    member.git("push", member.remote("shop"), "main", cwd=path)
    yield path, f"http://shop-dev.{member.tenant}.roost.localhost"


def runs(member: Person, cause: str) -> list[dict[str, Any]]:
    found = kubectl_json("-n", f"{member.tenant}-build", "get", "runs.roost.dev")["items"]
    return [run for run in found if run["spec"].get("cause", "push") == cause]


def test_a_tag_is_built_and_goes_nowhere(member: Person, shop: tuple[Path, str]) -> None:
    path, url = shop
    assert get(url).body == "usual"
    member.git("tag", "v1", cwd=path)
    pushed = member.git("push", member.remote("shop"), "v1", cwd=path)
    assert "Built: " in pushed.err and get(url).body == "usual"
    (run,) = [run for run in runs(member, "push") if run["spec"]["ref"] == "refs/tags/v1"]
    assert run["status"]["phase"] == "Succeeded" and "promotion" not in run["status"]


def test_a_person_starts_a_run_with_words_that_do_nothing(member: Person, shop: tuple[Path, str]) -> None:
    member.roost("build", "start", "shop", "--param", f"WORDS={HOSTILE}")
    until(lambda: get(shop[1]).body == HOSTILE, "the words to arrive as they are", 180)
    refused = member.roost("build", "start", "shop", "--param", "OTHER=1", ok=False)
    assert refused.code == 2 and "parameters.OTHER" in refused.err
    assert len(runs(member, "manual")) == 1


def test_results_are_never_sent_inside(member: Person, shop: tuple[Path, str]) -> None:
    """A name that leads to kube-apiserver's address, as any name server may say it."""
    inside = "http://kubernetes.default.svc/api"
    member.roost("channel", "create", "inside", "--url", inside, "--event", "run.cancelled")
    member.roost("channel", "test", "inside")
    space = f"{member.tenant}-build"

    def told() -> list[str]:
        found = kubectl_json("-n", space, "get", "notices.roost.dev")["items"]
        return [one["reason"] for item in found for one in (item.get("status") or {}).get("conditions", ())]

    until(lambda: told() == ["AddressRefused"], "the address to be refused", 120)


def test_a_schedule_runs_once_at_its_time(member: Person, shop: tuple[Path, str]) -> None:
    until(lambda: runs(member, "schedule"), "the schedule's run", 660, 5)
    until(lambda: get(shop[1]).body == "usual", "the schedule's run to serve", 240)
    (run,) = runs(member, "schedule")
    assert run["spec"]["trigger"] == "soon" and run["spec"].get("author", "") == ""
