"""What the project capability sees of the cluster. Its kind is `roost.model.kinds.delivery.Project`."""

from datetime import datetime

from pydantic import Field

from roost.model.kinds.delivery import RunSpec
from roost.model.resource import Model


def may_follow(image: str, tenant: str) -> bool:
    """Whether a project of that tenant may look after an image: one that the platform offers, or the tenant's own."""
    return image.startswith(("base/", f"{tenant}/"))


class SeenRun(Model):
    """A Run of the project."""

    name: str
    uid: str
    commit: str = ""
    created: datetime | None = None
    ended: bool = True
    phase: str = ""
    message: str = ""
    preview_app: str = Field("", description="The App that it becomes, where it is for a preview.")
    environment: str = ""


class Observed(Model):
    """All that a plan for a Project needs to know."""

    domain: str = "roost.localhost"
    environments: tuple[str, ...] = Field((), description="The tenant's, in the order of promotion.")
    projects: int = Field(1, description="How many the tenant has, this one among them.")
    last_run: str = Field("", description="The newest Run; empty: there is none.")
    last_look: datetime | None = Field(None, description="When the newest Import of its source was made.")
    ended_runs: tuple[SeenRun, ...] = Field((), description="Runs that have ended, the newest first.")
    runs: tuple[SeenRun, ...] = Field((), description="The newest, where the project's forge is told of them.")
    told: tuple[str, ...] = Field((), description="Names of the CommitStatuses that there are.")
    previews: tuple[str, ...] = Field((), description="Environments that take previews.")
    head: RunSpec | None = Field(None, description="The newest Run of the project's branch: where the branch stands.")
    head_run: str = Field("", description="Its name.")
    open_schedules: tuple[str, ...] = Field((), description="Schedules whose last run has not ended.")
    digests: dict[str, str] = Field({}, description="Of the images that are looked after, as the registry has them.")
