"""Records: what must be remembered about people for a while, as Secrets in `roost-people`. Used by this package.

Both replicas see them; a record is taken once, whoever asks: its deletion names the uid that was read.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from roost.kube.client import Client
from roost.kube.errors import Conflict, NotFound
from roost.model.conditions import timestamp
from roost.model.names import API_VERSION, PEOPLE_NAMESPACE
from roost.surface.people import EXPIRES, MANAGER, PERSON, USER_UID, moment

SORT: Final = "roost.dev/record"
TENANT: Final = "roost.dev/of-tenant"


@dataclass(frozen=True)
class Owner:
    """The User whose record it is: it goes with them."""

    person: str
    uid: str


@dataclass(frozen=True)
class Record:
    """One record. `content`: plain data."""

    id: str
    owner: Owner
    content: Mapping[str, Any]
    expires: datetime | None
    uid: str


class Records:
    """The records of one sort: `invitation`, `device`, `identity`."""

    def __init__(self, sort: str, client: Client, clock: Callable[[], datetime]) -> None:
        self._sort = sort
        self._client = client
        self._clock = clock

    async def add(
        self,
        id_: str,
        owner: Owner,
        content: Mapping[str, Any],
        expires: datetime | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Keep it. AlreadyExists where one of this id stands."""
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": f"roost.dev/{self._sort}",
            "metadata": {
                "name": self._name(id_),
                "namespace": PEOPLE_NAMESPACE,
                "labels": {SORT: self._sort, PERSON: owner.person, **(labels or {})},
                "annotations": {USER_UID: owner.uid, EXPIRES: timestamp(expires) if expires else ""},
                "ownerReferences": [
                    {"apiVersion": API_VERSION, "kind": "User", "name": owner.person, "uid": owner.uid}
                ],
            },
            "data": {"content": base64.b64encode(msgspec.json.encode(content)).decode()},
        }
        await self._client.create(body, MANAGER)

    async def find(self, id_: str) -> Record | None:
        """The record; None where there is none or its time is over."""
        raw = await self._client.get("v1", "Secret", self._name(id_), PEOPLE_NAMESPACE)
        record = self._read(raw) if raw is not None else None
        return record if record is not None and self._good(record) else None

    async def take(self, record: Record) -> bool:
        """Whether it was still there and is now used up: true for one caller only."""
        target = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self._name(record.id), "namespace": PEOPLE_NAMESPACE},
        }
        try:
            await self._client.delete(target, record.uid)
        except (NotFound, Conflict):
            return False
        return True

    async def list(self, labels: str) -> list[Record]:
        """Those with the labels, the oldest first; what is over is removed on the way."""
        raws = await self._client.list("v1", "Secret", PEOPLE_NAMESPACE, f"{SORT}={self._sort},{labels}".rstrip(","))
        raws.sort(key=lambda raw: (raw["metadata"].get("creationTimestamp", ""), raw["metadata"]["name"]))
        found = [record for raw in raws if (record := self._read(raw)) is not None]
        for record in found:
            if not self._good(record):
                await self.take(record)
        return [record for record in found if self._good(record)]

    def _good(self, record: Record) -> bool:
        return record.expires is None or record.expires > self._clock()

    def _name(self, id_: str) -> str:
        return f"{self._sort}-{id_}"

    def _read(self, raw: Mapping[str, Any]) -> Record | None:
        meta = raw["metadata"]
        notes = meta.get("annotations") or {}
        if raw.get("type") != f"roost.dev/{self._sort}":
            return None
        return Record(
            id=meta["name"].removeprefix(f"{self._sort}-"),
            owner=Owner((meta.get("labels") or {}).get(PERSON, ""), notes.get(USER_UID, "")),
            content=msgspec.json.decode(base64.b64decode(raw["data"]["content"])),
            expires=moment(notes.get(EXPIRES, "")),
            uid=meta["uid"],
        )
