"""Project, Run, Promotion: from a repository to an App."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from roost.model.contributors import Written
from roost.model.kinds.app import Artefact, Process
from roost.model.kinds.forge import Forge, Previews
from roost.model.kinds.scan import Scan
from roost.model.kinds.source import Source
from roost.model.kinds.triggers import Concurrency, Environment, Parameter, Triggers, Values, resolve
from roost.model.names import APP_PATTERN, ENVIRONMENT_PATTERN, SECRET_PATTERN
from roost.model.pipeline import OWN, STEP_PATTERN, Pipeline, StepReport, TestReport
from roost.model.resource import Model, Resource, StatusModel
from roost.model.settings_difference import MOST as MOST_DIFFERENCES
from roost.model.settings_difference import SettingDifference

# What git itself refuses in a branch's name, as far as a pattern can say it: Runs and HEAD are made of it.
BRANCH_PATTERN = r"^[^\x00-\x20\x7f~^:?*\[\\/.-]([^\x00-\x20\x7f~^:?*\[\\]*[^\x00-\x20\x7f~^:?*\[\\/.])?$"


class Build(Model):
    """How the image is made. Empty fields: what the repository says."""

    strategy: Literal["auto", "containerfile", "python", "node", "go", "java", "static", "image"] = Field(
        "auto",
        description="auto: a Containerfile where there is one, else the language that the files show."
        " image: nothing is built, the commit names a ready image; so it is where the source is one.",
    )
    context: str = Field(
        "",
        max_length=200,
        pattern=r"^([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?$",
        description="A sub-directory of the repository.",
    )
    containerfile: str = Field("", max_length=200, description="Path of the Containerfile in the context.")
    start: str = Field("", max_length=500, description="The start command of web where the repository brings none.")
    port: int = Field(8080, ge=1, le=65535, description="Where web listens ($PORT).")
    timeout_s: int = Field(1800, ge=10, le=7200, description="Seconds that a build may take.")
    secrets: tuple[Annotated[str, Field(pattern=SECRET_PATTERN, max_length=253)], ...] = Field(
        (), max_length=20, description="Secrets of the build namespace, mounted for RUN only, by name."
    )


class ProjectSpec(Model):
    """A repository and what becomes of a push to it."""

    source: Source = Field(Source(), description="Where the code is; by default it is pushed to Roost.")
    branch: str = Field(
        "main", max_length=200, pattern=BRANCH_PATTERN, description="Pushes to this branch are built and deployed."
    )
    build: Build = Build()
    scan: Scan = Field(Scan(), description="What a commit must not hold.")
    pipeline: Pipeline = Field(
        Pipeline(), description="Steps between scan and build; without any, those of the commit's roost.yaml."
    )
    step_secrets: tuple[Annotated[str, Field(pattern=SECRET_PATTERN, max_length=253)], ...] = Field(
        (),
        max_length=20,
        description="Secrets of the build namespace (key `value`) that steps may name, in runs of `branch` alone.",
    )
    environment: str = Field(
        "", max_length=12, description="Where a successful run goes; empty: the tenant's first environment."
    )
    app: str = Field(
        "",
        max_length=30,
        pattern=rf"^({APP_PATTERN[1:-1]})?$",
        description="The App it becomes; empty: one named as the project.",
    )
    forge: Forge | None = Field(
        None, description="The forge that the source's url belongs to; results are written back to it."
    )
    previews: Previews = Field(Previews(), description="Merge requests that get an application of their own.")
    triggers: Triggers = Field(Triggers(), description="What starts a run.")
    parameters: tuple[Parameter, ...] = Field((), max_length=20, description="What a run may be given.")
    concurrency: Concurrency = Field(Concurrency(), description="How its runs meet.")

    @property
    def built(self) -> Build:
        """How a run builds; of a ready image, nothing."""
        return self.build.model_copy(update={"strategy": "image"}) if self.source.type == "image" else self.build

    @model_validator(mode="after")
    def _parameters_fit(self) -> Self:
        if len({item.name for item in self.parameters}) < len(self.parameters):
            raise ValueError("two parameters have the same name")
        for schedule in self.triggers.schedules:
            resolve(self.parameters, schedule.parameters)
        return self


class ScheduleStatus(StatusModel):
    """What is known of a schedule."""

    name: str = Field(max_length=30)
    rule: str = Field(max_length=200, description="Expression and zone that `last` speaks of.")
    last: str = Field(max_length=40, description="When it was due last, or since when it stands; RFC 3339.")
    next: str | None = Field(None, max_length=40, description="When it is due next; RFC 3339.")


class ImageStatus(StatusModel):
    """What is known of an image that is looked after."""

    name: str = Field(max_length=200)
    digest: str = Field(max_length=100, description="The digest that the last run, or the first look, met.")


class Edit(Model):
    """Somebody changed how a project builds, or where that goes."""

    person: str = Field("", max_length=100, description="Empty: not said.")
    at: str = Field(max_length=40, description="When that was seen; RFC 3339.")


class ProjectStatus(StatusModel):
    """What came of it."""

    definition: str | None = Field(
        None, max_length=64, description="Digest of how it builds and where that goes, as `edits` knows it."
    )
    edits: tuple[Edit, ...] = Field((), max_length=20, description="The newest changes of that, in order.")
    repository: str | None = Field(None, max_length=300, description="Where to push to.")
    last_run: str | None = Field(None, max_length=63)
    schedules: tuple[ScheduleStatus, ...] = Field((), max_length=10)
    images: tuple[ImageStatus, ...] = Field((), max_length=10)


class Project(Resource):
    """A hosted repository that builds into an application."""

    KIND: ClassVar[str] = "Project"
    PLURAL: ClassVar[str] = "projects"
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Branch", ".spec.branch", "string"),
        ("Last run", ".status.lastRun", "string"),
        ("Ready", '.status.conditions[?(@.type=="Ready")].status', "string"),
        ("Age", ".metadata.creationTimestamp", "date"),
    )
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            f"self.metadata.name.matches('{APP_PATTERN}')",
            "A project's name has 1 to 30 lower-case letters, digits and hyphens, a letter first.",
        ),
        (
            "!has(self.spec.pipeline) || !has(self.spec.pipeline.steps) || self.spec.pipeline.steps.all(a,"
            f" !(a.name in {sorted(OWN)}) && self.spec.pipeline.steps.exists_one(b, b.name == a.name))",
            "Two steps have the same name, or one has a name of Roost's own steps (fetch, scan, build, sign ...).",
        ),
        (
            "!has(self.spec.source) || !has(self.spec.source.type)"
            " || (self.spec.source.type in ['git', 'svn'])"
            " == (has(self.spec.source.url) && self.spec.source.url != '')",
            "A source of type git or svn has a url; the others have none.",
        ),
        (
            "!has(self.spec.source) || !has(self.spec.source.type)"
            " || (self.spec.source.type == 'image') == (has(self.spec.source.image) && self.spec.source.image != '')",
            "A source of type image has an image; the others have none.",
        ),
        (
            "!has(self.spec.forge) || (has(self.spec.source) && self.spec.source.type == 'git')",
            "Only a project that follows git has a forge.",
        ),
        (
            "!has(self.spec.source) || self.spec.source.type == 'svn'"
            " || ((!has(self.spec.source.path) || self.spec.source.path == '')"
            " && (!has(self.spec.source.only) || size(self.spec.source.only) == 0))",
            "Only a source of type svn has a path, and `only`.",
        ),
        (
            "!has(self.spec.source) || !has(self.spec.source.url) || self.spec.source.url == ''"
            " || (self.spec.source.type == 'git' && !self.spec.source.url.startsWith('svn://'))"
            " || (self.spec.source.type == 'svn' && !self.spec.source.url.startsWith('ssh://'))",
            "git speaks https, http and ssh here; Subversion https, http and svn.",
        ),
    )

    spec: ProjectSpec = ProjectSpec()
    status: ProjectStatus = ProjectStatus()


class Rerun(Model):
    """A person's wish to run the steps of a run again."""

    number: int = Field(0, ge=0, le=100, description="How many were wished for; a higher one starts another.")
    step: str = Field(
        "", max_length=30, pattern=rf"^$|{STEP_PATTERN}", description="The first that runs again; empty: all do."
    )


class RunSpec(Model):
    """One execution; only `cancel` may change."""

    project: str = Field(pattern=APP_PATTERN, max_length=30)
    ref: str = Field(max_length=250, description="The full ref, e.g. refs/heads/main.")
    commit: str = Field(pattern=r"^[0-9a-f]{40,64}$", max_length=64)
    attempt: int = Field(1, ge=1, description="Which move of the ref this is.")
    author: str = Field("", max_length=100, description="Who pushed.")
    build: Build = Field(Build(), description="The project's build as it stood when the ref moved.")
    scan: Scan = Field(Scan(), description="The project's scan as it stood when the ref moved.")
    pipeline: Pipeline = Field(Pipeline(), description="The steps of the commit, as they stood when the ref moved.")
    step_secrets: tuple[Annotated[str, Field(pattern=SECRET_PATTERN, max_length=253)], ...] = Field(
        (), max_length=20, description="What steps may name; the project's word when the ref moved."
    )
    rights: Literal["full", "reduced"] = Field(
        "full",
        description="reduced: the commit is not in the project's branch. No step and no build has a secret.",
    )
    remarks: tuple[Annotated[str, Field(max_length=300)], ...] = Field(
        (), max_length=30, description="What of the definition is not supported, with its line."
    )
    problem: str = Field("", max_length=2000, description="Why the definition cannot be used; the run fails with it.")
    origin: str = Field("", max_length=63, description="The run that this one repeats.")
    repeated_by: tuple[Annotated[str, Field(max_length=100)], ...] = Field(
        (), max_length=20, description="Who wished for it, and for those that it repeats."
    )
    start_at: str = Field(
        "",
        max_length=30,
        pattern=rf"^$|{STEP_PATTERN}",
        description="The first step that runs; those before are taken from `origin`.",
    )
    rerun: Rerun = Field(Rerun(), description="Set by a person when it is over; makes another run.")
    sequence: int = Field(0, ge=0, description="Which move of the whole project this is; 0: `attempt` says it.")
    cause: Literal["push", "manual", "schedule", "image"] = Field("push", description="What started it.")
    trigger: str = Field("", max_length=200, description="Which schedule or image.")
    parameters: Values = Field({}, description="The value of each parameter that the project declared.")
    promote: bool = Field(True, description="Whether a successful run is brought into an environment.")
    environment: Environment = Field("", description="Which one; empty: where the project goes.")
    preview: str = Field("", max_length=63, description="The Preview that it is for.")
    app: str = Field(
        "",
        max_length=30,
        pattern=rf"^({APP_PATTERN[1:-1]})?$",
        description="The App it becomes; empty: the project's.",
    )
    cancel: bool = False

    @property
    def order(self) -> int:
        """Later moves of the project have higher numbers."""
        return self.sequence or self.attempt


