"""The site's OpenID provider: code flow with PKCE (OpenID Connect Core 1.0, RFC 7636). Used by the API's sign-in.

    ProviderFailed       the provider does not answer, or not as the standard says
    SignInRefused        what came back is not for us, too old, forged, or the person said no

Authlib speaks OAuth and judges claims, joserfc verifies signatures. What is sent out and what must come back is in
`Begun`; the caller keeps it in between where nobody can change it.
"""

import secrets
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import msgspec
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

TIMEOUT_S: Final = 10.0
MAX_ANSWER: Final = 1_000_000
KEEP: Final = timedelta(minutes=10)
LEEWAY_S: Final = 60
SCOPE: Final = "openid profile email"
MAX_GROUP: Final = 200
# Signatures by the provider's own key. Never `none`, and never one by our secret (HS256).
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class ProviderFailed(RuntimeError):
    """The provider cannot be used now; its text is for operators."""


class SignInRefused(RuntimeError):
    """This answer signs nobody in; its text says why."""


@dataclass(frozen=True)
class Registration:
    """How Roost is known to the provider."""

    issuer: str
    client_id: str
    client_secret: str
    title: str = ""
    domains: tuple[str, ...] = ()  # Whoever has a verified mail address there becomes a person at the first sign-in.
    authority: str = ""  # PEM; empty: the system's.
    groups: str = ""  # The claim of the id token that lists a person's groups; empty: none is believed.
    scope: str = ""  # What is asked for beside SCOPE, where the provider tells groups only then.


