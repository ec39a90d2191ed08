"""`roost status --tree`: from the application to its instances, each reason in words with what to do."""

import pytest

from roost.cli.tests.conftest import Roost
from roost.cli.tests.fake_api import APP, ENV, IMAGE, instance, meta, ready, release

NEW = {"release": "shop-v3", "ready": False, "state": "waiting"}


def rolling(roost: Roost, **why: object) -> None:
    """A third version is on its way, with one instance that does not serve."""
    roost.api.objects[APP]["status"] |= {"release": "shop-v3", "conditions": ready("False", "RollingOut", "v3 comes.")}
    roost.api.objects[f"{ENV}/releases/shop-v3"] = release(3, IMAGE) | {"status": {"phase": "Pending"}}
    roost.api.instances = [instance(), instance("shop-web-new", **NEW | why)]


def test_the_tree_goes_from_the_application_to_instances_and_route(roost: Roost) -> None:
    rolling(roost, reason="ContainerCreating")
    said = roost("status", "--tree")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[:3] == ["acme/dev/shop  RollingOut", "│  v3 comes.", lines[2]]
    assert lines[2].startswith("├─ v3  Pending  change 3  mei")
    assert lines[3] == "│  └─ web  0 of 3 ready  port 8080"
    assert lines[4].startswith("│     └─ shop-web-new  ContainerCreating")
    assert lines[6].startswith("├─ v2  Live  change 2")
    assert lines[-1] == "└─ http://shop-dev.acme.roost.localhost  route"


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ({"reason": "CrashLoopBackOff", "lastEnd": {"exitCode": 3, "words": "a\nboom"}}, ["exit code 3", "| boom"]),
        ({"reason": "CrashLoopBackOff", "lastEnd": {"exitCode": 127}}, ["the command was not found"]),
        ({"reason": "CrashLoopBackOff", "lastEnd": {"exitCode": 0}}, ["must go on running"]),
        ({"reason": "CrashLoopBackOff", "lastEnd": {"exitCode": 137, "reason": "OOMKilled"}}, ["needed more memory"]),
        ({"reason": "ImagePullBackOff", "message": "not found"}, ["cannot be pulled: not found", "releases -o wide"]),
        ({"reason": "CreateContainerConfigError", "message": "no secret"}, ["cannot be started: no secret"]),
        ({"reason": "Unschedulable", "message": "0/1 nodes"}, ["No node has room for it: 0/1 nodes", "roost scale"]),
        ({"state": "running", "probe": "statuscode: 500"}, ["health check says: statuscode: 500"]),
        ({"state": "running"}, ["has not shown yet that it serves"]),
        ({"reason": "Odd", "message": "something"}, ["Odd: something"]),
    ],
)  # fmt: skip
def test_each_reason_is_told_in_words(roost: Roost, why: dict[str, object], told: list[str]) -> None:
    rolling(roost, **why)
    said = roost("status", "--tree").out
    assert [text for text in told if text not in said] == []


def test_what_waits_for_an_approval_says_how_to_give_it(roost: Roost) -> None:
    waiting = {"phase": "Pending", "conditions": ready("False", "AwaitingApproval", "0 of 2 approvals.")}
    promotion = {"metadata": meta("shop-1a2b"), "spec": {"app": "shop"}, "status": waiting}
    roost.api.objects[f"{ENV}/promotions/shop-1a2b"] = promotion
    said = roost("status", "--tree").out
    assert "0 of 2 approvals." in said
    assert "`roost approve shop-1a2b -t acme -e dev`" in said


def test_what_an_instance_says_cannot_steer_the_terminal(roost: Roost) -> None:
    rolling(roost, reason="CrashLoopBackOff", lastEnd={"exitCode": 1, "words": "\x1b[2Jgone\x07"})
    assert "\x1b" not in roost("status", "--tree").out


def test_machines_get_the_same_objects_with_and_without_the_tree(roost: Roost) -> None:
    assert roost("status", "--tree", "-o", "json").out == roost("status", "-o", "json").out
