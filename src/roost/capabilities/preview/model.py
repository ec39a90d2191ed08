"""What the preview capability sees of the cluster. Its kind is `roost.model.kinds.forge.Preview`."""

from datetime import datetime

from pydantic import Field

from roost.model.resource import Model


class Observed(Model):
    """All that a plan for a Preview needs to know."""

    lifetime_h: int = Field(168, description="The project's word.")
    wanted: bool = Field(True, description="The project still tries this ref out.")
    run: str = Field("", description="The newest Run of the ref; empty: there is none yet.")
    run_phase: str = ""
    run_message: str = ""
    last_run: datetime | None = Field(None, description="When that was made.")
    app_uid: str = Field("", description="Of the preview's own App; empty: there is none.")
    app_deleting: bool = False
    url: str = ""
    live: bool = False
