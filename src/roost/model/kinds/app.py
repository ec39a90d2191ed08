"""App: the only intent of an application in an environment. Release copies its content; Deployments follow the
Release."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from roost.model.difference import MAX_PATH, MAX_VALUE, Change
from roost.model.names import APP_PATTERN, PROCESS_PATTERN, QUANTITY_PATTERN, VARIABLE_PATTERN
from roost.model.resource import Model, Resource, StatusModel

# No part of the path climbs out (`..`): a prefix of it says whose the image is.
IMAGE_PATTERN = r"^[a-z0-9.:-]+(/[a-z0-9]+([._-]+[a-z0-9]+)*)+(:[A-Za-z0-9._-]+)?@sha256:[a-f0-9]{64}$"


class Artefact(Model):
    """What runs: an image by digest, and where it came from."""

    image: str = Field(
        pattern=IMAGE_PATTERN, max_length=400, description="repository[:tag]@sha256:... ; deploys are by digest only."
    )
    commit: str = Field("", max_length=64, description="The commit or revision that it was built from.")
    run: str = Field("", max_length=63, description="The Run that built it.")
    runs_as_root: bool = Field(
        False, description="The image runs as root: its instances get a user namespace of their own."
    )


class Resources(Model):
    """What one instance gets. Kubernetes quantities; memory is request and limit alike."""

    cpu: str = Field("100m", max_length=20, pattern=QUANTITY_PATTERN, description="CPU requested, in cores.")
    cpu_limit: str = Field(
        "",
        max_length=20,
        pattern=rf"^$|{QUANTITY_PATTERN}",
        description="CPU limit in cores; empty: none but the environment's.",
    )
    memory: str = Field("256Mi", max_length=20, pattern=QUANTITY_PATTERN, description="Memory, in bytes.")


class Health(Model):
    """How an instance shows that it serves. Without `path` the port must accept connections."""

    path: str = Field("", max_length=200, pattern=r"^(/.*)?$", description="HTTP path that answers below 400.")
    start_s: int = Field(60, ge=5, le=3600, description="Seconds that a start may take.")


class Process(Model):
    """One kind of process, e.g. web or worker."""

    name: str = Field(pattern=PROCESS_PATTERN, max_length=15)
    command: tuple[str, ...] = Field((), max_length=50, description="argv; empty: what the image says.")
    port: int | None = Field(
        None, ge=1, le=65535, description="Where it listens; a process named web with a port gets the URL."
    )
    replicas: int = Field(1, ge=0, le=200, description="Instances.")
    resources: Resources = Resources()
    health: Health = Health()
    grace_s: int = Field(30, ge=0, le=3600, description="Seconds that an instance has to end after SIGTERM.")
    drain_s: int = Field(
        30,
        ge=0,
        le=3600,
        description="Seconds, before SIGTERM, that requests under way have to end once the gateway sends no more.",
    )


class Variable(Model):
    """One variable of the environment that the processes see."""

    name: str = Field(pattern=VARIABLE_PATTERN, max_length=127)
    value: str = Field("", max_length=32768)


class History(Model):
    """Which versions stay. One goes when it is beyond `count`, older than `days` and not pinned."""

    count: int = Field(50, ge=1, le=200, description="The newest versions that stay in any case.")
    days: int = Field(30, ge=0, le=3650, description="Versions younger than so many days stay, up to 500 in all.")
    pins: tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...] = Field(
        (), max_length=50, description="Numbers of versions that stay for good."
    )


# How an application is handled at the moment: what is asked of it, and no part of what a version is.
class Checks(Model):
    """What a new version must show in every step. It is measured at the gateway."""

    error_percent: int = Field(5, ge=0, le=100, description="Most requests in a hundred that may fail (500 and above).")
    latency_ms: int = Field(0, ge=0, le=10_000, description="Milliseconds; 0: not looked at.")
    slow_percent: int = Field(5, ge=0, le=100, description="Most requests in a hundred that may take longer.")
    min_requests: int = Field(
        20, ge=1, le=100_000, description="Fewer requests in a step say nothing; then only readiness counts."
    )


class Step(Model):
    """A share of the requests, for a while."""

    weight: int = Field(ge=1, le=99, description="Percent of the requests.")
    hold_s: int = Field(60, ge=1, le=86_400, description="Seconds that the checks must hold.")


class Rollout(Model):
    """How a new version takes over. Versions that served before come back at once, whatever is said here."""

    strategy: Literal["rolling", "blueGreen", "canary"] = Field(
        "rolling",
        description="rolling: one instance after the other. blueGreen: all at once, when every instance is ready; the "
        "old ones stay for the last step's time. canary: by steps. The last two need room for twice the instances.",
    )
    steps: tuple[Step, ...] = Field(
        (Step(weight=5), Step(weight=25), Step(weight=50)), max_length=20, description="Of a canary, in order."
    )
    bake_s: int = Field(60, ge=0, le=86_400, description="Seconds with all requests before the old instances go.")
    checks: Checks = Checks()
    automatic_rollback: bool = Field(True, description="Take a version back whose checks fail; else it stops there.")
    pause: bool = Field(False, description="Before it takes all requests, wait for `roost rollout promote`.")
    promote: int = Field(0, ge=0, le=1_000_000, description="The number of a version that need not wait any longer.")
    abort: int = Field(0, ge=0, le=1_000_000, description="The number of a version that is taken back, for good.")


class Slo(Model):
    """A service level objective: what share of requests is answered, below 500, over a window."""

    availability: str = Field(
        "", max_length=7, pattern=r"^(9[0-9](\.[0-9]{1,3})?)?$", description="Percent, e.g. 99.9; empty: no promise."
    )
    window_days: int = Field(30, ge=1, le=90, description="Days over which it counts.")


HANDLED: Final = ("stopped", "hold", "history")
STEERED: Final = ("promote", "abort")  # Of `rollout`: words about one version.


class AppSpec(Model):
    """The whole intent. All but what HANDLED and STEERED name is part of a version: a change of it makes one."""

    artefact: Artefact | None = Field(None, description="Nothing runs before there is one.")
    processes: tuple[Process, ...] = Field((Process(name="web", port=8080),), min_length=1, max_length=10)
    release_command: tuple[str, ...] = Field(
        (), max_length=50, description="argv, run once before a version goes live."
    )
    config: tuple[Variable, ...] = Field((), max_length=300, description="Plain configuration, sorted by name.")
    secret_version: str = Field(
        "", max_length=64, description="Digest of the secret configuration (Secret `<app>-config`); set by the API."
    )
    domains: tuple[str, ...] = Field((), max_length=15, description="More host names that lead here.")
    history: History = Field(History(), description="Which versions one can go back to.")
    rollout: Rollout = Field(Rollout(), description="How a new version takes over.")
    slo: Slo = Field(
        Slo(), description="What the application promises; new versions slow down or stop when it is missed."
    )
    stopped: bool = Field(False, description="Keep everything, run nothing.")
    hold: str = Field(
        "", max_length=200, description="Why automatic promotion pauses (set by a rollback); empty: it does not."
    )


class Counters(Model):
    """What the gateways counted of a service until a moment. Counts only ever grow, but for a gateway's restart."""

    requests: int = Field(0, ge=0, description="Requests.")
    errors: int = Field(0, ge=0, description="Of these, answered by 500 or above, or not at all.")
    slow: int = Field(0, ge=0, description="Of these, answered later than the bound of the checks.")


