"""The browser's one cookie, what is sealed into another for the minutes of a sign-in, and who may use the cookie.

Applications of tenants live under the same registrable domain as the API, so for browsers they are the same site:
SameSite alone keeps none of them out. Hence the `__Host-` prefix (no other host can set or shadow it) and, for all that
changes something and for WebSockets, proof that the page which asks is our own: `Sec-Fetch-Site` or `Origin`.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from starlette.requests import HTTPConnection
from starlette.responses import Response

from roost.surface.problems import Problem

SESSION: Final = "__Host-roost"
SIGN_IN: Final = "__Host-roost-signin"
SAFE: Final = ("GET", "HEAD", "OPTIONS")
_HEADER: Final = {"alg": "dir", "enc": "A256GCM"}


def credential(connection: HTTPConnection) -> str:
    """The `Authorization` header, or one made of the session cookie. Problem forbidden where a page of others asks."""
    header = connection.headers.get("authorization", "")
    cookie = connection.cookies.get(SESSION, "")
    if header or not cookie:
        return header
    if (connection.scope["type"] == "websocket" or connection.scope["method"] not in SAFE) and not same_origin(
        connection
    ):
        raise Problem("forbidden", "This request comes from a page of another origin.")
    return f"Bearer {cookie}"


def same_origin(connection: HTTPConnection) -> bool:
    """Whether the browser says that the page which asks is this server's own."""
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = urlsplit(connection.headers.get("origin", ""))
    scheme = {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme)
    return bool(origin.netloc) and (origin.scheme, origin.netloc) == (scheme, connection.headers.get("host", ""))


def set_cookie(response: Response, name: str, value: str, lifetime: timedelta) -> None:
    """Only for this host, only over TLS, not for scripts, not with requests from other sites (but for links)."""
    response.set_cookie(
        name, value, max_age=int(lifetime.total_seconds()), path="/", secure=True, httponly=True, samesite="lax"
    )


def clear_cookie(response: Response, name: str) -> None:
    """The browser forgets it."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")


def seal(secret: bytes, purpose: str, content: Mapping[str, Any], until: datetime) -> str:
    """The content, which only this installation can read or make, until then. `secret`: shared by all replicas."""
    body = msgspec.json.encode({**content, "purpose": purpose, "until": until.timestamp()})
    return jwe.encrypt_compact(dict(_HEADER), body, _key(secret, purpose), algorithms=["dir", "A256GCM"])


def unseal(secret: bytes, purpose: str, text: str, now: datetime) -> dict[str, Any] | None:
    """What was sealed for that purpose; None where it is forged, of another purpose or too old."""
    if not text or len(text) > 8000:
        return None
    try:
        opened = jwe.decrypt_compact(text, _key(secret, purpose), algorithms=["dir", "A256GCM"])
        content = msgspec.json.decode(opened.plaintext or b"")
    except (JoseError, ValueError, TypeError, msgspec.DecodeError):
        return None
    good = isinstance(content, dict) and content.get("purpose") == purpose and content["until"] > now.timestamp()
    return content if good else None


def _key(secret: bytes, purpose: str) -> OctKey:
    # The secret is a private key of 256 bits: there is nothing to stretch, the purposes are only kept apart.
    return OctKey.import_key(hashlib.sha256(b"roost seal\0" + purpose.encode() + b"\0" + secret).digest())
