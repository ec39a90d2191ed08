"""Registry tokens: what is wanted, what is granted, what is signed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from roost.surface import registry
from roost.surface.registry import Access, Grant

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


def test_scopes_are_read_and_nonsense_is_refused() -> None:
    read = registry.parse_scopes(
        ["repository:acme/shop:pull,push,delete repository:base/python:pull", "registry:catalog:*"]
    )
    assert read == (Access("acme/shop", ("pull", "push")), Access("base/python", ("pull",)))
    for wrong in ("repository:../x:pull", "repository:/x:pull", "repository:a//b:pull", "repository:A:pull"):
        with pytest.raises(registry.TokenRefused):
            registry.parse_scopes([wrong])
    with pytest.raises(registry.TokenRefused):
        registry.parse_scopes(["repository:a/b:pull"] * 50)


def test_a_grant_covers_its_prefix_and_nothing_beside_it() -> None:
    wanted = registry.parse_scopes(
        [f"repository:{name}:pull,push" for name in ("acme/shop", "acmeevil/shop", "base/x", "acme")]
    )
    got = registry.allowed(wanted, registry.tenant_builder_grants("acme"))
    assert got == (Access("acme/shop", ("pull", "push")), Access("base/x", ("pull",)))
    assert registry.allowed(wanted, ()) == ()
    everything = registry.allowed(wanted, (registry.PULL_ALL,))
    assert {access.actions for access in everything} == {("pull",)} and len(everything) == 4


def test_an_access_token_is_what_the_registry_checks() -> None:
    key = registry.new_key()
    token = registry.mint(key, "ada", [Access("acme/shop", ("push", "pull"))], NOW)
    trusted: Any = registry.jwks(key)
    decoded = jwt.decode(token, KeySet.import_key_set(trusted), algorithms=["ES256"])
    assert decoded.header["kid"] == registry.jwks(key)["keys"][0]["kid"]
    assert "d" not in registry.jwks(key)["keys"][0], "The private part must not leave."
    claims = decoded.claims
    assert (claims["iss"], claims["aud"], claims["sub"]) == ("roost", "registry", "ada")
    assert claims["exp"] - int(NOW.timestamp()) == 900
    assert claims["access"] == [{"type": "repository", "name": "acme/shop", "actions": ["pull", "push"]}]


def test_a_login_token_is_good_for_its_time_and_key() -> None:
    key = registry.new_key()
    login = registry.mint_login(key, "node", (registry.PULL_ALL,), NOW, timedelta(hours=1))
    assert registry.read_login(key, login, NOW) == ("node", (Grant("", ("pull",)),))
    for key_used, moment in ((key, NOW + timedelta(hours=2)), (registry.new_key(), NOW)):
        with pytest.raises(registry.TokenRefused):
            registry.read_login(key_used, login, moment)
    with pytest.raises(registry.TokenRefused):
        registry.read_login(key, registry.mint(key, "x", [], NOW), NOW)
