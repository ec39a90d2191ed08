"""What the forge capability sees of the cluster. Its kind is `roost.model.kinds.forge.CommitStatus`."""

from pydantic import Field

from roost.model.kinds.forge import Forge
from roost.model.resource import Model


class SeenPod(Model):
    """The newest pod of the try that is under way."""

    started: bool = False
    ended: bool = False
    message: str = ""  # Its termination message.
    reason: str = ""


class SeenStatus(Model):
    """Another word on the same run."""

    state: str
    sending: bool = Field(False, description="It is on its way to the forge now.")


class Observed(Model):
    """All that a plan for a CommitStatus needs to know."""

    platform_image: str = ""
    proxy: str = ""
    project: bool = Field(True, description="There is the project.")
    forge: Forge | None = None
    url: str = Field("", description="Of the project's source.")
    token_missing: bool = Field(False, description="The Secret that the project names is not there.")
    job_uid: str = Field("", description="Of the try that is under way; empty: there is none.")
    job_failed: bool = False
    pod: SeenPod | None = None
    others: tuple[SeenStatus, ...] = ()
