"""Gitea's REST API, version 1 (Forgejo's is the same here).

Source: https://docs.gitea.com/api/ (createRepositoryStatus, listStatusesByRef, repoListPullRequests)
"""

from pathlib import Path
from typing import Any

from roost.adapters.forge import MAX_DESCRIPTION, Calls, MergeRequest, Said, commit_of, without_empty


class Gitea:
    """One repository, `owner/name`."""

    def __init__(self, api: str, repository: str, token: str, trust: Path | None = None, proxy: str = "") -> None:
        self._calls = Calls(api, {"Authorization": f"token {token}"} if token else {}, trust, proxy)
        self._repository = repository

    def report(self, said: Said) -> None:
        """As of Forge."""
        told = {"target_url": said.url, "description": said.description[:MAX_DESCRIPTION], "context": said.context}
        path = f"/repos/{self._repository}"
        stands: list[dict[str, Any]] = self._calls.call(
            "GET", f"{path}/commits/{said.commit}/statuses", None, sort="recentupdate", limit=50
        )
        mine = [item for item in stands if item.get("context") == said.context]
        newest = max(mine, key=lambda item: int(item.get("id") or 0), default={})
        same = {key: newest.get(key) or "" for key in told} == told and newest.get("status") == said.state
        if not same:
            self._calls.call("POST", f"{path}/statuses/{said.commit}", without_empty(told) | {"state": said.state})

    def requests(self, branch: str) -> list[MergeRequest]:
        """As of Forge."""
        found = self._calls.pages(f"/repos/{self._repository}/pulls", "limit", state="open")
        return [made for item in found if (made := self._read(item, branch)) is not None]

    def _read(self, item: dict[str, Any], branch: str) -> MergeRequest | None:
        head, base = item.get("head") or {}, item.get("base") or {}
        commit, number = commit_of(head.get("sha")), item.get("number")
        if not commit or not isinstance(number, int) or base.get("ref") != branch:
            return None
        home = str((head.get("repo") or {}).get("full_name") or "").lower()
        return MergeRequest(number, commit, fork=home != self._repository.lower())

    def ref(self, number: int) -> str:
        """As of Forge."""
        return f"refs/pull/{number}/head"
