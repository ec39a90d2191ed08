"""Signing in through an OpenID provider: who comes in, who stays outside, and what nobody gets past."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from roost.api.identity.cookies import SESSION
from roost.kube.client import Client
from tests.integration.api.conftest import Running
from tests.integration.identity.conftest import Browser
from tests.integration.identity.provider import CLIENT_SECRET, RealProvider

pytestmark = pytest.mark.integration
NONE, BY_SECRET = b'{"alg":"none"}', b'{"alg":"HS256"}'


async def _who(api: Running, browser: Browser) -> str:
    answer = await browser.get("/v1/me")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["person"])


async def test_somebody_of_an_allowed_domain_becomes_a_person_and_stays_the_same(
    api: Running, browser: Browser, provider: RealProvider
) -> None:
    subject = f"s-{time.time_ns()}"
    provider.sign_in(subject, email="Mei.Lin@good.example", name="Mei Lin", preferred_username="Mei.Lin")
    entered = await browser.through(provider, "/signin/oidc?next=/account")
    assert (entered.status_code, entered.headers["location"]) == (303, "/account"), entered.text
    person = await _who(api, browser)
    assert person.startswith("mei-lin")
    user = await api.people.user(person)
    assert user is not None and (user.spec.title, user.spec.platform_role) == ("Mei Lin", "")
    # Name and address are data: with others it is still the same person.
    provider.sign_in(subject, email="m.wang@good.example", preferred_username="wang")
    again = Browser(api.client())
    assert (await again.through(provider)).status_code == 303
    assert await _who(api, again) == person
    page = await browser.get("/account")
    assert person in page.text and "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.full
async def test_somebody_who_was_removed_is_somebody_else_afterwards(
    api: Running, browser: Browser, provider: RealProvider, client: Client
) -> None:
    provider.sign_in(f"s-{time.time_ns()}", email="again@good.example", preferred_username=f"again{time.time_ns()}")
    assert (await browser.through(provider)).status_code == 303
    person = await _who(api, browser)
    first = await api.people.user(person)
    await client.delete({"apiVersion": "roost.dev/v1alpha1", "kind": "User", "metadata": {"name": person}})
    again = Browser(api.client())
    assert (await again.through(provider)).status_code == 303
    second = await api.people.user(await _who(api, again))
    assert first is not None and second is not None and first.metadata.uid != second.metadata.uid
    # The session of the first one is nobody's.
    api.clock.ahead = timedelta(seconds=11)
    assert (await browser.get("/v1/me")).status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "eve@elsewhere.example"},
        {"email": "eve@good.example", "email_verified": False},
        {"email": "eve@good.example.evil.example"},
        {"email": "good.example"},
        {},
    ],
    ids=str,
)
async def test_somebody_who_was_not_invited_stays_outside(
    browser: Browser, provider: RealProvider, claims: dict[str, Any]
) -> None:
    provider.sign_in(f"s-{time.time_ns()}", **claims)
    answer = await browser.through(provider)
    assert (answer.status_code, SESSION in browser.cookies) == (403, False)
    assert "invitation" in answer.text


def _changed(**changes: Any) -> Callable[[dict[str, Any], RSAKey], str]:
    def forge(claims: dict[str, Any], key: RSAKey) -> str:
        made = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": key.kid}, made, key)

    return forge


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _unsigned(claims: dict[str, Any], _: RSAKey) -> str:
    return f"{_encoded(NONE)}.{_encoded(json.dumps(claims).encode())}."


def _by_hmac(claims: dict[str, Any], secret: bytes) -> str:
    signed = f"{_encoded(BY_SECRET)}.{_encoded(json.dumps(claims).encode())}"
    return f"{signed}.{_encoded(hmac.digest(secret, signed.encode(), 'sha256'))}"


def _by_secret(claims: dict[str, Any], _: RSAKey) -> str:
    return _by_hmac(claims, CLIENT_SECRET.encode())


def _by_public_key(claims: dict[str, Any], key: RSAKey) -> str:
    return _by_hmac(claims, key.as_pem(private=False))


def _by_another_key(claims: dict[str, Any], key: RSAKey) -> str:
    other = RSAKey.generate_key(2048, {"kid": str(key.kid)})
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, other)


FORGED = {
    "no signature": _unsigned,
    "signed by the client's secret": _by_secret,
    "signed by the public key as a secret": _by_public_key,
    "signed by another key": _by_another_key,
    "another issuer": _changed(iss="https://evil.example"),
    "another audience": _changed(aud=["somebody-else"]),
    "for several, of another party": _changed(aud=["roost", "other"], azp="other"),
    "expired": _changed(exp=int(time.time()) - 3600),
    "without an end": _changed(exp=None),
    "issued tomorrow": _changed(iat=int(time.time()) + 86400),
    "another nonce": _changed(nonce="of another sign-in"),
    "without a nonce": _changed(nonce=None),
    "without a subject": _changed(sub=None),
    "of another access token": _changed(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
    "no token at all": lambda claims, key: "nonsense",
}


QUICK = {"no signature", "another audience", "another nonce"}


@pytest.mark.parametrize(
    "forge",
    [pytest.param(FORGED[name], id=name, marks=() if name in QUICK else pytest.mark.full) for name in FORGED],
)
async def test_a_forged_id_token_signs_nobody_in(
    browser: Browser, provider: RealProvider, forge: Callable[[dict[str, Any], RSAKey], str]
) -> None:
    provider.sign_in(f"s-{time.time_ns()}", email="mei@good.example")
    provider.forge = forge
    answer = await browser.through(provider)
    assert (answer.status_code, SESSION in browser.cookies) == (403, False), answer.text
    provider.forge = _changed()
    assert (await browser.through(provider)).status_code == 303, "the harmless twin"


async def test_a_sign_in_ends_only_in_the_browser_that_began_it(
    api: Running, browser: Browser, provider: RealProvider
) -> None:
    provider.sign_in(f"s-{time.time_ns()}", email="mei@good.example")
    path = await browser.to_callback(provider)
    stranger = Browser(api.client())
    assert (await stranger.get(path)).status_code == 403
    # The stranger has begun a sign-in of their own, and is handed the victim's answer, or the other way round.
    await stranger.to_callback(provider)
    assert (await stranger.get(path)).status_code == 403
    assert SESSION not in stranger.cookies
    assert (await browser.get(path)).status_code == 303
    # A code is good once, and the browser has forgotten what it began.
    assert (await browser.get(path)).status_code == 403


@pytest.mark.full
async def test_an_answer_that_comes_too_late_or_without_a_code_signs_nobody_in(
    api: Running, browser: Browser, provider: RealProvider
) -> None:
    provider.sign_in(f"s-{time.time_ns()}", email="mei@good.example")
    path = await browser.to_callback(provider)
    state = path.partition("state=")[2].partition("&")[0]
    assert (await browser.get(f"/signin/callback?state={state}&error=access_denied")).status_code == 403
    assert (await browser.get(f"/signin/callback?state={state}&code=guessed")).status_code == 403
    api.clock.ahead = timedelta(minutes=11)
    assert (await browser.get(path)).status_code == 403
    assert SESSION not in browser.cookies


@pytest.mark.full
@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", ""])
async def test_signing_in_leads_to_no_other_place(browser: Browser, provider: RealProvider, target: str) -> None:
    provider.sign_in(f"s-{time.time_ns()}", email="mei@good.example")
    entered = await browser.through(provider, f"/signin/oidc?next={quote(target, safe='')}")
    assert entered.headers["location"] == "/account"


@pytest.mark.full
async def test_a_provider_that_is_away_is_told_as_such(api: Running, browser: Browser, provider: RealProvider) -> None:
    (Path(api.settings.oidc) / "issuer").write_text("http://127.0.0.1:9")
    answer = await browser.get("/signin/oidc")
    assert answer.status_code == 503
    assert "127.0.0.1" not in answer.text