class RunStatus(StatusModel):
    """How far it is."""

    phase: Literal["Pending", "Building", "Succeeded", "Failed", "Cancelled"] | None = None
    step: str | None = Field(None, max_length=60)
    started_at: str | None = Field(None, max_length=40)
    finished_at: str | None = Field(None, max_length=40)
    spare: str | None = Field(None, max_length=63, description="The pod that had waited and serves this run.")
    artefact: Artefact | None = None
    processes: tuple[Process, ...] = Field((), max_length=10)
    release_command: tuple[str, ...] = Field((), max_length=50)
    detected: str | None = Field(None, max_length=2000, description="What was detected and why.")
    findings: int | None = Field(None, ge=0, description="How many the scan found; `roost findings` tells them.")
    signed_by: str | None = Field(None, max_length=16, description="Which of the platform's keys signed the image.")
    steps: tuple[StepReport, ...] = Field((), max_length=30, description="All steps in their order.")
    tests: TestReport | None = Field(None, description="What the JUnit files of all steps say.")
    reruns: int | None = Field(None, ge=0, description="How many wishes for a rerun were followed.")
    rerun: str | None = Field(None, max_length=63, description="The newest run that repeats this one.")
    promotion: str | None = Field(None, max_length=130, description="`<namespace>/<name>` of the Promotion it led to.")


