"""Tokens of the registry (token authentication of the distribution project). Who may pull and push what.

The API hands short access tokens out at `/registry/token`; the run capability and `roost node up` make the machines'
credentials with `mint_login`. All are JWTs signed with one EC P-256 key (Secret `roost-system/registry-token`); the
registry trusts its certificate, or its JWKS (`jwks`).

Two sorts, told apart by their audience:
    access token    what the registry takes as Bearer; names every repository exactly, as the registry compares names
                    literally
    login token     what a machine gives as its password to `/registry/token`; carries grants by prefix
Specification: https://distribution.github.io/distribution/spec/auth/jwt/
"""

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

ISSUER: Final = "roost"
SERVICE: Final = "registry"
LOGIN_AUDIENCE: Final = "roost-registry-login"
ACCESS_TTL: Final = timedelta(minutes=15)
MACHINE_USER: Final = "roost-machine"
BASES: Final = "base/"
MAX_SCOPES: Final = 40

_NAME: Final = re.compile(r"^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*\Z")
_ACTIONS: Final = frozenset(["pull", "push"])


class TokenRefused(ValueError):
    """A login token or a scope that cannot be used."""


@dataclass(frozen=True)
class Access:
    """Actions on one repository."""

    name: str
    actions: tuple[str, ...]


@dataclass(frozen=True)
class Grant:
    """Actions on every repository whose name starts with `prefix` (which ends in a slash, or is empty: all)."""

    prefix: str
    actions: tuple[str, ...]


PULL_BASES: Final = Grant(BASES, ("pull",))
PULL_ALL: Final = Grant("", ("pull",))


def tenant_builder_grants(tenant: str) -> tuple[Grant, ...]:
    """What the builder of a tenant may do."""
    return (PULL_BASES, Grant(f"{tenant}/", ("pull", "push")))


def new_key() -> bytes:
    """A new signing key, PEM (PKCS 8)."""
    return ECKey.generate_key("P-256", private=True).as_pem(private=True)


def jwks(key_pem: bytes) -> dict[str, Any]:
    """The public part for the registry's `auth.token.jwks` file."""
    key = ECKey.import_key(key_pem, {"alg": "ES256", "use": "sig"})
    public = key.as_dict(private=False)
    return {"keys": [{**public, "kid": key.thumbprint()}]}


def _sign(key_pem: bytes, claims: Mapping[str, Any], now: datetime, ttl: timedelta) -> str:
    key = ECKey.import_key(key_pem)
    seconds = int(now.timestamp())
    body = {
        "iss": ISSUER,
        "iat": seconds,
        "nbf": seconds - 30,
        "exp": seconds + int(ttl.total_seconds()),
        "jti": secrets.token_hex(16),
        **claims,
    }
    return jwt.encode({"alg": "ES256", "typ": "JWT", "kid": key.thumbprint()}, body, key)


def mint(key_pem: bytes, subject: str, access: Iterable[Access], now: datetime, ttl: timedelta = ACCESS_TTL) -> str:
    """An access token: what the registry takes as `Authorization: Bearer`."""
    items = [{"type": "repository", "name": item.name, "actions": sorted(item.actions)} for item in access]
    return _sign(key_pem, {"sub": subject, "aud": SERVICE, "access": items}, now, ttl)


def mint_login(key_pem: bytes, subject: str, grants: Iterable[Grant], now: datetime, ttl: timedelta) -> str:
    """A machine's credential: password of the user `roost-machine` at `/registry/token`. `ttl` in whole seconds."""
    items = [{"prefix": item.prefix, "actions": sorted(item.actions)} for item in grants]
    return _sign(key_pem, {"sub": subject, "aud": LOGIN_AUDIENCE, "grants": items}, now, ttl)


def read_login(key_pem: bytes, token: str, now: datetime) -> tuple[str, tuple[Grant, ...]]:
    """(subject, grants) of a login token. TokenRefused where it is forged, old, or for something else."""
    try:
        decoded = jwt.decode(token, KeySet([ECKey.import_key(key_pem)]), algorithms=["ES256"])
        registry = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=30,
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": LOGIN_AUDIENCE},
            exp={"essential": True},
            sub={"essential": True},
        )
        registry.validate(decoded.claims)
    except (JoseError, ValueError) as error:
        raise TokenRefused(f"This is no valid registry credential: {error}") from error
    grants = tuple(
        Grant(str(item["prefix"]), tuple(sorted(_ACTIONS.intersection(item["actions"]))))
        for item in decoded.claims.get("grants", ())
    )
    return str(decoded.claims["sub"]), grants


def parse_scopes(texts: Iterable[str]) -> tuple[Access, ...]:
    """`repository:<name>:pull,push`, several in one text divided by spaces. TokenRefused where one cannot be read.

    Scopes of other types (`registry:catalog:*`) are left out: nobody gets them.
    """
    wanted = []
    for text in " ".join(texts).split():
        kind, _, rest = text.partition(":")
        name, _, actions = rest.rpartition(":")
        if kind.partition("(")[0] != "repository":
            continue
        if len(name) > 255 or not _NAME.match(name):
            raise TokenRefused("A scope is repository:<name>:pull,push with a name in lower case.")
        wanted.append(Access(name, tuple(sorted(_ACTIONS.intersection(actions.split(","))))))
        if len(wanted) > MAX_SCOPES:
            raise TokenRefused(f"More than {MAX_SCOPES} scopes in one request.")
    return tuple(wanted)


def allowed(wanted: Iterable[Access], grants: Iterable[Grant]) -> tuple[Access, ...]:
    """The part of `wanted` that the grants cover; what is not covered is left out, as the specification asks."""
    held = tuple(grants)
    result = []
    for access in wanted:
        actions = {
            action for grant in held if access.name.startswith(grant.prefix) for action in grant.actions
        }.intersection(access.actions)
        if actions:
            result.append(Access(access.name, tuple(sorted(actions))))
    return tuple(result)
