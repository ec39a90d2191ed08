"""What a rollback is judged by, and what is said of it. The kind itself, Release, is in `roost.model.kinds.app`."""

from decimal import Decimal
from typing import Literal

from pydantic import Field

from roost.model.kinds.app import AppSpec, ContentChange, Release
from roost.model.resource import Model

Found = Literal["there", "gone", "unknown", "foreign"]


class SeenVersion(Model):
    """A Release of the App."""

    number: int
    name: str
    phase: Literal["Pending", "Live", "Failed", "Superseded"] | None = None
    served: bool = Field(False, description="It was live at some time.")
    restores: int | None = None
    digest: str = ""
    content: AppSpec

    @classmethod
    def of(cls, release: Release) -> "SeenVersion":
        """From a Release."""
        return cls(
            number=release.spec.number,
            name=release.metadata.name,
            phase=release.status.phase,
            served=release.status.live_at is not None or release.status.phase == "Live",
            restores=release.spec.restores,
            digest=release.spec.digest,
            content=release.spec.content,
        )


class Room(Model):
    """One bound of the environment's quota."""

    resource: Literal["cpu", "memory", "pods"]
    hard: Decimal
    others: Decimal = Field(description="Used by all but this App's instances.")
    own: Decimal = Field(description="Used by this App's instances.")


class Observed(Model):
    """All that a verdict on going back needs to know."""

    spec: AppSpec = Field(description="The App as it is now.")
    versions: tuple[SeenVersion, ...] = Field(description="All that are kept, by number.")
    target: SeenVersion
    image: Found = Field("there", description="Its image in the registry.")
    unsigned: str = Field("", description="Why its image may not run here; empty: it may, as far as that is known.")
    secrets: bool = Field(True, description="The copy of its secret configuration is kept, or it has none.")
    rooms: tuple[Room, ...] = ()
    lost: tuple[str, ...] = Field((), description="Its host names that lead here no longer.")
    refusal: str = Field("", description="What the cluster says against the change; empty: nothing.")


class RollbackCheck(Model):
    """One thing that speaks against going back."""

    reason: str = Field(max_length=60, description="One CamelCase word for machines.")
    level: Literal["care", "refuse"]
    force: bool = Field(False, description="A refusal that `force` passes over.")
    message: str = Field(max_length=2000)
    values: dict[str, str] = Field({}, max_length=10, description="What the message names, for other languages.")


class RollbackPlan(Model):
    """What going back would change, and what is to be said of it."""

    app: str = Field(max_length=30)
    target: int = Field(description="The number of the version that would come back.")
    current: int | None = Field(None, description="The number of the newest version.")
    verdict: Literal["safe", "care", "refused", "same"]
    force: bool = Field(False, description="Whether `force` passes over all that refuses.")
    checks: tuple[RollbackCheck, ...] = Field((), max_length=30)
    changes: tuple[ContentChange, ...] = Field((), max_length=400)
    omitted: int = Field(0, ge=0, description="Fields that differ beyond those.")
