"""The plans of Channels: golden cases; what a channel may be."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from roost.capabilities.channel import capability
from roost.kernel import golden
from roost.model.kinds.channel import ChannelSpec, Event
from roost.model.notices import MOST, SeenChannel, Telling, notice, of, telling

CASES = golden.cases(Path(__file__).parent.parent)
HOOK = {"url": "https://chat.example.org/hook", "secret": "chat-channel"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_golden(case: Path) -> None:
    golden.check(capability, case)


@pytest.mark.parametrize(
    "url",
    [
        "https://chat.example.org",
        "https://chat.example.org:8443/hooks/a-b_c?x=1&y=%20",
        "http://203.0.113.7/x",
        "https://[2606:4700::1111]/x",
    ],
)
def test_addresses_of_the_world_are_taken(url: str) -> None:
    assert ChannelSpec(url=url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/x",
        "file:///etc/passwd",
        "https://localhost/x",
        "https://kubernetes/api",
        "https://user:password@example.org/",
        "https://example.org/x#y",
        "https://example.org/\r\nX-Evil: 1",
        "https://example.org/ x",
        "https://exam ple.org/",
        "gopher://example.org",
        "https://example.org\\@evil.org/",
        "//example.org/x",
        "https://" + "a." * 600 + "org",
    ],
)
def test_what_is_no_address_of_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        ChannelSpec(url=url)


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        "a@b",
        "a@example.org\nBcc: victim@example.org",
        "a@example.org, b@example.org",
        "<a@example.org>",
        "a b@example.org",
        '"a\\r\\nRCPT TO:<b>"@example.org',
        "a@-example.org",
        "@example.org",
    ],
)
def test_what_is_no_address_of_mail_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        ChannelSpec(type="mail", to=(address,))


def channel(**spec: object) -> SeenChannel:
    return SeenChannel(name="chat", uid="c", spec=ChannelSpec.model_validate(HOOK | spec))


FAILED = {"project": "shop", "run": "shop-1"}


def test_only_what_is_wanted_is_told() -> None:
    def told(seen: SeenChannel, event: Event, facts: dict[str, str]) -> bool:
        return bool(of(Telling(channels=(seen,)), "acme", event, "uid", facts, "now"))

    assert told(channel(), "run.failed", FAILED) and not told(channel(), "run.succeeded", FAILED)
    assert told(channel(projects=["shop"]), "run.failed", FAILED)
    assert not told(channel(projects=["other"]), "run.failed", FAILED)
    applied = {"app": "shop", "environment": "prod"}
    assert told(channel(environments=["prod"]), "promotion.applied", applied)
    assert not told(channel(environments=["dev"]), "promotion.applied", applied)
    assert not told(channel(paused=True), "run.failed", FAILED)
    assert not of(Telling(channels=(channel(),), room=False), "acme", "run.failed", "uid", FAILED, "now")


def test_the_same_event_is_the_same_notice() -> None:
    def name(event: Event, subject: str, uid: str = "c") -> str:
        seen = SeenChannel(name="chat", uid=uid, spec=channel().spec)
        return str(notice(seen, "acme", event, subject, {}, "now").manifest["metadata"]["name"])

    assert name("run.failed", "1") == name("run.failed", "1")
    names = {name("run.failed", "1"), name("run.failed", "2"), name("run.succeeded", "1"), name("run.failed", "1", "d")}
    assert len(names) == 4 and all(len(one) <= 63 for one in names)


def test_what_is_told_is_bounded_and_has_no_control_characters() -> None:
    made = notice(
        channel(), "acme", "run.failed", "1", {"message": "a\x1b[31m\x00b\nc" + "x" * 5000, "none": ""}, "now"
    )
    facts = made.manifest["spec"]["facts"]
    assert set(facts) == {"tenant", "message"} and len(facts["message"]) == 1000
    assert facts["message"].startswith("a [31m b\nc")


def test_there_is_room_for_so_many() -> None:
    raw = {"metadata": {"name": "chat", "uid": "c"}, "spec": HOOK}
    assert telling([raw], [None] * (MOST - 1)).room and not telling([raw], [None] * MOST).room
    going = {**raw, "metadata": {**raw["metadata"], "deletionTimestamp": "now"}}
    assert telling([going], []).channels == ()
    odd = {"metadata": {"name": "odd", "uid": "o"}, "spec": {"type": "pigeon"}}
    assert [seen.name for seen in telling([odd, raw], []).channels] == ["chat"]
