"""People: what is stored about who may sign in, and the way in and out of it.

Used by the API (with its own identity) and by `roost node up`, which makes the first administrator. A person is a
User, a ServiceAccount of the same name in `roost-people` that rights hang on, and Secrets there: one for the
password, one for each token. The Secrets belong to the User (owner reference) and carry its uid, so that a
re-created user of the same name is somebody else and inherits nothing.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from roost.kube.client import Client
from roost.kube.errors import AlreadyExists, NotFound
from roost.model.conditions import timestamp
from roost.model.kinds.people import User, UserSpec
from roost.model.names import API_VERSION, PEOPLE_NAMESPACE, NameRefused
from roost.surface.credentials import hash_password, hash_token, new_password, new_token, token_fits, token_id

MANAGER: Final = "roost-api"
PERSON: Final = "roost.dev/person"
USER_UID: Final = "roost.dev/user-uid"
INITIAL: Final = "roost.dev/initial-password"
LOCKED_UNTIL: Final = "roost.dev/locked-until"
TITLE: Final = "roost.dev/title"
CREATED: Final = "roost.dev/created"
EXPIRES: Final = "roost.dev/expires"
SORT: Final = "roost.dev/sort"
MAX_TOKENS: Final = 100
ADMINISTRATOR: Final = "admin"

# A ServiceAccount carries the name, so it is an RFC 1123 label.
_NAME: Final = re.compile(r"^[a-z][-a-z0-9]{0,38}[a-z0-9]\Z")


@dataclass(frozen=True)
class Password:
    """What stands about a password. `hash` is argon2id."""

    hash: str
    user_uid: str
    initial: bool
    locked_until: datetime | None


@dataclass(frozen=True)
class Token:
    """What stands about a token. `sort` is `session` (made by signing in) or `named`."""

    id: str
    person: str
    title: str
    sort: str
    created: datetime
    expires: datetime
    hash: str
    user_uid: str


def person_name(name: str) -> str:
    """`name`, when a person may have it; else NameRefused."""
    if name.startswith("roost-"):
        raise NameRefused(f"{name!r} cannot be the name of a person: roost- begins the platform's own names.")
    if not _NAME.match(name):
        raise NameRefused(
            f"{name!r} cannot be the name of a person: 2 to 40 lower-case letters, digits and hyphens, a letter first."
        )
    return name


class People:
    """Reads and writes of people, with the platform's own identity. `clock` gives the time in UTC."""

    def __init__(self, client: Client, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock

    async def user(self, person: str) -> User | None:
        """The User, or None where there is none."""
        if not _NAME.match(person):
            return None
        raw = await self._client.get(API_VERSION, "User", person)
        try:
            return User.parse(raw) if raw else None
        except ValidationError:
            # Whoever made it that way did not want it to be let in.
            return None

    async def create(self, person: str, spec: UserSpec, creator: Client, dry_run: bool = False) -> dict[str, Any]:
        """Make the User as `creator` (whose rights decide) and the ServiceAccount. AlreadyExists, Forbidden."""
        manifest = User.manifest(person_name(person), spec)
        user = await creator.create(manifest, MANAGER, dry_run=dry_run)
        if not dry_run:
            await self.ensure_account(person)
        return user

    async def ensure_account(self, person: str) -> None:
        """Make the ServiceAccount where there is none."""
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": person, "namespace": PEOPLE_NAMESPACE, "labels": {PERSON: person}},
            "automountServiceAccountToken": False,
        }
        try:
            await self._client.create(account, MANAGER)
        except AlreadyExists:
            return

    async def remove(self, person: str) -> None:
        """Remove what is left of a person whose User is gone: ServiceAccount, password, tokens."""
        for record in await self._client.list("v1", "Secret", PEOPLE_NAMESPACE, f"{PERSON}={person}"):
            await self._delete("Secret", record["metadata"]["name"])
        await self._delete("ServiceAccount", person)

    async def _delete(self, kind: str, name: str) -> None:
        metadata = {"name": name, "namespace": PEOPLE_NAMESPACE}
        try:
            await self._client.delete({"apiVersion": "v1", "kind": kind, "metadata": metadata})
        except NotFound:
            return

    # Passwords

    async def set_password(self, person: str, user_uid: str, password: str, initial: bool) -> None:
        """Store a new password; ends a lock. PasswordRefused where it is too weak."""
        body = self._secret(f"password-{person}", person, user_uid, {"hash": hash_password(password)})
        body["type"] = "roost.dev/password"
        body["metadata"]["annotations"] |= {INITIAL: "true" if initial else "false", LOCKED_UNTIL: ""}
        try:
            await self._client.create(body, MANAGER)
        except AlreadyExists:
            await self._client.replace(body, MANAGER)

    async def new_password(self, person: str, user_uid: str) -> str:
        """Make, store and return an initial password; every token of the person ends."""
        password = new_password()
        await self.set_password(person, user_uid, password, initial=True)
        await self.revoke_all(person)
        return password

    async def password(self, person: str) -> Password | None:
        """What stands about the person's password, or None."""
        raw = await self._client.get("v1", "Secret", f"password-{person}", PEOPLE_NAMESPACE)
        if raw is None:
            return None
        notes = raw["metadata"].get("annotations") or {}
        return Password(
            hash=_decode(raw, "hash"),
            user_uid=notes.get(USER_UID, ""),
            initial=notes.get(INITIAL) == "true",
            locked_until=moment(notes.get(LOCKED_UNTIL, "")),
        )

    async def lock(self, person: str, until: datetime) -> None:
        """Refuse the person's password until then; tokens stay good, so that nobody can lock somebody's work out."""
        metadata = {"name": f"password-{person}", "namespace": PEOPLE_NAMESPACE}
        target = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        try:
            await self._client.patch(target, {"metadata": {"annotations": {LOCKED_UNTIL: timestamp(until)}}}, MANAGER)
        except NotFound:
            return

    # Tokens

    async def new_token(
        self, person: str, user_uid: str, title: str, sort: str, lifetime: timedelta
    ) -> tuple[Token, str]:
        """(record, token): the only time that the token itself is seen."""
        id_, text = new_token()
        now = self._clock()
        record = Token(id_, person, title, sort, now, now + lifetime, hash_token(text), user_uid)
        body = self._secret(f"token-{id_}", person, user_uid, {"hash": record.hash})
        body["type"] = "roost.dev/token"
        body["metadata"]["annotations"] |= {
            TITLE: title,
            SORT: sort,
            CREATED: timestamp(record.created),
            EXPIRES: timestamp(record.expires),
        }
        await self._client.create(body, MANAGER)
        return record, text

    async def find_token(self, text: str) -> Token | None:
        """The record of a token that is good now; None where it is unknown, revoked, expired or forged."""
        id_ = token_id(text)
        if id_ is None:
            return None
        raw = await self._client.get("v1", "Secret", f"token-{id_}", PEOPLE_NAMESPACE)
        record = _token(raw) if raw else None
        if record is None or not token_fits(record.hash, text) or record.expires <= self._clock():
            return None
        return record

    async def tokens(self, person: str) -> list[Token]:
        """The person's tokens, oldest first; those that have expired are removed on the way."""
        raws = await self._client.list("v1", "Secret", PEOPLE_NAMESPACE, f"{PERSON}={person}")
        records = [record for raw in raws if (record := _token(raw)) is not None]
        now = self._clock()
        for record in records:
            if record.expires <= now:
                await self.revoke(record.id)
        return sorted((record for record in records if record.expires > now), key=lambda record: record.created)

    async def revoke(self, id_: str) -> None:
        """End a token; nothing happens where there is none."""
        await self._delete("Secret", f"token-{id_}")

    async def revoke_all(self, person: str) -> None:
        """End every token of the person."""
        for record in await self.tokens(person):
            await self.revoke(record.id)

    def _secret(self, name: str, person: str, user_uid: str, data: Mapping[str, str]) -> dict[str, Any]:
        owner = {"apiVersion": API_VERSION, "kind": "User", "name": person, "uid": user_uid}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": PEOPLE_NAMESPACE,
                "labels": {PERSON: person},
                "annotations": {USER_UID: user_uid},
                "ownerReferences": [owner],
            },
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
        }


