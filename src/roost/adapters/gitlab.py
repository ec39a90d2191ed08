"""GitLab's REST API, version 4.

Sources: https://docs.gitlab.com/api/commits/#set-commit-pipeline-status,
https://docs.gitlab.com/api/merge_requests/#list-project-merge-requests
"""

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from roost.adapters.forge import Calls, ForgeFailed, MergeRequest, Said, State, commit_of, without_empty

STATES: Final[dict[State, str]] = {"pending": "running", "success": "success", "failure": "failed"}
MAX_TEXT: Final = 255  # Characters of a description.


class GitLab:
    """One project, by its full path such as `group/sub/name`."""

    def __init__(self, api: str, repository: str, token: str, trust: Path | None = None, proxy: str = "") -> None:
        self._calls = Calls(api, {"PRIVATE-TOKEN": token} if token else {}, trust, proxy)
        self._project = f"/projects/{quote(repository, safe='')}"

    def report(self, said: Said) -> None:
        """As of Forge. GitLab takes no step from a state to itself, which is none that is missing."""
        state = STATES[said.state]
        path = f"{self._project}/repository/commits/{said.commit}/statuses"
        stands: list[dict[str, Any]] = self._calls.call("GET", path, None, name=said.context, per_page=100)
        mine = [item for item in stands if item.get("name") == said.context]
        newest = max(mine, key=lambda item: int(item.get("id") or 0), default={})
        told = {"target_url": said.url, "description": said.description[:MAX_TEXT]}
        if newest.get("status") == state and {key: newest.get(key) or "" for key in told} == told:
            return
        body = without_empty(told) | {"state": state, "name": said.context}
        try:
            self._calls.call("POST", f"{self._project}/statuses/{said.commit}", body)
        except ForgeFailed as error:
            if "Cannot transition status" not in str(error) or f"from :{state}" not in str(error):
                raise

    def requests(self, branch: str) -> list[MergeRequest]:
        """As of Forge."""
        path = f"{self._project}/merge_requests"
        found = self._calls.pages(path, "per_page", state="opened", target_branch=branch)
        return [made for item in found if (made := self._read(item, branch)) is not None]

    def _read(self, item: dict[str, Any], branch: str) -> MergeRequest | None:
        commit, number = commit_of(item.get("sha")), item.get("iid")
        if not commit or not isinstance(number, int) or item.get("target_branch") != branch:
            return None
        source, target = item.get("source_project_id"), item.get("target_project_id")
        return MergeRequest(number, commit, fork=source is None or source != target)

    def ref(self, number: int) -> str:
        """As of Forge."""
        return f"refs/merge-requests/{number}/head"
