"""Where a Project's code comes from when it is not pushed to Roost itself; and Import, one look at that place.

An Import brings the branch of a foreign repository, or which image a tag names, into the hosted one. From there on
everything is as after a push: the ref moves, so exactly one Run exists for it, however often or by whichever way the
move was reported.
"""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from roost.model.names import APP_PATTERN, OPTIONAL_SECRET_PATTERN
from roost.model.resource import Model, Resource, StatusModel

# No user and no password in it, but for the user of ssh: credentials are a Secret's. Nothing that begins an option.
URL_PATTERN: Final = (
    r"^((https?|svn)://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9._~+%-]+)*/?"
    r"|ssh://([A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9._~+%-]+)+/?)?$"
)
# No part begins with a dot: none of them climbs out.
PATH_PATTERN: Final = r"^([A-Za-z0-9_~+-][A-Za-z0-9._~+-]*(/[A-Za-z0-9_~+-][A-Za-z0-9._~+-]*)*)?$"


# A registry always by its host: a bare `nginx` means another image to every tool. A tag, a digest, or both.
IMAGE_PATTERN: Final = (
    r"^([a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+"
    r"(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[a-f0-9]{64})?)?$"
)


class Source(Model):
    """Where the code is. `hosted`: people push it to Roost; `archive`: they upload it."""

    type: Literal["hosted", "git", "svn", "archive", "image"] = "hosted"
    url: str = Field(
        "",
        max_length=500,
        pattern=URL_PATTERN,
        description="https://, http:// or ssh:// of a git repository; https://, http:// or svn:// of a Subversion one.",
    )
    path: str = Field(
        "",
        max_length=200,
        pattern=PATH_PATTERN,
        description="Subversion: the folder, e.g. trunk, branches/next or tags/v1.",
    )
    tags: str = Field(
        "",
        max_length=200,
        pattern=PATH_PATTERN,
        description="Subversion: the folder of tags, e.g. tags; those that the triggers name come along as made.",
    )
    only: tuple[Annotated[str, Field(pattern=PATH_PATTERN, min_length=1, max_length=200)], ...] = Field(
        (), max_length=20, description="Subversion: only these folders and files beneath `path`; empty: all."
    )
    image: str = Field(
        "",
        max_length=400,
        pattern=IMAGE_PATTERN,
        description="A ready image, registry/name:tag or registry/name@sha256:...; what the tag names is followed.",
    )
    credentials: str = Field(
        "",
        max_length=253,
        pattern=OPTIONAL_SECRET_PATTERN,
        description="Secret of the build namespace: `username` and `password`, or `ssh-privatekey` and `known_hosts`.",
    )
    poll_s: int = Field(
        600, ge=0, le=86400, description="Seconds between two looks; 0: only when a webhook or a person asks."
    )
    hook: int = Field(1, ge=1, le=1_000_000, description="Which webhook secret counts; a higher one ends the others.")

    @property
    def follows(self) -> str:
        """What is looked at elsewhere; empty: people bring it themselves."""
        return self.url or self.image


class ImportSpec(Model):
    """One look at a source."""

    project: str = Field(pattern=APP_PATTERN, max_length=30)
    cause: Literal["poll", "hook", "manual"] = "manual"
    delivery: str = Field("", max_length=100, description="What the sender calls this webhook.")


class ImportStatus(StatusModel):
    """What came of it."""

    phase: Literal["Pending", "Fetching", "Done", "Failed"] | None = None
    commit: str | None = Field(None, max_length=64, description="Where the branch stands.")
    digest: str | None = Field(None, max_length=71, description="A ready image: what was copied.")
    revision: str | None = Field(None, max_length=40, description="Subversion: the revision.")
    moved: bool | None = Field(None, description="Whether the branch moved, so that a run was made.")
    started_at: str | None = Field(None, max_length=40)
    finished_at: str | None = Field(None, max_length=40)


class Import(Resource):
    """One look at a project's source, which brings what is new into the hosted repository."""

    KIND: ClassVar[str] = "Import"
    PLURAL: ClassVar[str] = "imports"
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Project", ".spec.project", "string"),
        ("Cause", ".spec.cause", "string"),
        ("Phase", ".status.phase", "string"),
        ("Moved", ".status.moved", "boolean"),
        ("Age", ".metadata.creationTimestamp", "date"),
    )
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("self.spec == oldSelf.spec", "An import never changes; make a new one."),
    )

    spec: ImportSpec
    status: ImportStatus = ImportStatus()
