"""`roost rollout`: how versions take over, where one stands, and a person's word about it."""

import pytest

from roost.cli.tests.conftest import Roost
from roost.cli.tests.fake_api import APP


def rollout(roost: Roost) -> dict[str, object]:
    """What the App says of it."""
    return dict(roost.api.objects[APP]["spec"].get("rollout", {}))


def on_trial(roost: Roost) -> None:
    """Version 8 has ten percent of the requests."""
    state = {"release": "shop-v8", "phase": "Testing", "weight": 10, "since": "2026-11-29T08:00:00Z", "message": "34 s"}
    status = roost.api.objects[APP]["status"]
    roost.api.objects[APP]["status"] = {**status, "release": "shop-v8", "live": "shop-v7", "rollout": state}


def test_a_strategy_is_set_and_nothing_else_is_touched(roost: Roost) -> None:
    said = roost("rollout", "set", "--canary", "10:60,50:120", "--errors", "2", "--pause")
    assert said.code == 0, said.err
    steps = [{"weight": 10, "holdS": 60}, {"weight": 50, "holdS": 120}]
    assert rollout(roost) == {"strategy": "canary", "steps": steps, "pause": True, "checks": {"errorPercent": 2}}
    assert roost("rollout", "set", "--blue-green").code == 0
    assert rollout(roost)["strategy"] == "blueGreen"


def test_where_a_version_stands_is_shown(roost: Roost) -> None:
    on_trial(roost)
    shown = roost("rollout", "status").out
    assert "Testing" in shown and "v8" in shown and "10 %" in shown


def test_a_person_decides(roost: Roost) -> None:
    on_trial(roost)
    assert roost("rollout", "promote", "--detach").code == 0
    assert rollout(roost)["promote"] == 8
    assert roost("rollout", "abort", "--yes").code == 0
    assert rollout(roost)["abort"] == 8


def test_what_serves_beside_the_old_instances_is_taken_back(roost: Roost) -> None:
    on_trial(roost)
    status = roost.api.objects[APP]["status"]
    state = {**status["rollout"], "phase": "Replacing", "weight": 100}
    roost.api.objects[APP]["status"] = {**status, "live": "shop-v8", "rollout": state}
    assert roost("rollout", "abort", "--yes").code == 0
    assert rollout(roost)["abort"] == 8


@pytest.mark.parametrize("verb", [("promote",), ("abort", "--yes")])
def test_what_serves_already_is_neither_promoted_nor_taken_back(roost: Roost, verb: tuple[str, ...]) -> None:
    status = roost.api.objects[APP]["status"]
    roost.api.objects[APP]["status"] = {**status, "release": "shop-v7", "live": "shop-v7"}
    assert roost("rollout", *verb).code == 5
    assert rollout(roost) == {}


def test_taking_back_wants_a_yes(roost: Roost) -> None:
    on_trial(roost)
    assert roost("rollout", "abort").code == 2
    assert rollout(roost) == {}


@pytest.mark.parametrize(
    "arguments", [(), ("--canary", "10"), ("--canary", "a:b"), ("--rolling", "--blue-green"), ("--errors", "101")]
)
def test_what_cannot_be_is_refused_and_nothing_is_sent(roost: Roost, arguments: tuple[str, ...]) -> None:
    assert roost("rollout", "set", *arguments).code == 2
    assert rollout(roost) == {}
