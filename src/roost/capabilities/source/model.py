"""What the source capability sees of the cluster. Its kind is `roost.model.kinds.source.Import`."""

from pydantic import Field

from roost.model.history import Past
from roost.model.kinds.delivery import ProjectSpec
from roost.model.resource import Model
from roost.model.single_pod import SeenPod


class Observed(Model):
    """All that a plan for an Import needs to know."""

    platform_image: str = ""
    git_url: str = ""
    registry: str = ""
    registries: tuple[str, ...] = Field((), description="Foreign registries that the tenant may take images from.")
    projects: tuple[str, ...] = Field((), description="The tenant's, where an image is followed.")
    proxy: str = ""
    project: ProjectSpec | None = Field(None, description="None: there is none, or it is on its way out.")
    credentials_missing: bool = Field(False, description="The Secret that the project names is not there.")
    job_uid: str = Field("", description="Of the import's Job; empty: there is none.")
    job_failed: bool = False
    pod: SeenPod | None = None
    others: tuple[Past, ...] = Field((), description="Of the same project, the oldest first.")
