"""What the project capability sees of the cluster. Its kind is `roost.model.kinds.delivery.Project`."""

from datetime import datetime

from pydantic import Field

from roost.model.resource import Model


class SeenRun(Model):
    """A Run of the project that has ended."""

    name: str
    uid: str


class Observed(Model):
    """All that a plan for a Project needs to know."""

    domain: str = "roost.localhost"
    environments: tuple[str, ...] = Field((), description="The tenant's, in the order of promotion.")
    projects: int = Field(1, description="How many the tenant has, this one among them.")
    last_run: str = Field("", description="The newest Run; empty: there is none.")
    last_look: datetime | None = Field(None, description="When the newest Import of its source was made.")
    ended_runs: tuple[SeenRun, ...] = Field((), description="Runs that have ended, the newest first.")
