"""GitHub's REST API, version 2022-11-28.

Sources: https://docs.github.com/en/rest/commits/statuses, https://docs.github.com/en/rest/pulls/pulls
"""

from pathlib import Path
from typing import Any, Final

from roost.adapters.forge import MAX_DESCRIPTION, Calls, MergeRequest, Said, commit_of, without_empty

VERSION: Final = "2022-11-28"


class GitHub:
    """One repository, `owner/name`."""

    def __init__(self, api: str, repository: str, token: str, trust: Path | None = None, proxy: str = "") -> None:
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": VERSION}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._calls = Calls(api, headers, trust, proxy)
        self._repository = repository

    def report(self, said: Said) -> None:
        """As of Forge."""
        told = {
            "state": said.state,
            "target_url": said.url,
            "description": said.description[:MAX_DESCRIPTION],
            "context": said.context,
        }
        stands: list[dict[str, Any]] = self._calls.call(
            "GET", f"/repos/{self._repository}/commits/{said.commit}/statuses", None, per_page=100
        )
        newest = next((item for item in stands if item.get("context") == said.context), {})
        if {key: newest.get(key) or "" for key in told} != told:
            self._calls.call("POST", f"/repos/{self._repository}/statuses/{said.commit}", without_empty(told))

    def requests(self, branch: str) -> list[MergeRequest]:
        """As of Forge."""
        found = self._calls.pages(f"/repos/{self._repository}/pulls", "per_page", state="open", base=branch)
        return [made for item in found if (made := self._read(item, branch)) is not None]

    def _read(self, item: dict[str, Any], branch: str) -> MergeRequest | None:
        head, base = item.get("head") or {}, item.get("base") or {}
        commit, number = commit_of(head.get("sha")), item.get("number")
        if not commit or not isinstance(number, int) or base.get("ref") != branch:
            return None
        # A fork that was deleted has no repository any more.
        home = str((head.get("repo") or {}).get("full_name") or "").lower()
        return MergeRequest(number, commit, fork=home != self._repository.lower())

    def ref(self, number: int) -> str:
        """As of Forge."""
        return f"refs/pull/{number}/head"