class Run(Resource):
    """One build of one commit; ends in a digest."""

    KIND: ClassVar[str] = "Run"
    PLURAL: ClassVar[str] = "runs"
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Project", ".spec.project", "string"),
        ("Commit", ".spec.commit", "string"),
        ("Phase", ".status.phase", "string"),
        ("Age", ".metadata.creationTimestamp", "date"),
    )
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            "self.spec.pipeline == oldSelf.spec.pipeline && self.spec.stepSecrets == oldSelf.spec.stepSecrets"
            " && self.spec.rights == oldSelf.spec.rights && self.spec.remarks == oldSelf.spec.remarks"
            " && self.spec.problem == oldSelf.spec.problem && self.spec.origin == oldSelf.spec.origin"
            " && self.spec.startAt == oldSelf.spec.startAt"
            " && self.spec.repeatedBy == oldSelf.spec.repeatedBy",
            "A run never changes; only cancel and rerun may be set.",
        ),
        (
            "self.spec.project == oldSelf.spec.project && self.spec.ref == oldSelf.spec.ref"
            " && self.spec.commit == oldSelf.spec.commit && self.spec.attempt == oldSelf.spec.attempt"
            " && self.spec.author == oldSelf.spec.author && self.spec.build == oldSelf.spec.build"
            " && self.spec.scan == oldSelf.spec.scan && self.spec.sequence == oldSelf.spec.sequence"
            " && self.spec.cause == oldSelf.spec.cause && self.spec.trigger == oldSelf.spec.trigger"
            " && self.spec.parameters == oldSelf.spec.parameters && self.spec.promote == oldSelf.spec.promote"
            " && self.spec.environment == oldSelf.spec.environment && self.spec.preview == oldSelf.spec.preview"
            " && self.spec.app == oldSelf.spec.app",
            "A run never changes; only cancel may be set.",
        ),
    )

    spec: RunSpec
    status: RunStatus = RunStatus()


class PromotionSpec(Model):
    """Bring this artefact into this environment: the only way a pipeline changes an App."""

    app: str = Field(pattern=APP_PATTERN, max_length=30)
    artefact: Artefact
    processes: tuple[Process, ...] = Field(
        (), max_length=10, description="What the build says; scale and resources stay the App's."
    )
    release_command: tuple[str, ...] = Field((), max_length=50)
    run: str = Field("", max_length=63)
    sequence: int = Field(0, ge=0, description="Later moves win: an older one never replaces a newer.")
    source_environment: str = Field("", max_length=12, pattern=rf"^({ENVIRONMENT_PATTERN[1:-1]})?$")
    author: str = Field("", max_length=100)
    preview: str = Field("", max_length=63, description="The Preview that the App is for; it goes with that.")


class PromotionStatus(StatusModel):
    """What came of it."""

    phase: Literal["Pending", "Applied", "Superseded", "Refused"] | None = None
    release: str | None = Field(None, max_length=63)
    differences: tuple[SettingDifference, ...] = Field(
        (), max_length=MOST_DIFFERENCES, description="What this environment sets differently from where it comes from."
    )
    let_in: str | None = Field(
        None, max_length=700, description="Who let it in while the environment was frozen, and why."
    )
    written: Written | None = Field(None, description="Who wrote it, where the environment wants four eyes.")


class Promotion(Resource):
    """An artefact on its way into an environment."""

    KIND: ClassVar[str] = "Promotion"
    PLURAL: ClassVar[str] = "promotions"
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("App", ".spec.app", "string"),
        ("Phase", ".status.phase", "string"),
        ("Run", ".spec.run", "string"),
        ("Age", ".metadata.creationTimestamp", "date"),
    )
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("self.spec == oldSelf.spec", "A promotion never changes; make a new one."),
    )

    spec: PromotionSpec
    status: PromotionStatus = PromotionStatus()