class RolloutStatus(Model):
    """How far a new version is that takes over by steps."""

    release: str = Field(max_length=63, description="The version.")
    phase: Literal["Starting", "Testing", "Paused", "Replacing", "Live", "Aborted"] = Field(
        description="Starting: its instances begin, without requests. Testing: it has its step's share of them. "
        "Paused: until `roost rollout promote`. Replacing: it has all, and the old instances are replaced."
    )
    step: int = Field(0, ge=0, le=20, description="Which step, from 1.")
    weight: int = Field(0, ge=0, le=100, description="Its share of requests, in percent.")
    since: str = Field("", max_length=40, description="When that began.")
    before: Counters = Field(Counters(), description="What the gateways had counted of it then.")
    message: str = Field("", max_length=1000, description="What it waits for, or why it was taken back.")


class Budget(Model):
    """How much may still go wrong before the promise is broken."""

    parts: tuple[Counters, ...] = Field((), max_length=48, description="What was counted, by parts of the window.")
    part: int = Field(0, ge=0, description="The number of the last part since 1970.")
    last: Counters = Field(Counters(), description="What the gateways had counted when it was last looked at.")
    left_percent: int | None = Field(None, ge=0, le=100, description="What is left of the budget.")
    at: str = Field("", max_length=40, description="When it was last looked at.")


