"""Passwords and tokens, the pure part: made, hashed, checked. Used by `people` and by the API's authentication.

Only hashes are stored. A token is `rst_<id>_<secret>`: the id finds its record, the secret (256 bits) is compared by
SHA-256, which needs no stretching at that length. Passwords are argon2id.
"""

import hashlib
import hmac
import re
import secrets
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_PASSWORD: Final = 12
MAX_PASSWORD: Final = 200
_TOKEN: Final = re.compile(r"^rst_([0-9a-f]{16})_([A-Za-z0-9_-]{43})\Z")
# Letters and digits that nobody mistakes for each other when reading a password from a screen.
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class PasswordRefused(ValueError):
    """A password that cannot be taken; its text says what is allowed."""


@cache
def _hasher() -> PasswordHasher:
    # OWASP's argon2id recommendation with 19 MiB: a burst of sign-ins stays within the API's memory.
    return PasswordHasher(time_cost=3, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    """The argon2id hash (PHC string). PasswordRefused where it is too short, too long or of one character."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise PasswordRefused(f"A password has {MIN_PASSWORD} to {MAX_PASSWORD} characters.")
    if len(set(password)) < 4:
        raise PasswordRefused("A password has at least four different characters.")
    return _hasher().hash(password)


def password_fits(hash_: str, password: str) -> bool:
    """Does the password belong to the hash? About 30 ms of one core, so call it in a thread."""
    if len(password) > MAX_PASSWORD:
        return False
    try:
        return _hasher().verify(hash_, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def decoy_hash() -> str:
    """A hash that no password fits: checked for unknown names, so that time does not tell who exists."""
    return _hasher().hash(secrets.token_urlsafe(32))


def new_password() -> str:
    """A password for somebody else to use first: 20 characters, about 115 bits."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))


def new_token() -> tuple[str, str]:
    """(id, token)."""
    id_ = secrets.token_hex(8)
    return id_, f"rst_{id_}_{secrets.token_urlsafe(32)}"


def token_id(token: str) -> str | None:
    """The id in a token, or None where the text is no token."""
    match = _TOKEN.match(token)
    return match.group(1) if match else None


def hash_token(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def token_fits(hash_: str, token: str) -> bool:
    """Does the token belong to the hash?"""
    return hmac.compare_digest(hash_, hash_token(token))
