"""The plans of Notices: golden cases; what is said; which are forgotten."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from roost.capabilities.notice import capability
from roost.capabilities.notice.manifests import text
from roost.capabilities.notice.model import Observed
from roost.capabilities.notice.plan import KEPT
from roost.capabilities.notice.plan import plan as plan_of
from roost.kernel import golden
from roost.model.history import Past
from roost.model.kinds.channel import Event, Notice

CASES = golden.cases(Path(__file__).parent.parent)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_golden(case: Path) -> None:
    golden.check(capability, case)


def made(facts: dict[str, str], event: str = "run.failed", **status: Any) -> Notice:
    spec = {"channel": "chat", "event": event, "at": "2026-11-28T11:58:00Z", "facts": facts}
    meta = {"name": "chat-1", "namespace": "acme-build", "uid": "n", "creationTimestamp": "2026-11-28T12:00:00Z"}
    return Notice.parse({"metadata": meta, "spec": spec, "status": status})


def test_what_a_tenant_names_is_a_value_and_never_a_template() -> None:
    notice = made({"tenant": "acme", "project": "{message.__class__} {run}", "run": "secret"})
    assert text.subject(notice, "en") == "[acme] {message.__class__} {run}: the run failed"
    assert text.subject(made({}, "promotion.applied"), "en") == "[] ? in ?: ? is in"


def test_the_payload_is_json_whatever_it_tells() -> None:
    facts = {"message": '"}, "type": "run.succeeded", \n{"\\', "ref": "refs/heads/\u202e"}
    said = json.loads(text.payload(made(facts)))
    assert said == {"type": "run.failed", "timestamp": "2026-11-28T11:58:00Z", "data": facts}


def test_tries_of_a_mail_come_less_and_less_often() -> None:
    observed = Observed.model_validate({"channel": {"type": "mail", "to": ["a@example.org"]}})
    waits = [
        plan_of(made({}), observed, golden.NOW + timedelta(seconds=age)).actions[0].arguments["afterS"]
        for age in (0, 15, 30, 60, 3000)
    ]
    assert waits == [10, 15, 30, 60, 600]


def test_the_newest_forgets_the_oldest_that_have_ended() -> None:
    others = tuple(
        Past(name=f"chat-{n:03}", uid=f"u{n}", created=f"2026-11-28T11:{n // 60:02}:{n % 60:02}Z", ended=n != 1)
        for n in range(KEPT + 5)
    )
    plan = plan_of(made({}, phase="Delivered"), Observed(others=others), golden.NOW)
    assert [action.key for action in plan.actions] == ["u0", "u2", "u3", "u4", "u5"]
    later = (*others, Past(name="chat-z", uid="z", created="2026-11-28T13:00:00Z"))
    assert plan_of(made({}, phase="Delivered"), Observed(others=later), golden.NOW).actions == ()


def test_mail_speaks_the_channels_language() -> None:
    facts = {"app": "shop", "environment": "prod", "count": "3", "worst": "CVE-1 in p (high)", "found": "a\nb"}
    notice = made(facts, "app.vulnerable")
    assert text.subject(notice, "en") == "[] shop in prod: 3 new vulnerabilities, the worst CVE-1 in p (high)"
    assert text.subject(notice, "zh") == "[] prod 环境的 shop：新发现 3 个漏洞，最严重的是 CVE-1 in p (high)"
    assert "发现：a\n    b" in text.text(notice, "zh", "x") and "found: a\n    b" in text.text(notice, "en", "x")


def test_every_event_has_its_title_in_every_language() -> None:
    assert all(set(titles) == set(get_args(Event)) for titles in text.TITLES.values())
