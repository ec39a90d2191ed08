"""What a Project has to do with a forge: results written back (CommitStatus), and merge requests that are tried out in
applications of their own (Preview).
"""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from roost.model.names import APP_PATTERN, ENVIRONMENT_PATTERN, OPTIONAL_SECRET_PATTERN, VARIABLE_PATTERN
from roost.model.refs import REF_GLOB
from roost.model.resource import Model, Resource, StatusModel

API_PATTERN: Final = r"^(https?://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*)?$"
# Two parts, or more of them at GitLab; none begins with a dot.
REPOSITORY_PATTERN: Final = r"^([A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*){1,19})?$"
COMMIT_PATTERN: Final = r"^[0-9a-f]{40,64}$"
_APIS: Final = {"github": "/api/v3", "gitea": "/api/v1", "gitlab": "/api/v4"}
TOKEN: Final = "token"  # Key of the forge's Secret; build secrets have the key `value`, so no build can name this one.


class Forge(Model):
    """The forge that the project's repository stands at."""

    type: Literal["gitlab", "github", "gitea"]
    api: str = Field(
        "", max_length=300, pattern=API_PATTERN, description="Address of its API; empty: made of the source's url."
    )
    repository: str = Field(
        "", max_length=200, pattern=REPOSITORY_PATTERN, description="`owner/name`; empty: made of the source's url."
    )
    token: str = Field(
        "",
        max_length=253,
        pattern=OPTIONAL_SECRET_PATTERN,
        description="Secret of the build namespace (key `token`); no run ever has it. Empty: nothing is written back.",
    )

    def address(self, url: str) -> tuple[str, str]:
        """(the API's address, the repository's name): what is said here, else what the source's url means."""
        scheme, _, rest = url.partition("://")
        host, _, path = rest.rpartition("@")[2].partition("/")
        if scheme == "ssh":
            scheme, host = "https", host.partition(":")[0]
        api = "https://api.github.com" if host == "github.com" else f"{scheme}://{host}{_APIS[self.type]}"
        return self.api or api, self.repository or path.strip("/").removesuffix(".git")


class PreviewVariable(Model):
    """One variable that previews begin with."""

    name: str = Field(pattern=VARIABLE_PATTERN, max_length=127)
    value: str = Field("", max_length=2000, description="Whoever sees the project reads it: no secret.")


class Previews(Model):
    """Merge requests get an application of their own for a while."""

    environment: str = Field(
        "",
        max_length=12,
        pattern=rf"^({ENVIRONMENT_PATTERN[1:-1]})?$",
        description="Where; the tenant must allow previews there. Empty: there are none.",
    )
    branches: tuple[Annotated[str, Field(min_length=1, max_length=100, pattern=REF_GLOB)], ...] = Field(
        (), max_length=10, description="Branches that get one as well: names, or several with one `*`."
    )
    max: int = Field(5, ge=1, le=20, description="Previews at the same time.")
    lifetime_h: int = Field(168, ge=1, le=2160, description="Hours after its last commit after which one goes.")
    copies: bool = Field(
        False,
        description="It begins with the plain configuration of the project's application in that environment, as it is "
        "then; never with secrets. Nothing for forks.",
    )
    config: tuple[PreviewVariable, ...] = Field(
        (), max_length=50, description="What it begins with; these win over what is copied. Nothing for forks."
    )
    forks: bool = Field(False, description="Also what comes from forks, by anybody; without any secret.")


class PreviewSpec(Model):
    """A ref that is tried out. Made and removed by the git server, as the ref comes and goes."""

    project: str = Field(pattern=APP_PATTERN, max_length=30)
    ref: str = Field(max_length=250, description="The full ref in the hosted repository.")
    app: str = Field(pattern=APP_PATTERN, max_length=30, description="The App that it becomes.")
    environment: str = Field(pattern=ENVIRONMENT_PATTERN, max_length=12)


class PreviewStatus(StatusModel):
    """What came of it."""

    phase: Literal["Open", "Expired"] | None = None
    url: str | None = Field(None, max_length=300)
    run: str | None = Field(None, max_length=63, description="The newest Run.")
    expires_at: str | None = Field(None, max_length=40, description="When its application goes; RFC 3339.")


class Preview(Resource):
    """A merge request, or a branch, in an application of its own."""

    KIND: ClassVar[str] = "Preview"
    PLURAL: ClassVar[str] = "previews"
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Project", ".spec.project", "string"),
        ("Ref", ".spec.ref", "string"),
        ("Phase", ".status.phase", "string"),
        ("URL", ".status.url", "string"),
        ("Age", ".metadata.creationTimestamp", "date"),
    )
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("self.spec == oldSelf.spec", "A preview never changes; it goes with its ref."),
    )

    spec: PreviewSpec
    status: PreviewStatus = PreviewStatus()


class CommitStatusSpec(Model):
    """What the forge is to be told of a commit."""

    project: str = Field(pattern=APP_PATTERN, max_length=30)
    run: str = Field(max_length=63)
    commit: str = Field(pattern=COMMIT_PATTERN, max_length=64)
    state: Literal["pending", "success", "failure"]
    description: str = Field("", max_length=255)
    url: str = Field("", max_length=500)


class CommitStatusStatus(StatusModel):
    """How far it is."""

    phase: Literal["Pending", "Sending", "Done", "Failed", "Superseded"] | None = None
    tries: int | None = Field(None, ge=0, le=1000)
    retry_at: str | None = Field(None, max_length=40, description="RFC 3339.")


class CommitStatus(Resource):
    """One word on a commit, on its way to the forge."""

    KIND: ClassVar[str] = "CommitStatus"
    PLURAL: ClassVar[str] = "commitstatuses"
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Run", ".spec.run", "string"),
        ("State", ".spec.state", "string"),
        ("Phase", ".status.phase", "string"),
        ("Age", ".metadata.creationTimestamp", "date"),
    )
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("self.spec == oldSelf.spec", "A commit status never changes; make a new one."),
    )

    spec: CommitStatusSpec
    status: CommitStatusStatus = CommitStatusStatus()
