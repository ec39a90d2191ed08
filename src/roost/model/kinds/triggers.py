"""What of a Project starts a Run beside a move of its branch, the parameters of a Run, and how many go on at once.

The patterns, cron expressions and values are a tenant's text: all are bounded here, and none of them ever becomes part
of a command line.

    ParameterRefused    a value that the Project does not allow; `field` names it
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import SchemaError

from roost.model import cron
from roost.model.names import ENVIRONMENT_PATTERN
from roost.model.refs import HEADS, REF_GLOB, TAGS, matches
from roost.model.resource import Model

PARAMETER_PATTERN: Final = r"^[A-Z][A-Z0-9_]{0,62}$"
VALUE_PATTERN: Final = r"^[^\x00-\x1f\x7f]*$"  # One line of text.
MAX_VALUE: Final = 1000
# What means something to git, the builder, Python or the loader of programs, or is Roost's to set.
RESERVED_PREFIXES: Final = ("ROOST_", "BUILDKIT_", "BUILDX_", "DOCKER_", "GIT_", "LD_", "PYTHON", "SSL_", "SSH_")
_TAKEN: Final = (
    "ALL_PROXY BASH_ENV CI ENV FTP_PROXY HOME HOSTNAME HTTPS_PROXY HTTP_PROXY IFS LC_ALL NODE_OPTIONS NO_PROXY PATH"
    " PORT PWD SHELL SOURCE_DATE_EPOCH TMPDIR USER"
)
RESERVED_NAMES: Final = frozenset(_TAKEN.split(" "))
IMAGE_PATTERN: Final = r"^[a-z0-9]+([._/-][a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"

Value = Annotated[str, Field(max_length=MAX_VALUE, pattern=VALUE_PATTERN)]
Values = Annotated[dict[str, Value], Field(max_length=20)]
Environment = Annotated[str, Field(max_length=12, pattern=rf"^({ENVIRONMENT_PATTERN[1:-1]})?$")]


class ParameterRefused(ValueError):
    """A parameter's value that is not taken; the text says why and what is allowed."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name[:63]}: {message}")
        self.name = name
        self.message = message


class Parameter(Model):
    """A value that a run may be given. It reaches the build as a build argument and the steps as a variable."""

    name: str = Field(max_length=63, pattern=PARAMETER_PATTERN, description="Upper case, as of a variable.")
    description: str = Field("", max_length=200, description="What people are told.")
    default: Value = Field("", description="The value where none is given.")
    values: tuple[Value, ...] = Field((), max_length=50, description="The values that are allowed; empty: any.")
    pattern: str = Field(
        "", max_length=200, description="A regular expression (RE2 syntax) of the whole value; empty: any."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.name in RESERVED_NAMES or self.name.startswith(RESERVED_PREFIXES):
            raise ValueError(f"{self.name} means something to the build already: take another name")
        self.check(self.default)
        return self

    def check(self, value: str) -> None:
        """ParameterRefused where the value is none that is allowed."""
        if len(value) > MAX_VALUE:
            raise ParameterRefused(self.name, f"a value has {MAX_VALUE} characters at most")
        if any(char < " " or char == "\x7f" for char in value):
            raise ParameterRefused(self.name, "a value is one line of text, without control characters")
        if self.values and value not in self.values:
            raise ParameterRefused(self.name, f"{value[:60]!r} is none of {', '.join(self.values)[:500]}")
        if self.pattern and not _fits(self.pattern, value):
            raise ParameterRefused(self.name, f"{value[:60]!r} does not fit the pattern {self.pattern}")


def _fits(pattern: str, value: str) -> bool:
    """Whether the whole value fits. pydantic's engine needs time in proportion to the text, whatever the pattern."""
    try:
        TypeAdapter(Annotated[str, Field(pattern=pattern)])  # It must be sound by itself, not only within the group.
        TypeAdapter(Annotated[str, Field(pattern=f"^(?:{pattern})$")]).validate_python(value)
    except SchemaError as error:
        raise ValueError(f"{pattern[:60]!r} is no regular expression") from error
    except ValidationError:
        return False
    return True


def resolve(declared: Sequence[Parameter], given: Mapping[str, str]) -> dict[str, str]:
    """The value of every declared parameter. ParameterRefused names the one that does not fit."""
    names = [item.name for item in declared]
    for name in given:
        if name not in names:
            told = ", ".join(names) or "none"
            raise ParameterRefused(name, f"the project declares no such parameter; it has: {told}")
    for item in declared:
        item.check(given.get(item.name, item.default))
    return {item.name: given.get(item.name, item.default) for item in declared}


class RefTrigger(Model):
    """Refs whose moves are built."""

    pattern: str = Field(
        min_length=1, max_length=100, pattern=REF_GLOB, description="A name, or several with one `*`: `release/*`."
    )
    environment: Environment = Field("", description="Where a successful run goes; empty: it is only built.")


class Schedule(Model):
    """Runs of the project's branch at times."""

    name: str = Field(max_length=30, pattern=r"^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$")
    cron: str = Field(min_length=9, max_length=100, description="Five fields, at most 12 times in an hour.")
    zone: str = Field("UTC", max_length=60, pattern=r"^[A-Za-z0-9_+/-]+$", description="As in the tz database.")
    environment: Environment = Field("", description="Where a successful run goes; empty: it is only built.")
    parameters: Values = Field({}, description="Values that differ from the defaults.")

    @model_validator(mode="after")
    def _due(self) -> Self:
        cron.check(self.cron, self.zone)
        return self


class Triggers(Model):
    """What starts a run. A person may always start one."""

    push: bool = Field(True, description="A move of the project's branch.")
    branches: tuple[RefTrigger, ...] = Field((), max_length=20, description="Moves of other branches; the first wins.")
    tags: tuple[RefTrigger, ...] = Field((), max_length=20, description="Tags that are made or moved; the first wins.")
    schedules: tuple[Schedule, ...] = Field((), max_length=10)
    images: tuple[Annotated[str, Field(max_length=200, pattern=IMAGE_PATTERN)], ...] = Field(
        (),
        max_length=10,
        description="Images of the registry, e.g. `base/python:3.13`: each new digest starts a run of the branch.",
    )
    paused: str = Field("", max_length=200, description="Why only people start runs now; empty: it is not paused.")

    @model_validator(mode="after")
    def _apart(self) -> Self:
        names = [item.name for item in self.schedules]
        if len(set(names)) < len(names):
            raise ValueError("two schedules have the same name")
        return self

    def patterns(self) -> list[str]:
        """The full patterns of the refs beside the project's branch."""
        return [HEADS + item.pattern for item in self.branches] + [TAGS + item.pattern for item in self.tags]

    def of(self, ref: str) -> RefTrigger | None:
        """The trigger of a branch or tag by its full name; None: it has none."""
        for prefix, triggers in ((HEADS, self.branches), (TAGS, self.tags)):
            if ref.startswith(prefix):
                return next((item for item in triggers if matches(item.pattern, ref.removeprefix(prefix))), None)
        return None


class Concurrency(Model):
    """How runs of one project meet. The tenant's places come before."""

    policy: Literal["parallel", "queue", "cancelOlder"] = Field(
        "parallel",
        description="parallel: up to `max` at once; queue: one after the other, in order;"
        " cancelOlder: a run ends older ones of the same ref and trigger that have not ended.",
    )
    max: int = Field(2, ge=1, le=10, description="Runs at the same time; of `queue` it is always one.")

    @property
    def places(self) -> int:
        """How many may go on at once."""
        return 1 if self.policy == "queue" else self.max
