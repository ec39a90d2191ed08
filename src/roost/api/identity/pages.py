"""The few pages that a browser sees: plain HTML without scripts, in Chinese and English. Pure.

What comes from people is escaped; the policy in the headers lets nothing run and nothing load, and forms go to this
server only.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

from fastapi.responses import HTMLResponse

_STYLE: Final = (
    "body{font:16px/1.6 system-ui,sans-serif;max-width:26rem;margin:12vh auto;padding:0 1rem;color:#1b2330}"
    "h1{font-size:1.4rem}label{display:block;margin:.8rem 0 .2rem}"
    "input{width:100%;box-sizing:border-box;padding:.5rem;font:inherit;border:1px solid #98a2b3;border-radius:6px}"
    "button,a.button{display:inline-block;margin:1rem .6rem 0 0;padding:.5rem 1rem;font:inherit;border-radius:6px;"
    "border:1px solid #1d4ed8;background:#1d4ed8;color:#fff;text-decoration:none;cursor:pointer}"
    "button.plain{background:#fff;color:#1d4ed8}.error{color:#b42318}code{font-size:1.3rem;letter-spacing:.1em}"
)
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# With `no-referrer` browsers would send `Origin: null` with our own forms.
_HEADERS: Final = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "same-origin", "Cache-Control": "no-store"}

_CHINESE: Final[Mapping[str, str]] = {
    "Sign in": "登录",
    "Name": "用户名",
    "Password": "密码",
    "Sign in with {title}": "用 {title} 登录",
    "Signed in": "已登录",
    "You are {person}.": "您是 {person}。",
    "Sign out": "退出登录",
    "Sign a terminal in": "登录终端",
    "Code": "代码",
    "Go on": "继续",
    "A terminal shows the code {code} and wants to work as {person}.": (
        "有一个终端显示代码 {code}，想以 {person} 的身份工作。"
    ),
    "Only if you have just started it yourself.": "请确认是您自己刚刚发起的。",
    "Allow": "允许",
    "Refuse": "拒绝",
    "It is signed in. You may close this page.": "已登录，可以关闭本页。",
    "It is refused. You may close this page.": "已拒绝，可以关闭本页。",
    "Invitation": "邀请",
    "{inviter} invites you into {tenant} as {role}.": "{inviter} 邀请您以 {role} 身份加入 {tenant}。",
    "Join as {person}": "以 {person} 身份加入",
    "Choose a name and a password, or sign in first if you are known here.": (
        "请选择用户名和密码；如果您已有账号，请先登录。"
    ),
    "Join": "加入",
    "You are in {tenant}.": "您已加入 {tenant}。",
    "It did not work": "没有成功",
}


class Words:
    """The words of one language."""

    def __init__(self, accept_language: str) -> None:
        self.language = "zh" if accept_language.strip().lower().startswith("zh") else "en"

    def __call__(self, text: str, **values: str) -> str:
        """The text, escaped, with escaped values."""
        spoken = _CHINESE[text] if self.language == "zh" else text
        return escape(spoken).format(**{key: escape(value) for key, value in values.items()})


def page(say: Words, title: str, body: Iterable[str], status: int = 200) -> HTMLResponse:
    """A whole page. `title` is a key; `body` is HTML."""
    html = (
        f'<!doctype html><html lang="{say.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        f"<title>{say(title)} - Roost</title><style>{_STYLE}</style></head>"
        f"<body><h1>{say(title)}</h1>{''.join(body)}</body></html>"
    )
    return HTMLResponse(html, status, headers=dict(_HEADERS))


def paragraph(text: str, error: bool = False) -> str:
    """A paragraph of escaped text."""
    return f"<p{' class=error' if error else ''}>{text}</p>"


def field(say: Words, name: str, label: str, kind: str = "text", value: str = "", complete: str = "off") -> str:
    """A labelled field."""
    return (
        f'<label for="{name}">{say(label)}</label>'
        f'<input id="{name}" name="{name}" type="{kind}" value="{escape(value)}" autocomplete="{complete}" required>'
    )


def form(action: str, fields: Iterable[str], hidden: Mapping[str, str], buttons: Iterable[str]) -> str:
    """A form that is posted to this server."""
    kept = "".join(f'<input type="hidden" name="{key}" value="{escape(value)}">' for key, value in hidden.items())
    return f'<form method="post" action="{action}">{kept}{"".join(fields)}{"".join(buttons)}</form>'


def button(say: Words, label: str, value: str = "", plain: bool = False, **values: str) -> str:
    """A button that sends the form, with `decision=value` where it has one."""
    named = f' name="decision" value="{escape(value)}"' if value else ""
    return f"<button{named}{' class=plain' if plain else ''}>{say(label, **values)}</button>"


def link(target: str, text: str) -> str:
    """A link that looks like a button; `text` is escaped."""
    return f'<a class="button" href="{escape(target)}">{text}</a>'
