"""Channel: where a tenant is told how its runs and promotions went; and Notice, one thing that is told there.

Both stand in the build namespace. A Notice is made in the pass that ends what it tells of, under a name that follows
from it, so that it is made once; delivering it is at least once, and each carries an id by which a receiver knows it.
"""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from roost.model.kinds.triggers import Environment
from roost.model.names import APP_PATTERN, OPTIONAL_SECRET_PATTERN
from roost.model.resource import Model, Resource, StatusModel

# No user, no password, no fragment; a name with a dot or an address: nothing that only the cluster knows.
_HOST: Final = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+"
URL_PATTERN: Final = (
    rf"^(https?://({_HOST}|\[[0-9a-fA-F:.]+\])"
    r"(:[0-9]{1,5})?(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?)?$"
)
MAIL_PATTERN: Final = rf"^[A-Za-z0-9._%+-]{{1,64}}@{_HOST}$"
SECRET_KEY: Final = "secret"

Event = Literal[
    "run.succeeded",
    "run.failed",
    "run.cancelled",
    "promotion.applied",
    "promotion.refused",
    "promotion.waiting",
    "app.vulnerable",
    "waiver.expiring",
    "channel.test",
]


class ChannelSpec(Model):
    """A receiver, and what it is told."""

    type: Literal["webhook", "mail"] = "webhook"
    url: str = Field(
        "", max_length=1000, pattern=URL_PATTERN, description="webhook: where to; an address of the world outside."
    )
    secret: str = Field(
        "",
        max_length=253,
        pattern=OPTIONAL_SECRET_PATTERN,
        description="webhook: Secret of the build namespace whose key `secret` signs; `roost channel secret` makes it.",
    )
    to: tuple[Annotated[str, Field(max_length=254, pattern=MAIL_PATTERN)], ...] = Field(
        (), max_length=10, description="mail: who gets it."
    )
    language: Literal["en", "zh"] = Field("en", description="mail: of its subject and the names of its facts.")
    events: tuple[Event, ...] = Field(
        (
            "run.failed",
            "promotion.applied",
            "promotion.refused",
            "promotion.waiting",
            "app.vulnerable",
            "waiver.expiring",
        ),
        max_length=10,
        description="What is told.",
    )
    projects: tuple[Annotated[str, Field(pattern=APP_PATTERN, max_length=30)], ...] = Field(
        (),
        max_length=50,
        description="Only of runs of these projects, and promotions of Apps of these names; empty: all.",
    )
    environments: tuple[Environment, ...] = Field(
        (), max_length=20, description="Only of promotions into these environments; empty: all."
    )
    paused: bool = Field(False, description="Nothing is told meanwhile, nor later.")
    test: int = Field(0, ge=0, le=1_000_000, description="A higher number sends a test.")


class ChannelStatus(StatusModel):
    """How it is."""

    tested: int | None = Field(None, ge=0, description="The last test that was sent.")


class Channel(Resource):
    """Where a tenant is told how its runs and promotions went."""

    KIND: ClassVar[str] = "Channel"
    PLURAL: ClassVar[str] = "channels"
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Type", ".spec.type", "string"),
        ("Ready", '.status.conditions[?(@.type=="Ready")].status', "string"),
        ("Age", ".metadata.creationTimestamp", "date"),
    )
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            "(self.spec.type == 'webhook') == (self.spec.url != '')",
            "A webhook has a url; a mail has none.",
        ),
        (
            "(self.spec.type == 'webhook') == (self.spec.secret != '')",
            "A webhook has a secret, by which its receiver knows us; a mail has none.",
        ),
        (
            "(self.spec.type == 'mail') == (size(self.spec.to) > 0)",
            "A mail has people to go to; a webhook has none.",
        ),
        (
            "self.metadata.name.size() <= 40",
            "A channel's name has 40 characters at most.",
        ),
    )

    spec: ChannelSpec
    status: ChannelStatus = ChannelStatus()


class NoticeSpec(Model):
    """One thing that is told on one channel."""

    channel: str = Field(max_length=40)
    event: Event
    at: str = Field(max_length=40, description="When it happened; RFC 3339.")
    facts: dict[str, Annotated[str, Field(max_length=1000)]] = Field(
        {}, max_length=20, description="What is told of it, by name."
    )


class NoticeStatus(StatusModel):
    """What came of it."""

    phase: Literal["Pending", "Delivered", "Failed"] | None = None
    finished_at: str | None = Field(None, max_length=40)


class Notice(Resource):
    """One thing that is told on a channel."""

    KIND: ClassVar[str] = "Notice"
    PLURAL: ClassVar[str] = "notices"
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Channel", ".spec.channel", "string"),
        ("Event", ".spec.event", "string"),
        ("Phase", ".status.phase", "string"),
        ("Age", ".metadata.creationTimestamp", "date"),
    )
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (("self.spec == oldSelf.spec", "A notice never changes."),)

    spec: NoticeSpec
    status: NoticeStatus = NoticeStatus()
