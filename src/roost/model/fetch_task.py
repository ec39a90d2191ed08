"""What the pod of an Import is told: one JSON text in the variable ROOST_FETCH, and files that only this pod has.

Made by the source capability, read by `roost.mains.fetch`; its report goes back as the pod's termination message.
"""

from typing import Final, Literal

from pydantic import Field, ValidationError

from roost.model.kinds.forge import API_PATTERN, REPOSITORY_PATTERN
from roost.model.kinds.source import IMAGE_PATTERN
from roost.model.names import APP_PATTERN, TENANT_PATTERN
from roost.model.resource import Model

VARIABLE: Final = "ROOST_FETCH"
PUSH_TOKEN: Final = "push"  # Key of the import's own Secret: what opens the hosted repository.
REGISTRY_TOKEN: Final = "registry"  # Key of the same: what opens the project's images; only where an image is followed.
FORGE: Final = "/run/roost/forge"  # The Secret with the forge's token; no run ever has it.
SOURCE: Final = "/run/roost/source"  # The Secret that the project names; only this pod ever has it.


class FetchTask(Model):
    """One look at a source."""

    tenant: str = Field(pattern=TENANT_PATTERN, max_length=20)
    project: str = Field(pattern=APP_PATTERN, max_length=30)
    type: Literal["git", "svn", "image"]
    url: str = Field("", max_length=500)
    path: str = Field("", max_length=200)
    only: tuple[str, ...] = Field((), max_length=20, description="Subversion: only these parts beneath `path`.")
    branch: str = Field(max_length=200)
    refs: tuple[str, ...] = Field((), max_length=40, description="Full patterns of other refs that come along.")
    tags: str = Field("", max_length=200, description="svn: the folder of tags; empty: none come along.")
    image: str = Field("", max_length=400, pattern=IMAGE_PATTERN, description="The ready image that is followed.")
    registry: str = Field("", max_length=200, description="Host and port of the registry that images are copied to.")
    forge: str = Field("", max_length=20, description="The forge whose merge requests come along; empty: none do.")
    forge_api: str = Field("", max_length=300, pattern=API_PATTERN)
    forge_repository: str = Field("", max_length=200, pattern=REPOSITORY_PATTERN)
    forks: bool = Field(False, description="Merge requests from forks come along as well.")
    git_url: str = Field(max_length=300, description="The git server; the repository's path is added.")
    timeout_s: int = Field(ge=1, le=7200)
    proxy: str = Field("", max_length=300)


class FetchReport(Model):
    """How it went. reason: CamelCase, empty when it went well."""

    ok: bool
    commit: str = Field("", max_length=64)
    revision: str = Field("", max_length=40)
    digest: str = Field("", max_length=71)
    moved: bool = False
    reason: str = Field("", max_length=60)
    message: str = Field("", max_length=1500)


def read(text: str) -> FetchReport | None:
    """The report in a termination message, or None where the pod left none."""
    try:
        return FetchReport.model_validate_json(text)
    except ValidationError:
        return None
