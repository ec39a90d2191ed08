"""What the run capability sees of the cluster. Its kind is `roost.model.kinds.delivery.Run`."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from roost.model.build_report import BuildReport
from roost.model.notices import Telling
from roost.model.resource import Model
from roost.model.single_pod import SeenPod
from roost.model.waivers import SeenWaiver


class Platform(Model):
    """What the installation decided, as far as builds depend on it."""

    registry: str = "registry.roost-system.svc:5000"
    git_url: str = "http://roost-git.roost-system.svc:8080"
    builder_image: str = "roost.internal/buildkit:dev"
    platform_image: str = "roost.internal/platform:dev"
    scanner_image: str = "roost.internal/scanner:dev"
    advisories: str = Field("", description="The image that holds the vulnerability database; empty: there is none.")
    mirrors: str = ""
    proxy: str = ""
    max_build_s: int = 1800
    builder_idle_s: int = 1800
    spare_s: int = Field(0, description="Seconds that a pod waits for the next run; 0: none does.")
    signing_key: str = Field("0" * 16, description="Which key signs images now; empty: there is none yet.")


class SeenRun(Model):
    """A Run of the same tenant that has not ended, this one among them."""

    name: str
    created: str
    project: str = ""
    order: int = 0
    started: bool = False
    places: int = Field(2, description="How many runs of its project may go on at once.")


class SeenBuilder(Model):
    """The tenant's builder."""

    uid: str
    image: str
    ended: bool = Field(False, description="It will not come back: failed, evicted.")
    deleting: bool = False


class SeenJob(Model):
    """The Job of the run."""

    uid: str
    complete: bool = False
    failed: str = Field("", description="Why it is given up; empty: it is not.")
    deleting: bool = False


class SeenSpare(Model):
    """A pod of the tenant that was started ahead. `run`: the uid of the Run that took it; empty: it waits."""

    name: str
    uid: str
    version: str = Field("", description="Its resourceVersion: who takes it takes this very one.")
    project: str = Field("", description="The uid of the Project that it waits for.")
    run: str = ""
    shape: str = ""
    made: datetime
    running: bool = False
    ended: bool = False
    deleting: bool = False


class Observed(Model):
    """All that a plan for a Run needs to know."""

    platform: Platform = Platform()
    environments: tuple[str, ...] = Field((), description="The tenant's, in the order of promotion.")
    project_exists: bool = True
    project_uid: str = Field("", description="Of the Project; empty: it is gone.")
    projects: tuple[str, ...] = Field((), description="Names of the tenant's.")
    environment: str = Field("", description="Where the project goes; empty: the first.")
    app: str = Field("", description="What it becomes; empty: named as the project.")
    open_runs: tuple[SeenRun, ...] = Field((), description="Runs of the tenant that have not ended.")
    policy: Literal["parallel", "queue", "cancelOlder"] = Field("parallel", description="Of the project.")
    newer: str = Field("", description="A later Run of the same ref and trigger; empty: there is none.")
    last_ended: str = Field("", description="When the last run of the tenant ended, RFC 3339; empty: none did.")
    builder: SeenBuilder | None = None
    job: SeenJob | None = None
    pod: SeenPod | None = None
    spares: tuple[SeenSpare, ...] = Field((), description="Pods that wait for a run, and the one that this run took.")
    reported: BuildReport | None = Field(None, description="What the pod had brought to the Run before its end.")
    waivers: tuple[SeenWaiver, ...] = Field((), description="Of the project.")
    base_findings: str = Field("", description="Tag of the findings of the branch's last good run.")
    told: Telling = Field(Telling(), description="Who is told how it ends.")
    missing_secrets: tuple[str, ...] = Field((), description="Build secrets that the project names and nobody made.")
    images: dict[str, str] = Field(
        {}, description="Of the steps: as they are named -> by digest; missing: no such one."
    )
    offered: tuple[str, ...] = Field((), description="Bases that steps may name, where one of the images is missing.")
    step_secrets: dict[str, str] = Field({}, description="Of the steps: why each cannot be given; empty: it can be.")
