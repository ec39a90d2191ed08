"""`roost build start` and `roost channel`."""

import pytest

from roost.cli.tests.conftest import Roost
from roost.cli.tests.fake_api import MOMENT, meta, ready

RUN = "/v1/tenants/acme/runs/shop-1-abc"
RUNS = "/v1/tenants/acme/projects/shop/runs"
CHANNELS = "/v1/tenants/acme/channels"


def test_a_run_is_started_with_its_parameters(roost: Roost) -> None:
    values = ("--param", "LEVEL=debug", "--param", "WORDS=a=b; $(id)")
    said = roost("build", "start", "shop", "--ref", "v1.2", *values, "--detach")
    assert said.code == 0, said.err
    (body,) = roost.api.asked("POST", RUNS)
    assert body["ref"] == "v1.2" and body["parameters"] == {"LEVEL": "debug", "WORDS": "a=b; $(id)"}
    assert len(body["key"]) >= 8 and "Run shop-1-abc of refs/heads/main." in said.err


def test_who_waits_sees_how_it_ended(roost: Roost) -> None:
    said = roost("build", "start", "shop")
    assert said.code == 7 and "The build ended with 1." in said.err
    roost.api.objects[RUN]["status"] = {"phase": "Succeeded", "finishedAt": MOMENT, "conditions": ready()}
    assert roost("build", "start", "shop").code == 0


@pytest.mark.parametrize("value", ["LEVEL", "=debug", ""])
def test_a_parameter_without_a_name_or_a_value_is_refused(roost: Roost, value: str) -> None:
    said = roost("build", "start", "shop", "--param", value)
    assert said.code == 2 and "KEY=VALUE" in said.err and roost.api.asked("POST", RUNS) == []


def test_what_the_project_does_not_allow_is_told(roost: Roost) -> None:
    roost.api.fail(RUNS, "invalid", "parameters.LEVEL: 'trace' is none of info, debug")
    said = roost("build", "start", "shop", "--param", "LEVEL=trace")
    assert said.code == 2 and "'trace' is none of info, debug" in said.err


def test_a_webhook_shows_its_secret_once(roost: Roost) -> None:
    said = roost("channel", "create", "chat", "--url", "https://chat.example.org/hook", "--event", "run.failed")
    assert said.code == 0 and "whsec_shown_once" in said.out, said.err
    (body,) = roost.api.asked("POST", CHANNELS)
    assert body["spec"] == {
        "type": "webhook",
        "url": "https://chat.example.org/hook",
        "secret": "chat-channel",
        "events": ["run.failed"],
    }
    assert roost.api.asked("POST", f"{CHANNELS}/chat/secret") == [None]


def test_mail_goes_to_several(roost: Roost) -> None:
    arguments = ("--mail", "a@example.org", "--mail", "b@example.org", "-p", "shop")
    assert roost("channel", "create", "team", *arguments).code == 0
    (body,) = roost.api.asked("POST", CHANNELS)
    assert body["spec"] == {"type": "mail", "to": ["a@example.org", "b@example.org"], "projects": ["shop"]}


@pytest.mark.parametrize("arguments", [(), ("--url", "https://a.example.org", "--mail", "a@example.org")])
def test_a_channel_is_one_of_both(roost: Roost, arguments: tuple[str, ...]) -> None:
    said = roost("channel", "create", "chat", *arguments)
    assert said.code == 2 and "either --url or --mail" in said.err


def test_a_test_is_asked_for_and_seen(roost: Roost) -> None:
    spec = {"type": "mail", "to": ["a@example.org"], "test": 3}
    roost.api.objects[f"{CHANNELS}/team"] = {"metadata": meta("team"), "spec": spec, "status": {"conditions": ready()}}
    assert roost("channel", "test", "team").code == 0
    assert roost.api.asked("PATCH", f"{CHANNELS}/team") == [{"spec": {"test": 4}}]
    told = {"channel": "team", "event": "channel.test"}
    status = {"phase": "Delivered", "conditions": ready("True", "Delivered", "The mail server took it.")}
    roost.api.objects["/v1/tenants/acme/notices/team-1"] = {"metadata": meta("team-1"), "spec": told, "status": status}
    said = roost("channel", "notices", "team")
    assert "Delivered" in said.out and "The mail server took it." in said.out
    assert "team" in roost("channel", "list").out
    assert roost("channel", "delete", "team", "--confirm", "team").code == 0
    assert f"{CHANNELS}/team" not in roost.api.objects


def test_a_project_is_paused_and_goes_on(roost: Roost) -> None:
    path = "/v1/tenants/acme/projects/shop"
    roost.api.objects[path] = {"metadata": meta("shop"), "spec": {}, "status": {}}
    assert roost("project", "pause", "shop", "--reason", "v7 loses orders").code == 0
    said = roost("project", "resume", "shop")
    assert said.code == 0 and "roost build start shop" in said.err
    wanted = [{"spec": {"triggers": {"paused": reason}}} for reason in ("v7 loses orders", "")]
    assert roost.api.asked("PATCH", path) == wanted
    assert roost("project", "pause", "shop").code == 2
