"""What a Notice says: JSON for programs, subject and text for people. Pure."""

import json
from collections.abc import Mapping
from typing import Any, Final

from roost.model.kinds.channel import Notice

TITLES: Final[Mapping[str, str]] = {
    "run.succeeded": "{project}: the run succeeded",
    "run.failed": "{project}: the run failed",
    "run.cancelled": "{project}: the run was cancelled",
    "promotion.applied": "{app} in {environment}: {release} is in",
    "promotion.refused": "{app} in {environment}: refused",
    "promotion.waiting": "{app} in {environment}: waits for approval",
    "channel.test": "a test of the channel",
}


class _Known(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"


def payload(notice: Notice) -> str:
    """The body of a webhook, in the form that Standard Webhooks proposes: type, timestamp, data."""
    spec = notice.spec
    said: dict[str, Any] = {"type": spec.event, "timestamp": spec.at, "data": dict(sorted(spec.facts.items()))}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def subject(notice: Notice) -> str:
    """One line. Facts are a tenant's text: they are values of a template and never a template."""
    facts = notice.spec.facts
    return f"[{facts.get('tenant', '')}] " + TITLES[notice.spec.event].format_map(_Known(facts))


def text(notice: Notice, domain: str) -> str:
    """The mail's text."""
    facts = notice.spec.facts
    lines = [facts.get("message", ""), ""] if facts.get("message") else []
    lines += [f"{name}: {value}" for name, value in sorted(facts.items()) if name != "message"]
    return "\n".join([*lines, f"at: {notice.spec.at}", "", f"-- \nRoost, {domain}", ""])
