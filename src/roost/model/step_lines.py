"""Lines of a run's log as its pod prints them: each says whose words they are, `test | 212 passed`.

The conductor writes them; the API and the git server read them. A line says its step by itself, so that a log can be
read from anywhere: from its last lines, or from where a connection broke. Pure.
"""

import re
from typing import Final

_MARKED: Final = re.compile(r"(?:([a-z][-a-z0-9]{0,28}[a-z0-9]|[a-z]) )?\| (.*)\Z", re.DOTALL)


def marked(step: str, text: str) -> str:
    """As it is printed; `step` empty: what belongs to no step."""
    return f"{step} | {text}" if step else f"| {text}"


def read(line: str) -> tuple[str, str]:
    """(step, text) of a printed line; what bears no mark (a program that broke says it) belongs to no step."""
    found = _MARKED.match(line)
    return (found[1] or "", found[2]) if found else ("", line)
