"""What other servers and programs said, for people: without credentials, and without control characters. Pure.

A server that is sent a password may say it again in its error, and a program may print what it was given. What they say
becomes a status or a log, which everybody who sees the project may read.
"""

import base64
from collections.abc import Iterable
from typing import Final

HIDDEN: Final = "***"
SHORTEST: Final = 4  # Characters; a shorter word would be hidden in the middle of others.


def basic(username: str, password: str) -> str:
    """What stands for both in a request's header; empty where there is no password."""
    return base64.b64encode(f"{username}:{password}".encode()).decode() if password else ""


def parts(held: Iterable[str]) -> tuple[str, ...]:
    """What is looked for: each secret and each line of it, the longest first."""
    found = {line.strip() for secret in held for line in [secret, *secret.splitlines()]}
    return tuple(sorted((part for part in found if len(part) >= SHORTEST), key=lambda part: (-len(part), part)))


def masked(text: str, looked_for: Iterable[str]) -> str:
    """The text without these `parts`."""
    for part in looked_for:
        text = text.replace(part, HIDDEN)
    return text


def redacted(text: str, held: Iterable[str]) -> str:
    """The text without what is held, nor any line of that; what is not printable becomes a space, but for line ends."""
    kept = masked(text, parts(held))
    return "".join(char if char.isprintable() or char == "\n" else " " for char in kept)
