"""What the app capability sees of the cluster. Its kinds, App and Release, are in `roost.model.kinds.app`."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from roost.model.kinds.app import AppSpec, Counters
from roost.model.kinds.images import RefusedImage
from roost.model.resource import Model

RUNTIME = "roost.dev/runtime"  # Annotation of pods: digest of what makes an instance what it is.
SHAPE = "roost.dev/shape"  # Annotation of pods: the number of the shape that they were made in; without it, 1.
MOVED = "roost.dev/moved"  # Annotation of pods: the instance on a leaving node in whose place they were made.
RELEASE_COMMAND = "release-command"  # Label value; processes have no hyphen, so it is none of them.


class SeenRelease(Model):
    """A Release of this App."""

    number: int
    name: str
    uid: str = ""
    made: datetime | None = None
    digest: str
    phase: Literal["Pending", "Live", "Failed", "Superseded", "Aborted"] | None = None
    served: bool = Field(False, description="It was live at some time.")
    content: AppSpec


class SeenDeployment(Model):
    """The Deployment of a process, as far as its controller has told."""

    process: str
    release: str = ""  # Of its template.
    runtime: str = ""
    shape: int = Field(1, description="What its instances look like; see manifests/deployment.py.")
    moved: str = Field("", description="The instance on a leaving node in whose place its instances are.")
    settled: bool = True  # The controller has seen the newest spec.
    wanted: int = 0  # Replicas of the spec.
    replicas: int = 0
    updated: int = 0
    available: int = 0
    stuck: bool = False  # Past its progress deadline.
    refusal: str = ""  # Why pods cannot be made (quota, admission).
    refusal_is_old: bool = Field(False, description="It names a ReplicaSet that the newest template is not of.")


class SeenPod(Model):
    """An instance."""

    name: str
    address: str = ""
    node: str = ""
    process: str
    runtime: str = ""
    moved: str = Field("", description="The instance in whose place it was made.")
    phase: str = "Pending"
    ready: bool = False
    started: bool = False  # The container passed its start check.
    terminating: bool = False
    restarts: int = 0
    waiting: str = ""  # Why the container waits.
    waiting_message: str = ""
    exit_code: int | None = None  # Of the last end.
    exit_reason: str = ""
    last_words: str = ""  # The last lines that it logged before it ended.
    lived_s: int | None = Field(None, description="Seconds from its last start to its last end.")
    unschedulable: str = ""
    running_since: datetime | None = None


class LeavingNode(Model):
    """A node that is about to be emptied."""

    name: str
    since: datetime | None = Field(None, description="When that was said; None: nobody noted it.")


class SeenJob(Model):
    """The release command of a Release."""

    release: str
    state: Literal["running", "succeeded", "failed"] = "running"
    message: str = ""


class SeenRoute(Model):
    """The route to the App, as far as the gateway has told."""

    taken: bool = Field(False, description="The gateway has accepted it as it stands.")
    since: datetime | None = Field(None, description="When it first did.")


class Observed(Model):
    """All that a plan for an App needs to know."""

    tenant: str = ""
    environment: str = ""
    domain: str = "roost.localhost"
    helped: bool = Field(False, description="The platform tells instances that end whether the gateway leads to them.")
    gated: bool = Field(False, description="Versions come into this environment by promotion only.")
    refused: RefusedImage | None = Field(None, description="Why the App's image may not run here; None: it may.")
    releases: tuple[SeenRelease, ...] = Field((), description="By number.")
    secret: dict[str, str] = Field(default_factory=dict, description="Secret `<app>-config`: base64 values.")
    secret_salt: str = Field("", description="What the version of that Secret is made with.")
    copied: bool = Field(False, description="The App's version of secret configuration has its copy.")
    deployments: tuple[SeenDeployment, ...] = ()
    pods: tuple[SeenPod, ...] = ()
    leaving: tuple[LeavingNode, ...] = Field((), description="Nodes with instances of it.")
    jobs: tuple[SeenJob, ...] = ()
    route: SeenRoute | None = None
    granted: tuple[str, ...] = Field((), description="Host names outside the domain that the environment was granted.")
    claimed: dict[str, str] = Field({}, description="Of these, those that an older App of the environment has.")
    vulnerable: str = Field("", description="What became known of the version that serves; empty: nothing is open.")
    traffic: dict[str, Counters] = Field(
        default_factory=dict, description="What the gateways counted, by process; without one that they do not tell of."
    )
