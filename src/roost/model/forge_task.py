"""What the pod of a CommitStatus is told: one JSON text in the variable ROOST_FORGE; the token is a file.

Made by the forge capability, read by `roost.mains.forge`; its report goes back as the pod's termination message.
"""

from typing import Final, Literal

from pydantic import Field, ValidationError

from roost.model.kinds.forge import API_PATTERN, COMMIT_PATTERN, REPOSITORY_PATTERN
from roost.model.resource import Model

VARIABLE: Final = "ROOST_FORGE"


class ForgeTask(Model):
    """One word to a forge."""

    type: Literal["gitlab", "github", "gitea"]
    api: str = Field(max_length=300, pattern=API_PATTERN)
    repository: str = Field(max_length=200, pattern=REPOSITORY_PATTERN)
    commit: str = Field(pattern=COMMIT_PATTERN, max_length=64)
    state: Literal["pending", "success", "failure"]
    context: str = Field(max_length=100)
    description: str = Field("", max_length=255)
    url: str = Field("", max_length=500)
    proxy: str = Field("", max_length=300)


class ForgeReport(Model):
    """How it went. lasting: trying again does not help."""

    ok: bool
    reason: str = Field("", max_length=60)
    message: str = Field("", max_length=1500)
    lasting: bool = False


def read(text: str) -> ForgeReport | None:
    """The report in a termination message, or None where the pod left none."""
    try:
        return ForgeReport.model_validate_json(text)
    except ValidationError:
        return None
