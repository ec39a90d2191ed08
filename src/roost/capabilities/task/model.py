"""What the task capability sees of the cluster. Its kind is `roost.model.kinds.task.Task`."""

from pydantic import Field

from roost.model.kinds.app import AppSpec
from roost.model.resource import Model
from roost.model.single_pod import SeenPod


class Observed(Model):
    """All that a plan for a Task needs to know."""

    environment: str = Field("", description="Empty: the namespace is no environment of a tenant.")
    app: bool = Field(False, description="The application is there, and stays.")
    release: str = Field("", description="The version that serves; of a task that began, the one it began with.")
    content: AppSpec | None = Field(None, description="What that version is.")
    job: bool = Field(False, description="The Job is there.")
    job_failed: str = Field("", description="Why Kubernetes gave the Job up.")
    pod: SeenPod | None = None
