"""What is told to whom: the Notices that follow from an event. Pure; whoever ends something calls it in that pass.

The name of a Notice follows from its channel and what it tells of, so that a pass that is repeated makes it once.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from pydantic import Field, ValidationError

from roost.model.kinds.channel import Channel, ChannelSpec, Event, Notice, NoticeSpec
from roost.model.names import API_VERSION, BUILD, MANAGED_BY, TENANT, namespace, short_digest
from roost.model.plan import Apply
from roost.model.resource import Model

MOST: Final = 500  # Notices that a tenant may have at a time; beyond, nothing more is told until there is room.


class SeenChannel(Model):
    """A channel of the tenant."""

    name: str
    uid: str
    spec: ChannelSpec


class Telling(Model):
    """The tenant's channels, and whether there is room for more notices."""

    channels: tuple[SeenChannel, ...] = ()
    room: bool = Field(True, description="Less than the most notices stand there.")


def telling(channels: Iterable[Mapping[str, Any]], notices: Sequence[object]) -> Telling:
    """As the API server has the objects of the build namespace. A channel that does not fit its kind is passed over:
    it must not keep runs from ending.
    """
    found = []
    for item in channels:
        meta = item["metadata"]
        if meta.get("deletionTimestamp"):
            continue
        with suppress(ValidationError):
            found.append(SeenChannel(name=meta["name"], uid=meta["uid"], spec=Channel.parse(dict(item)).spec))
    return Telling(channels=tuple(sorted(found, key=lambda seen: seen.name)), room=len(notices) < MOST)


def _wants(spec: ChannelSpec, event: Event, facts: Mapping[str, str]) -> bool:
    if spec.paused or event not in spec.events:
        return False
    named = {facts.get("project", ""), facts.get("app", "")} - {""}
    if spec.projects and not named & set(spec.projects):
        return False
    return not spec.environments or facts.get("environment", "") in ("", *spec.environments)


def _line(value: str) -> str:
    """Text of people and of programs as it may stand in a mail or on a terminal."""
    return "".join(char if char.isprintable() or char == "\n" else " " for char in value)[:1000]


def notice(channel: SeenChannel, tenant: str, event: Event, subject: str, facts: Mapping[str, str], at: str) -> Apply:
    """One notice. subject: the uid of what it tells of. Facts are shortened to what a Notice may hold."""
    short = {name: _line(value) for name, value in facts.items() if value}
    owner = {"apiVersion": API_VERSION, "kind": Channel.KIND, "name": channel.name, "uid": channel.uid}
    made = Notice.manifest(
        f"{channel.name}-{short_digest(channel.uid, event, subject, length=16)}",
        NoticeSpec(channel=channel.name, event=event, at=at, facts={"tenant": tenant} | short),
        namespace(tenant, BUILD),
        labels={TENANT: tenant, MANAGED_BY: "roost"},
        ownerReferences=[owner],
    )
    return Apply(made, create=True, owned=False)


def of(told: Telling, tenant: str, event: Event, subject: str, facts: Mapping[str, str], at: str) -> tuple[Apply, ...]:
    """The notices of an event, one for each channel that wants it."""
    if not told.room:
        return ()
    return tuple(
        notice(channel, tenant, event, subject, facts, at)
        for channel in told.channels
        if _wants(channel.spec, event, facts)
    )
