"""Task: one command, once, in an instance of its own. `roost run` makes it; the capability `task` carries it out."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from roost.model.names import APP_PATTERN, PROCESS_PATTERN
from roost.model.resource import Model, Resource, StatusModel


class TaskSpec(Model):
    """What to run. Image, configuration and secrets are those of the application's version that serves."""

    app: str = Field(pattern=APP_PATTERN, max_length=30)
    process: str = Field(
        "",
        max_length=15,
        pattern=rf"^({PROCESS_PATTERN[1:-1]})?$",
        description="Whose resources it gets; empty: those of the first.",
    )
    command: tuple[Annotated[str, Field(max_length=8192)], ...] = Field(
        min_length=1, max_length=50, description="argv."
    )
    stdin: bool = Field(False, description="Its input is open until the first who attaches leaves.")
    tty: bool = Field(False, description="It has a terminal.")
    timeout_s: int = Field(3600, ge=1, le=86400, description="Seconds after which it is ended.")


class TaskStatus(StatusModel):
    """What came of it."""

    phase: Literal["Pending", "Running", "Succeeded", "Failed"] | None = None
    release: str | None = Field(None, max_length=63, description="The version whose image and configuration it has.")
    instance: str | None = Field(None, max_length=253, description="The pod it runs in.")
    exit_code: int | None = None
    started_at: str | None = Field(None, max_length=40)
    finished_at: str | None = Field(None, max_length=40)


class Task(Resource):
    """One command of an application, run once in an instance of its own; forgotten an hour after its end."""

    KIND: ClassVar[str] = "Task"
    PLURAL: ClassVar[str] = "tasks"
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("App", ".spec.app", "string"),
        ("Phase", ".status.phase", "string"),
        ("Exit code", ".status.exitCode", "integer"),
        ("Release", ".status.release", "string"),
        ("Age", ".metadata.creationTimestamp", "date"),
    )
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("self.spec == oldSelf.spec", "A task never changes; make a new one."),
    )

    spec: TaskSpec
    status: TaskStatus = TaskStatus()
