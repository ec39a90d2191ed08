"""A forge (GitLab, GitHub, Gitea): the state of a commit is told to it, and its open merge requests are asked for.

One small interface, one module for each forge; `adapters.forges` chooses. Used in pods of their own that hold the
project's token. Nothing is followed: a redirect is an error, so a token reaches no other host.

    ForgeFailed     the forge does not take it; `lasting`: trying again does not help
"""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import httpx2

State = Literal["pending", "success", "failure"]
TIMEOUT_S: Final = 30.0
MAX_ANSWER: Final = 8 << 20  # Bytes.
MAX_PAGES: Final = 5
PAGE: Final = 50
MAX_DESCRIPTION: Final = 140  # Characters, GitHub's limit.


class ForgeFailed(Exception):
    """The forge does not take it."""

    def __init__(self, reason: str, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.lasting = lasting


@dataclass(frozen=True)
class Said:
    """What is told of a commit. `context` names who says it: a later word of the same context replaces the earlier."""

    commit: str
    state: State
    context: str
    description: str
    url: str


def without_empty(told: Mapping[str, str]) -> dict[str, str]:
    """As a forge takes it: an address that is an empty text is none."""
    return {key: text for key, text in told.items() if text}


@dataclass(frozen=True)
class MergeRequest:
    """An open merge (or pull) request. `fork`: its commits come from somebody else's repository."""

    number: int
    commit: str
    fork: bool


class Forge(Protocol):
    """One repository of a forge."""

    def report(self, said: Said) -> None:
        """Tell it, unless that is what the forge says already. ForgeFailed."""
        ...

    def requests(self, branch: str) -> list[MergeRequest]:
        """The open requests to merge into `branch`, at most MAX_PAGES pages of them. ForgeFailed."""
        ...

    def ref(self, number: int) -> str:
        """The ref by which the forge's git gives a request's newest commit."""
        ...


class Calls:
    """JSON over HTTP to one base address, with the headers that say who asks."""

    def __init__(self, base: str, headers: Mapping[str, str], trust: Path | None = None, proxy: str = "") -> None:
        own = trust is not None and trust.exists() and trust.stat().st_size
        self._base = base.rstrip("/")
        self._headers = {"User-Agent": "roost", "Accept": "application/json", **headers}
        self._trust = ssl.create_default_context(cafile=str(trust) if own else None)
        self._proxy = proxy or None

    def _client(self) -> httpx2.Client:
        """Few calls are made, with long pauses: each has a connection of its own."""
        return httpx2.Client(
            headers=self._headers,
            verify=self._trust,
            trust_env=False,
            proxy=self._proxy,
            timeout=TIMEOUT_S,
            follow_redirects=False,
        )

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str | int) -> Any:
        """The answer's JSON. ForgeFailed for everything that is no success."""
        url = f"{self._base}{path}"
        params = {key: str(value) for key, value in query.items()}
        content = b""
        try:
            with self._client() as http, http.stream(method, url, params=params, json=body) as answer:
                for chunk in answer.iter_bytes():
                    content += chunk
                    if len(content) > MAX_ANSWER:
                        raise ForgeFailed("ForgeOdd", f"The forge's answer is longer than {MAX_ANSWER >> 20} MiB.")
                status = answer.status_code
        except httpx2.HTTPError as error:
            raise ForgeFailed("Unreachable", f"The forge cannot be reached: {error or type(error).__name__}") from error
        if not 200 <= status < 300:
            raise refusal(status, content)
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ForgeFailed("ForgeOdd", "The forge's answer is no JSON.") from error

    def pages(self, path: str, size: str, **query: str | int) -> list[dict[str, Any]]:
        """All objects of a list, page after page. `size`: how the forge calls the length of a page."""
        found: list[dict[str, Any]] = []
        for page in range(1, MAX_PAGES + 1):
            items = self.call("GET", path, None, **query, **{size: PAGE}, page=page)
            if not isinstance(items, list):
                raise ForgeFailed("ForgeOdd", "The forge's answer is no list.")
            found += [item for item in items if isinstance(item, dict)]
            if len(items) < PAGE:
                break
        return found


def refusal(status: int, content: bytes) -> ForgeFailed:
    """What a status that is no success means."""
    said = "".join(char for char in content.decode(errors="replace") if char.isprintable())[:300]
    if status in (401, 403):
        words = f"The forge refuses the token, or it may not do this: `roost source token`. It said: {said}"
        return ForgeFailed("TokenRefused", words)
    if status in (404, 422):
        return ForgeFailed("NotThere", f"The forge has no such repository or commit. It said: {said}", lasting=True)
    if status == 400:
        return ForgeFailed("ForgeRefused", f"The forge does not take it: {said}", lasting=True)
    return ForgeFailed("Unreachable", f"The forge answers {status}: {said}")


def commit_of(value: Any) -> str:
    """A commit's id; empty where it is none."""
    text = str(value or "")
    return text if len(text) in (40, 64) and set(text) <= set("0123456789abcdef") else ""