class AppStatus(StatusModel):
    """What came of it."""

    rollout: RolloutStatus | None = Field(None, description="The version that takes over by steps, or did last.")
    budget: Budget | None = Field(None, description="Where something is promised: how much may still go wrong.")

    release: str | None = Field(None, max_length=63, description="The current Release.")
    live: str | None = Field(None, max_length=63, description="The Release that serves.")
    url: str | None = Field(None, max_length=300)
    instances: int | None = Field(None, description="Instances that are ready.")
    wanted: int | None = Field(None, description="Instances that should be.")
    served: tuple[str, ...] = Field(
        (), max_length=60, description="Where versions pass a gate: images that passed it, to which one may go back."
    )


class App(Resource):
    """An application in an environment."""

    KIND: ClassVar[str] = "App"
    PLURAL: ClassVar[str] = "apps"
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Version", ".status.live", "string"),
        ("Ready", '.status.conditions[?(@.type=="Ready")].status', "string"),
        ("Reason", '.status.conditions[?(@.type=="Ready")].reason', "string"),
        ("URL", ".status.url", "string"),
        ("Age", ".metadata.creationTimestamp", "date"),
    )
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            f"self.metadata.name.matches('{APP_PATTERN}')",
            "An application's name has 1 to 30 lower-case letters, digits and hyphens, a letter first.",
        ),
        (
            "self.spec.processes.all(a, self.spec.processes.exists_one(b, b.name == a.name))",
            "Two processes have the same name.",
        ),
    )

    spec: AppSpec = AppSpec()
    status: AppStatus = AppStatus()


class ContentChange(Model):
    """One field of a version's content that differs. Long values are cut; secrets are told by fingerprint."""

    field: str = Field(
        max_length=MAX_PATH, description="A path, e.g. `processes[web].replicas`; list items by their name."
    )
    before: str | None = Field(None, max_length=MAX_VALUE, description="Absent: it was not there.")
    after: str | None = Field(None, max_length=MAX_VALUE, description="Absent: it is gone.")

    @classmethod
    def of(cls, change: Change) -> "ContentChange":
        """As it stands in an object."""
        return cls(field=change.field, before=change.before, after=change.after)


class DataPoint(Model):
    """Where a bound data service stood when a version was made: from there its data could be brought back."""

    kind: str = Field(max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$", description="Of the service, e.g. Postgres.")
    name: str = Field(max_length=63, description="Of the service, in the same environment.")
    point: str = Field(max_length=200, description="As the service itself names it: a snapshot, a log position.")
    at: str = Field(max_length=40, description="RFC 3339.")


class ReleaseSpec(Model):
    """Everything that one version is: immutable."""

    app: str = Field(pattern=APP_PATTERN, max_length=30)
    number: int = Field(ge=1, le=1_000_000)
    content: AppSpec = Field(description="The App's content at that moment.")
    digest: str = Field(max_length=64, description="SHA-256 of the content.")
    author: str = Field("", max_length=100, description="Who made the change.")
    cause: str = Field("", max_length=300, description="What was changed, in words.")
    run: str = Field("", max_length=63, description="The Run that built the image that it brings; empty: none new.")
    previous: str | None = Field(None, max_length=63, description="The Release before.")
    restores: int | None = Field(
        None, ge=1, le=1_000_000, description="It brings back the content of the version with this number."
    )
    changes: tuple[ContentChange, ...] = Field(
        (), max_length=40, description="What differs from the version before; secrets as fingerprints."
    )
    omitted: int = Field(0, ge=0, le=100_000, description="Fields that differ beyond those.")


class ReleaseStatus(StatusModel):
    """What became of it."""

    phase: Literal["Pending", "Live", "Failed", "Superseded", "Aborted"] | None = None
    live_at: str | None = Field(None, max_length=40, description="When it first served, RFC 3339; absent: never.")
    data_points: tuple[DataPoint, ...] = Field(
        (), max_length=20, description="Where bound data services stood; each service writes its own."
    )


class Release(Resource):
    """One numbered version of an application: image, configuration, routes, scale."""

    KIND: ClassVar[str] = "Release"
    PLURAL: ClassVar[str] = "releases"
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("App", ".spec.app", "string"),
        ("Number", ".spec.number", "integer"),
        ("Phase", ".status.phase", "string"),
        ("Author", ".spec.author", "string"),
        ("Cause", ".spec.cause", "string"),
        ("Age", ".metadata.creationTimestamp", "date"),
    )
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("self.spec == oldSelf.spec", "A release never changes; make a new one."),
    )

    spec: ReleaseSpec
    status: ReleaseStatus = ReleaseStatus()