@dataclass(frozen=True)
class Begun:
    """A sign-in that has begun: where the browser goes, and what must come back with it."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class Identity:
    """Who the provider says it is. (issuer, subject) never changes hands; the rest is data."""

    issuer: str
    subject: str
    mail: str
    mail_verified: bool
    name: str
    username: str
    groups: tuple[str, ...] | None = None  # Sorted; None: the site takes no groups from the provider.


def read_registration(folder: str) -> Registration | None:
    """What the files of a mounted Secret say (issuer, client-id, client-secret, ...); None where there is none."""

    def text(name: str) -> str:
        file = Path(folder) / name
        return file.read_text().strip() if file.is_file() else ""

    issuer, client = text("issuer"), text("client-id")
    if not issuer or not client:
        return None
    domains = tuple(item.lower().lstrip("@") for item in text("domains").replace(",", " ").split())
    return Registration(
        issuer,
        client,
        text("client-secret"),
        text("title"),
        domains,
        text("authority"),
        text("groups-claim"),
        text("scope"),
    )


def read_groups(claim: Any) -> tuple[str, ...]:
    """The groups that a claim lists, or the one that it names; what cannot be the name of a group is none."""
    listed = claim if isinstance(claim, list) else [claim]
    return tuple(sorted({item for item in listed if isinstance(item, str) and _is_group(item)}))


def _is_group(text: str) -> bool:
    return 0 < len(text) <= MAX_GROUP and text.isprintable() and text == text.strip()


class Provider:
    """One provider. Its metadata and keys are kept for some minutes."""

    def __init__(self, registration: Registration, clock: Callable[[], datetime]) -> None:
        self.registration = registration
        self._clock = clock
        self._kept: dict[str, tuple[Any, datetime]] = {}
        if not _private(registration.issuer):
            raise ProviderFailed("The provider's issuer must begin with https://.")

    async def begin(self, redirect_uri: str) -> Begun:
        """Where to send the browser. ProviderFailed."""
        metadata = await self._metadata()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        async with self._client(redirect_uri) as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
            )
        return Begun(str(url), state, nonce, verifier)

    async def finish(self, answer: Mapping[str, str], begun: Begun, redirect_uri: str) -> Identity:
        """Who signed in, from the parameters that the browser brought back. SignInRefused, ProviderFailed."""
        metadata = await self._metadata()
        if not secrets.compare_digest(answer.get("state", "").encode(), begun.state.encode()):
            raise SignInRefused("This sign-in was not begun here.")
        if "iss" in answer and answer["iss"] != self.registration.issuer:
            raise SignInRefused("The answer comes from another provider.")
        if "error" in answer or not answer.get("code"):
            raise SignInRefused(f"The provider signed nobody in ({answer.get('error', 'no code')[:60]}).")
        try:
            async with self._client(redirect_uri) as client:
                token = await client.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=answer["code"],
                    code_verifier=begun.verifier,
                )
        except OAuthError as error:
            raise SignInRefused(f"The provider does not know this code ({error.error}).") from error
        except (httpx2.HTTPError, ValueError) as error:
            raise ProviderFailed(f"The provider did not answer: {error}") from error
        if not isinstance(token.get("id_token"), str):
            raise SignInRefused("The provider sent no id token.")
        return await self._identity(token["id_token"], begun.nonce, str(token.get("access_token", "")))

    async def _identity(self, text: str, nonce: str, access_token: str) -> Identity:
        claims = await self._verified(text, nonce, access_token)
        return Identity(
            issuer=claims["iss"],
            subject=str(claims["sub"]),
            mail=str(claims.get("email") or "")[:200].lower(),
            mail_verified=claims.get("email_verified") is True,
            name=str(claims.get("name") or "")[:100],
            username=str(claims.get("preferred_username") or "")[:100],
            groups=read_groups(claims.get(self.registration.groups)) if self.registration.groups else None,
        )

    async def _verified(self, text: str, nonce: str, access_token: str) -> Mapping[str, Any]:
        try:
            try:
                token = jwt.decode(text, await self._keys(), algorithms=list(ALGORITHMS))
            except ValueError:
                # A key that is not known yet: the provider may have changed it.
                token = jwt.decode(text, await self._keys(fresh=True), algorithms=list(ALGORITHMS))
            claims = CodeIDToken(
                token.claims,
                token.header,
                {
                    "iss": {"essential": True, "value": self.registration.issuer},
                    "aud": {"essential": True, "value": self.registration.client_id},
                    "sub": {"essential": True},
                },
                {"nonce": nonce, "client_id": self.registration.client_id, "access_token": access_token},
            )
            claims.validate(now=int(self._clock().timestamp()), leeway=LEEWAY_S)
        except (JoseError, ValueError, TypeError) as error:
            raise SignInRefused(f"The id token is not good: {error}") from error
        return dict(claims)

    async def _metadata(self) -> Mapping[str, Any]:
        found = await self._document("metadata", get_well_known_url(self.registration.issuer, external=True))
        if found.get("issuer") != self.registration.issuer:
            raise ProviderFailed("The provider calls itself by another issuer than the one that was registered.")
        if not all(_private(found.get(key)) for key in ("authorization_endpoint", "token_endpoint", "jwks_uri")):
            raise ProviderFailed("The provider's metadata lacks an endpoint, or one does not begin with https://.")
        return found

    async def _keys(self, fresh: bool = False) -> KeySet:
        if fresh:
            self._kept.pop("keys", None)
        try:
            held: Any = await self._document("keys", (await self._metadata())["jwks_uri"])
            return KeySet.import_key_set(held)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderFailed(f"The provider's keys are not good: {error}") from error

    async def _document(self, name: str, url: str) -> dict[str, Any]:
        kept = self._kept.get(name)
        if kept is not None and kept[1] > self._clock():
            found: dict[str, Any] = kept[0]
            return found
        content = b""
        try:
            async with (
                httpx2.AsyncClient(verify=self._trust(), timeout=TIMEOUT_S, trust_env=False) as client,
                client.stream("GET", url) as answer,
            ):
                answer.raise_for_status()
                async for part in answer.aiter_bytes():
                    content += part
                    if len(content) > MAX_ANSWER:
                        raise ProviderFailed("The provider's answer is too large.")
            document = msgspec.json.decode(content)
        except (httpx2.HTTPError, httpx2.InvalidURL, msgspec.DecodeError) as error:
            raise ProviderFailed(f"The provider did not answer at {url}: {error}") from error
        if not isinstance(document, dict):
            raise ProviderFailed(f"The provider's answer at {url} is no object.")
        self._kept[name] = (document, self._clock() + KEEP)
        return document

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.registration.authority or None)

    def _client(self, redirect_uri: str) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            self.registration.client_id,
            self.registration.client_secret or None,
            scope=f"{SCOPE} {self.registration.scope}".strip(),
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic" if self.registration.client_secret else "none",
            verify=self._trust(),
            timeout=TIMEOUT_S,
            trust_env=False,
        )


def _private(url: Any) -> bool:
    """Whether nobody reads along: TLS, or this machine."""
    parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )
