"""Registry tokens: what people, builders, nodes and nobody may pull and push."""

import base64
from datetime import timedelta
from typing import Any, cast

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from roost.surface import registry
from tests.integration.api.conftest import KEY, Running, Team

pytestmark = pytest.mark.integration


def _basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def _access(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200, answer.text
    # Checked as the registry does: by the JWKS file, with the key that the header names.
    keys = KeySet.import_key_set(cast(Any, registry.jwks(KEY)))
    token = jwt.decode(answer.json()["token"], keys, algorithms=["ES256"])
    assert token.header["kid"] == ECKey.import_key(KEY).thumbprint()
    assert (token.claims["iss"], token.claims["aud"]) == ("roost", "registry")
    return {item["name"]: item["actions"] for item in token.claims["access"]}


async def test_people_pull_their_tenants_images_and_push_none(api: Running, team: Team, other: Team) -> None:
    scope = " ".join(
        f"repository:{name}:pull,push" for name in (f"{team.name}/site", f"{other.name}/site", "base/python")
    )
    person = team.person("viewer")
    http = api.client(Authorization=_basic(person, await api.token(person)))
    answer = await http.get("/registry/token", params={"service": "registry", "scope": scope})
    assert _access(answer) == {f"{team.name}/site": ["pull"], "base/python": ["pull"]}
    form = f"grant_type=password&service=registry&scope={scope}&username={person}&password={await api.token(person)}"
    posted = await api.client().post("/registry/token", content=form.replace(" ", "+"))
    assert _access(posted) == _access(answer)
    nobody = await api.client().get("/registry/token", params={"scope": scope})
    assert _access(nobody) == {"base/python": ["pull"]}


async def test_machines_get_what_their_credential_grants(api: Running, team: Team, other: Team) -> None:
    now = api.clock()
    scopes = [
        f"repository:{team.name}/site:pull,push",
        f"repository:{other.name}/site:pull,push",
        "repository:base/x:push",
    ]
    for grants, expected in (
        (registry.tenant_builder_grants(team.name), {f"{team.name}/site": ["pull", "push"]}),
        ((registry.PULL_ALL,), {f"{team.name}/site": ["pull"], f"{other.name}/site": ["pull"]}),
    ):
        login = registry.mint_login(KEY, "machine", grants, now, timedelta(hours=1))
        http = api.client(Authorization=_basic(registry.MACHINE_USER, login))
        assert _access(await http.get("/registry/token", params={"scope": scopes})) == expected


async def test_forged_and_foreign_credentials_are_refused(api: Running, team: Team) -> None:
    now = api.clock()
    grants = (registry.PULL_ALL,)
    hour = timedelta(hours=1)
    good = registry.mint_login(KEY, "node", grants, now, hour)
    head, body, _ = good.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    for login in (
        registry.mint_login(registry.new_key(), "node", grants, now, hour),
        registry.mint_login(KEY, "node", grants, now - timedelta(days=2), hour),
        registry.mint(KEY, "node", [registry.Access("base/x", ("pull",))], now),
        f"{none}.{body}.",
        f"{head}.{body}.AAAA",
        "",
        "x",
    ):
        http = api.client(Authorization=_basic(registry.MACHINE_USER, login))
        assert (await http.get("/registry/token")).status_code == 401
    wrong = api.client(Authorization=_basic(team.person("viewer"), "guess"))
    assert (await wrong.get("/registry/token")).status_code == 401
    http = api.client(Authorization=_basic(registry.MACHINE_USER, good))
    assert (await http.get("/registry/token")).status_code == 200  # The twin.
    for params in ({"service": "other"}, {"scope": "repository:../x:pull"}, {"scope": "repository:A:pull"}):
        assert (await http.get("/registry/token", params=params)).status_code == 400
    catalogue = await http.get("/registry/token", params={"scope": "registry:catalog:*"})
    assert _access(catalogue) == {}
