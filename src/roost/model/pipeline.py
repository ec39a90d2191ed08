"""The steps that a person puts between the scan of a commit and the build of its image: what a pipeline is.

It stands in `roost.yaml` (key `pipeline`), in a Project, or is read from a `.gitlab-ci.yml` with plain scripts; the git
server copies it into the Run when a ref moves, so a Run never changes. There is no field by which a step could promote:
where a run goes is the Project's word alone.
"""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from roost.model.names import SECRET_PATTERN, VARIABLE_PATTERN
from roost.model.resource import Model

STEP_PATTERN: Final = r"^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$"
# `base/python:3.13` or short `python:3.13`: what Roost offers. `<tenant>/<project>:tag`: the tenant's own.
_PART: Final = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
IMAGE_PATTERN: Final = rf"^{_PART}(/{_PART}){{0,3}}(:[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}})?(@sha256:[a-f0-9]{{64}})?$"
# In the workspace; `*` and `**` stand for names. No part of it is `.` or `..`, none begins an option.
PATH_PATTERN: Final = r"^(\.?[A-Za-z0-9_*+@~][A-Za-z0-9_*+@~. -]*)(/\.?[A-Za-z0-9_*+@~][A-Za-z0-9_*+@~. -]*)*$"
CPU_PATTERN: Final = r"^([1-9][0-9]{1,2}m|[1-7][0-9]{3}m|8000m|[1-7](\.[0-9])?|8)$"
MEMORY_PATTERN: Final = r"^([4-9][0-9]Mi|[1-9][0-9]{2,3}Mi|([1-9]|1[0-6])Gi)$"
DEFAULT_IMAGE: Final = "base/debian:trixie"
MOST_STEPS: Final = 16

# What Roost does itself in every run; a person's step has another name.
FETCH: Final = "fetch"
SCAN: Final = "scan"
BUILD: Final = "build"
SIGN: Final = "sign"  # The controller's, as what follows.
PROMOTE: Final = "promote"
BEFORE: Final = (FETCH, SCAN)
AFTER: Final = (BUILD, "bill", "scan-image", SIGN, PROMOTE)
OWN: Final = frozenset([*BEFORE, *AFTER, "step", "steps", "results", "entrypoint", "scanner"])

Path = Annotated[str, Field(pattern=PATH_PATTERN, max_length=200)]


class Variable(Model):
    """A variable that steps see."""

    name: str = Field(pattern=VARIABLE_PATTERN, max_length=127)
    value: str = Field("", max_length=4000)


class StepLimits(Model):
    """The most that a step may take while it runs."""

    cpu: str = Field("2", max_length=5, pattern=CPU_PATTERN, description="Cores: 10m to 8.")
    memory: str = Field("1Gi", max_length=6, pattern=MEMORY_PATTERN, description="Bytes: 40Mi to 16Gi.")


class Step(Model):
    """Commands in an image, in the workspace that all steps of a run share."""

    name: str = Field(pattern=STEP_PATTERN, max_length=30)
    image: str = Field(
        "",
        max_length=300,
        pattern=rf"^$|{IMAGE_PATTERN}",
        description="Empty: the pipeline's. An offered base, or <tenant>/<project>:<tag>.",
    )
    commands: tuple[Annotated[str, Field(min_length=1, max_length=4000)], ...] = Field(
        min_length=1, max_length=50, description="Lines of one shell (sh); the first that fails ends the step."
    )
    env: tuple[Variable, ...] = Field((), max_length=50, description="Variables of this step.")
    secrets: tuple[Annotated[str, Field(pattern=SECRET_PATTERN, max_length=253)], ...] = Field(
        (),
        max_length=10,
        description="Secrets that the project lets steps have, each as a variable: npm-token is NPM_TOKEN.",
    )
    limits: StepLimits = StepLimits()
    timeout_s: int = Field(900, ge=1, le=7200, description="Seconds that one try may take.")
    retry: int = Field(0, ge=0, le=3, description="How often it is tried again after it failed.")
    artefacts: tuple[Path, ...] = Field(
        (), max_length=20, description="Files and folders that are kept, also of a step that fails."
    )
    junit: tuple[Path, ...] = Field((), max_length=10, description="JUnit XML files that tell of tests.")
    cache: tuple[Path, ...] = Field(
        (), max_length=10, description="Files and folders that the project's next run finds again."
    )
    allow_failure: bool = Field(False, description="The run goes on when this step fails.")


class Pipeline(Model):
    """Steps in their order."""

    image: str = Field(DEFAULT_IMAGE, max_length=300, pattern=IMAGE_PATTERN, description="Of steps that name none.")
    env: tuple[Variable, ...] = Field((), max_length=50, description="Variables of all steps.")
    timeout_s: int = Field(3600, ge=10, le=14400, description="Seconds that all steps together may take.")
    steps: tuple[Step, ...] = Field((), max_length=MOST_STEPS)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [step.name for step in self.steps]
        for name in names:
            if name in OWN:
                raise ValueError(f"the name {name!r} is Roost's own; call the step something else")
            if names.count(name) > 1:
                raise ValueError(f"two steps are named {name!r}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Of the steps, in their order."""
        return tuple(step.name for step in self.steps)

    def image_of(self, step: Step) -> str:
        """The image that a step runs in, as it was named."""
        return step.image or self.image

    def at(self, name: str) -> int:
        """The place of a step, from 0; the number of steps for what comes after all (the build)."""
        return self.names.index(name) if name in self.names else len(self.steps)


def repository(image: str, tenant: str) -> tuple[str, str] | None:
    """(repository, tag or digest) of a step's image in the registry; None where the tenant may not have it.

    A name without a slash is one of the offered bases.
    """
    if not re.fullmatch(IMAGE_PATTERN, image):
        return None
    name, _, digest = image.partition("@")
    path, colon, tag = name.rpartition(":")
    if not colon:
        path, tag = name, "latest"
    if "/" not in path:
        path = f"base/{path}"
    if path.split("/", 1)[0] not in ("base", tenant):
        return None
    return path, digest or tag


def variable_of(secret: str) -> str:
    """The variable by which a step has a secret: npm-token -> NPM_TOKEN."""
    name = re.sub(r"[^A-Z0-9]", "_", secret.upper())
    return f"_{name}" if name[0].isdigit() else name


Phase = Literal["Pending", "Running", "Succeeded", "Failed", "Skipped"]


class StepReport(Model):
    """How one step of a run went; Roost's own (fetch, scan, build ...) among them. Their order is the run's."""

    name: str = Field(max_length=30)
    phase: Phase = "Pending"
    exit_code: int | None = Field(None, ge=-1, le=255, description="-1: it was ended by a signal or a limit.")
    seconds: float | None = Field(None, ge=0, description="That it took, with all its tries.")
    tries: int | None = Field(None, ge=1, le=4)
    reason: str | None = Field(None, max_length=30, description="One CamelCase word where it failed.")


class TestReport(Model):
    """What the JUnit files of a run say together."""

    __test__ = False  # No test itself, whatever pytest thinks of its name.

    tests: int = Field(0, ge=0)
    failures: int = Field(0, ge=0)
    errors: int = Field(0, ge=0)
    skipped: int = Field(0, ge=0)
    seconds: float = Field(0, ge=0)
    failed: tuple[Annotated[str, Field(max_length=200)], ...] = Field(
        (), max_length=10, description="The first that failed, by name."
    )
