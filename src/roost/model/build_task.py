"""What a run pod is told: one JSON text in the variable ROOST_TASK, and files that only this pod has.

A pod that waits for a run is told later, by the same text in the file that the variable ROOST_ORDER names.

Made by the run capability, read by `roost.mains.step`. Nothing secret stands in it: the token for git and the
registry's are files of the Secret of the run.
"""

from typing import Final, Literal

from pydantic import Field

from roost.model.kinds.delivery import Build
from roost.model.kinds.scan import Scan
from roost.model.kinds.triggers import Values
from roost.model.names import APP_PATTERN, TENANT_PATTERN
from roost.model.pipeline import STEP_PATTERN, Pipeline
from roost.model.resource import Model

VARIABLE: Final = "ROOST_TASK"
ORDER_VARIABLE: Final = "ROOST_ORDER"
ORDER: Final = "/run/roost/order"  # Folder with the file `task`; empty until there is a run for the pod.
CREDENTIALS: Final = "/run/roost/credentials"  # The Secret of the run.
FETCH_TOKEN: Final = "fetch"  # Key: the token for the git server.
REGISTRY_TOKEN: Final = "registry"  # Key: the access token for the registry.
REPORT_KEY: Final = "report"  # Key: what the pod seals its report with; missing: its end alone tells.
DOCKER_CONFIG: Final = "config.json"  # Key: the same, as buildctl reads it.
TRUST: Final = "/etc/roost/trust"  # ConfigMap: ca.crt (the platform's own authority), bundle.crt (the site's as well).
WORK: Final = "/work"
ASKED: Final = "/scan/asked"  # What the step asks the scanner beside it; only the step writes there.
TOLD: Final = "/scan/told"  # What the scanner answers; only the scanner writes there.


class Task(Model):
    """One build."""

    tenant: str = Field(pattern=TENANT_PATTERN, max_length=20)
    project: str = Field(pattern=APP_PATTERN, max_length=30)
    commit: str = Field(pattern=r"^[0-9a-f]{40,64}$", max_length=64)
    attempt: int = Field(ge=1)
    build: Build = Build()
    scan: Scan = Scan()
    parameters: Values = Field({}, description="Build arguments, and variables of the steps.")
    run: str = Field("", max_length=63, description="The Run's name: what is kept of it is named so.")
    uid: str = Field("", max_length=63, description="The Run's uid: its report is of this very Run.")
    pipeline: Pipeline = Field(Pipeline(), description="The steps, without their commands, which are others' to run.")
    rights: Literal["full", "reduced"] = "full"
    remarks: tuple[str, ...] = Field((), max_length=30, description="What of the definition is not supported.")
    problem: str = Field("", max_length=2000, description="Why the definition cannot be used.")
    origin: str = Field("", max_length=63, description="The run whose workspace is taken over.")
    start_at: str = Field("", max_length=30, pattern=rf"^$|{STEP_PATTERN}")
    waived: tuple[str, ...] = Field((), max_length=1000, description="Fingerprints of findings that may stay.")
    scanner: bool = Field(False, description="Whether there is a scanner beside the step.")
    advisories: str = Field("", max_length=100, description="Its vulnerability database; empty: there is none.")
    base_findings: str = Field(
        "", max_length=128, description="Tag of the findings of the last successful run; empty: there was none."
    )
    git_url: str = Field(max_length=300, description="The git server; the repository's path is added.")
    registry: str = Field(max_length=200, description="Host and port.")
    builder: str = Field(max_length=200, description="The builder's address, tcp://host:port.")
    timeout_s: int = Field(ge=1, le=7200, description="Seconds from the start of the pod.")
    mirrors: str = Field("", max_length=2000, description="`pip=URL`, divided by spaces.")
    proxy: str = Field("", max_length=300)

    @property
    def repository(self) -> str:
        """Where the image goes, without tag."""
        return f"{self.registry}/{self.tenant}/{self.project}"

    @property
    def tag(self) -> str:
        """A tag that people can read; what runs is named by digest."""
        return f"run-{self.attempt}-{self.commit[:12]}"
