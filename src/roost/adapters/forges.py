"""The forges that there are, by the name that a project gives."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from roost.adapters.forge import Forge
from roost.adapters.gitea import Gitea
from roost.adapters.github import GitHub
from roost.adapters.gitlab import GitLab


class _Make(Protocol):
    def __call__(self, api: str, repository: str, token: str, trust: Path | None = None, proxy: str = "") -> Forge: ...


FORGES: Final[Mapping[str, _Make]] = {"github": GitHub, "gitea": Gitea, "gitlab": GitLab}
