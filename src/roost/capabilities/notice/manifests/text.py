"""What a Notice says: JSON for programs, subject and text for people. Pure."""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from roost.model.kinds.channel import Event, Notice

Language = Literal["en", "zh"]

TITLES: Final[Mapping[Language, Mapping[Event, str]]] = {
    "en": {
        "run.succeeded": "{project}: the run succeeded",
        "run.failed": "{project}: the run failed",
        "run.cancelled": "{project}: the run was cancelled",
        "promotion.applied": "{app} in {environment}: {release} is in",
        "promotion.refused": "{app} in {environment}: refused",
        "promotion.waiting": "{app} in {environment}: waits for approval",
        "app.vulnerable": "{app} in {environment}: {count} new vulnerabilities, the worst {worst}",
        "waiver.expiring": "{project}: the waiver {waiver} of {owner} ends on {until}",
        "channel.test": "a test of the channel",
    },
    "zh": {
        "run.succeeded": "{project}：运行成功",
        "run.failed": "{project}：运行失败",
        "run.cancelled": "{project}：运行已取消",
        "promotion.applied": "{environment} 环境的 {app}：{release} 已上线",
        "promotion.refused": "{environment} 环境的 {app}：被拒绝",
        "promotion.waiting": "{environment} 环境的 {app}：等待审批",
        "app.vulnerable": "{environment} 环境的 {app}：新发现 {count} 个漏洞，最严重的是 {worst}",
        "waiver.expiring": "{project}：{owner} 的豁免 {waiver} 将于 {until} 到期",
        "channel.test": "通知渠道测试",
    },
}
# What facts are called in a mail; programs get the names themselves.
LABELS: Final[Mapping[str, str]] = {
    "app": "应用",
    "at": "时间",
    "author": "提交人",
    "cause": "起因",
    "commit": "提交",
    "count": "数量",
    "database": "漏洞数据库",
    "environment": "环境",
    "fix": "如何修复",
    "found": "发现",
    "image": "镜像",
    "finding": "发现项",
    "owner": "负责人",
    "project": "项目",
    "reason": "原因",
    "ref": "分支或标签",
    "release": "版本",
    "run": "运行",
    "see": "查看",
    "tenant": "团队",
    "trigger": "触发器",
    "until": "到期",
    "waiver": "豁免",
    "worst": "最严重的",
}


class _Known(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"


def payload(notice: Notice) -> str:
    """The body of a webhook, in the form that Standard Webhooks proposes: type, timestamp, data."""
    spec = notice.spec
    said: dict[str, Any] = {"type": spec.event, "timestamp": spec.at, "data": dict(sorted(spec.facts.items()))}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def subject(notice: Notice, language: Language) -> str:
    """One line. Facts are a tenant's text: they are values of a template and never a template."""
    facts = notice.spec.facts
    return f"[{facts.get('tenant', '')}] " + TITLES[language][notice.spec.event].format_map(_Known(facts))


def text(notice: Notice, language: Language, domain: str) -> str:
    """The mail's text."""

    def label(name: str) -> str:
        return f"{LABELS.get(name, name)}：" if language == "zh" else f"{name}: "

    facts = notice.spec.facts
    lines = [facts.get("message", ""), ""] if facts.get("message") else []
    for name, value in sorted(facts.items()):
        if name != "message":
            lines.append(label(name) + value.replace("\n", "\n    "))
    return "\n".join([*lines, f"{label('at')}{notice.spec.at}", "", f"-- \nRoost, {domain}", ""])