def _token(raw: Mapping[str, Any]) -> Token | None:
    notes = raw["metadata"].get("annotations") or {}
    created, expires = moment(notes.get(CREATED, "")), moment(notes.get(EXPIRES, ""))
    if raw.get("type") != "roost.dev/token" or created is None or expires is None:
        return None
    return Token(
        id=raw["metadata"]["name"].removeprefix("token-"),
        person=(raw["metadata"].get("labels") or {}).get(PERSON, ""),
        title=notes.get(TITLE, ""),
        sort=notes.get(SORT, "named"),
        created=created,
        expires=expires,
        hash=_decode(raw, "hash"),
        user_uid=notes.get(USER_UID, ""),
    )


def _decode(raw: Mapping[str, Any], key: str) -> str:
    return base64.b64decode((raw.get("data") or {}).get(key, "")).decode("utf-8", "replace")


def moment(text: str) -> datetime | None:
    """A time as Kubernetes writes it; None where there is none."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) if text else None


async def ensure_administrator(client: Client, clock: Callable[[], datetime]) -> str | None:
    """Make the User `admin` with the platform role administrator, when there is none.

    `client` has the rights of a cluster administrator. Returns the one-time password when it was made, else None (it
    is not kept anywhere). An `admin` that was left without a password by a killed run gets a new one.
    """
    people = People(client, clock)
    spec = UserSpec(title="Administrator", platform_role="administrator")
    try:
        await people.create(ADMINISTRATOR, spec, client)
    except AlreadyExists:
        if await people.password(ADMINISTRATOR) is not None:
            return None
        await people.ensure_account(ADMINISTRATOR)
    user = await people.user(ADMINISTRATOR)
    if user is None:
        raise RuntimeError("The User admin was made and is gone again; something deletes it.")
    return await people.new_password(ADMINISTRATOR, user.metadata.uid)
