"""Authentication: a token or a password becomes a Principal. Called by the context, session, git and registry routes.

Good answers are kept for some seconds, so that a removed person or token is refused soon everywhere.
"""

import asyncio
import base64
import binascii
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from roost.api.limits import Bucket, refuse_when_spent
from roost.model.kinds.people import User
from roost.surface.credentials import MAX_PASSWORD, decoy_hash, password_fits
from roost.surface.people import People
from roost.surface.principal import Principal
from roost.surface.problems import Problem, unauthenticated

REMEMBER: Final = timedelta(seconds=10)
LOCK: Final = timedelta(minutes=15)
MAX_REMEMBERED: Final = 5_000
FAILURES_PER_NAME: Final = 10
FAILURES_PER_ADDRESS: Final = 50
PERIOD_S: Final = 900.0
_WRONG: Final = "The name or the password is wrong."


class Authentication:
    """Checks credentials with the platform's own identity."""

    def __init__(self, people: People, clock: Callable[[], datetime]) -> None:
        self._people = people
        self._clock = clock
        self._names = Bucket(FAILURES_PER_NAME, PERIOD_S, clock)
        self._addresses = Bucket(FAILURES_PER_ADDRESS, PERIOD_S, clock)
        self._known: OrderedDict[str, tuple[Principal, datetime]] = OrderedDict()
        # argon2id takes 19 MiB a time; two at once bound memory and leave the event loop its core.
        self._hashing = asyncio.Semaphore(2)

    async def bearer(self, header: str) -> Principal:
        """The principal of an `Authorization: Bearer` header."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthenticated("Sign in first: POST /v1/session, then send `Authorization: Bearer <token>`.")
        return await self.token(token.strip())

    async def token(self, token: str) -> Principal:
        """The principal of a token; Problem unauthenticated."""
        key = _key("token", token)
        if (known := self._recall(key)) is not None:
            return known
        record = await self._people.find_token(token)
        user = await self._people.user(record.person) if record else None
        if record is None or user is None or user.spec.disabled or user.metadata.uid != record.user_uid:
            raise unauthenticated("The token is unknown, expired or revoked. Sign in again.")
        principal = Principal(
            record.person,
            record.id,
            user.spec.platform_role,
            user.metadata.uid,
            bool(user.spec.machine_of),
            record.expires,
        )
        return self._remember(key, principal)

    async def basic(self, header: str, address: str) -> Principal:
        """The principal of an `Authorization: Basic` header: a name, and a password or a token."""
        return await self.named(*parse_basic(header), address)

    async def named(self, name: str, secret: str, address: str) -> Principal:
        """The principal of a name with its password or one of its tokens."""
        if secret.startswith("rst_"):
            principal = await self.token(secret)
            if principal.person != name:
                raise unauthenticated("The token belongs to somebody else.")
            return principal
        key = _key("password", name, secret)
        if (known := self._recall(key)) is not None:
            return known
        user, _ = await self.password(name, secret, address)
        return self._remember(key, Principal(name, None, user.spec.platform_role, user.metadata.uid))

    async def password(self, name: str, password: str, address: str) -> tuple[User, bool]:
        """(user, is it still the initial password). Problem unauthenticated, too-many."""
        detail = "Too many failed sign-ins. Wait, or sign in with a token."
        refuse_when_spent(self._addresses, address, detail)
        refuse_when_spent(self._names, name, detail)
        user = await self._people.user(name)
        stored = await self._people.password(name) if user else None
        if stored is not None and stored.locked_until is not None and stored.locked_until > self._clock():
            # Before the password is looked at: the answer must not tell whether it was right.
            raise Problem("too-many", detail, headers={"Retry-After": str(int(LOCK.total_seconds()))})
        async with self._hashing:
            # Once more: many may have come past the first look at the same time.
            refuse_when_spent(self._addresses, address, detail)
            refuse_when_spent(self._names, name, detail)
            fits = await _fits(stored.hash if stored else decoy_hash(), password)
            if not fits or user is None or stored is None:
                await self._failed(name, address)
                raise unauthenticated(_WRONG)
        if user.spec.disabled or stored.user_uid != user.metadata.uid:
            raise unauthenticated(_WRONG)
        self._names.reset(name)
        return user, stored.initial

    def forget(self) -> None:
        """Forget what is remembered: somebody's credentials have changed on this replica."""
        self._known.clear()

    async def _failed(self, name: str, address: str) -> None:
        self._addresses.take(address)
        if self._names.take(name) < 1:
            # Every replica must know.
            await self._people.lock(name, self._clock() + LOCK)

    def _recall(self, key: str) -> Principal | None:
        known = self._known.get(key)
        return known[0] if known and known[1] > self._clock() else None

    def _remember(self, key: str, principal: Principal) -> Principal:
        self._known[key] = (principal, self._clock() + REMEMBER)
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        return principal


async def _fits(hash_: str, password: str) -> bool:
    if len(password) > MAX_PASSWORD:
        return False
    return await asyncio.to_thread(password_fits, hash_, password)


def parse_basic(header: str) -> tuple[str, str]:
    """(name, secret) of a basic header; Problem unauthenticated where it is none."""
    scheme, _, encoded = header.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        text = ""
    name, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise unauthenticated("Give your name, and your password or a token.")
    return name, secret


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
