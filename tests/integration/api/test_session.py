"""Signing in, tokens, passwords: what is shown once, what ends, and what is refused."""

import asyncio
from datetime import timedelta

import pytest

from roost.kube.client import Client
from roost.model.names import PEOPLE_NAMESPACE
from roost.surface.people import ensure_administrator
from tests.integration.api.conftest import Running, Team

pytestmark = pytest.mark.integration


async def _password(api: Running, person: str) -> str:
    user = await api.people.user(person)
    assert user is not None
    return await api.people.new_password(person, user.metadata.uid)


async def test_a_password_gives_a_token_that_ends_with_the_session(api: Running, team: Team) -> None:
    name = team.person("developer")
    password = await _password(api, name)
    http = api.client()
    answer = await http.post("/v1/session", json={"name": name, "password": password})
    assert answer.status_code == 201
    body = answer.json()
    assert (body["person"], body["initialPassword"]) == (name, True)
    http.headers["Authorization"] = f"Bearer {body['token']}"
    assert (await http.get("/v1/me")).json()["person"] == name
    change = {"old": password, "new": "a much better one"}
    assert (await http.put("/v1/me/password", json={**change, "old": "wrong"})).status_code == 401
    short = await http.put("/v1/me/password", json={**change, "new": "short"})
    assert (short.status_code, short.json()["errors"][0]["field"]) == (422, "new")
    assert (await http.put("/v1/me/password", json=change)).status_code == 204
    assert (await api.client().post("/v1/session", json={"name": name, "password": password})).status_code == 401
    again = await api.client().post("/v1/session", json={"name": name, "password": change["new"]})
    assert again.json()["initialPassword"] is False
    assert (await http.delete("/v1/session")).status_code == 204
    assert (await http.get("/v1/me")).status_code == 401


async def test_tokens_are_made_listed_and_revoked_and_only_hashes_are_kept(
    api: Running, team: Team, other: Team, client: Client
) -> None:
    http = await api.as_(team.person("developer"))
    made = (await http.post("/v1/tokens", json={"name": "ci", "expiresInDays": 7})).json()
    assert made["token"].startswith("rst_")
    listed = (await http.get("/v1/tokens")).json()["items"]
    assert "ci" in [item["name"] for item in listed]
    assert all("token" not in item for item in listed)
    secrets = await client.list("v1", "Secret", PEOPLE_NAMESPACE)
    assert made["token"] not in str(secrets) and made["token"].split("_", 2)[2] not in str(secrets)
    thief = await api.as_(other.person("developer"))
    assert (await thief.delete(f"/v1/tokens/{made['id']}")).status_code == 404
    own = api.client(Authorization=f"Bearer {made['token']}")
    assert (await own.get("/v1/me")).status_code == 200
    assert (await http.delete(f"/v1/tokens/{made['id']}")).status_code == 204
    assert (await own.get("/v1/me")).status_code == 401


async def test_a_token_expires(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    made = (await http.post("/v1/tokens", json={"name": "ci", "expiresInDays": 1})).json()
    own = api.client(Authorization=f"Bearer {made['token']}")
    assert (await own.get("/v1/me")).status_code == 200
    api.clock.ahead = timedelta(days=1, seconds=1)
    assert (await own.get("/v1/me")).status_code == 401


async def test_guessing_locks_a_password_and_leaves_tokens_good(api: Running, team: Team) -> None:
    name = team.person("developer")
    password = await _password(api, name)
    token = await api.token(name)
    http = api.client()
    for _ in range(10):
        wrong = await http.post("/v1/session", json={"name": name, "password": "guess"})
        assert wrong.status_code == 401
    locked = await http.post("/v1/session", json={"name": name, "password": password})
    assert locked.status_code == 429 and int(locked.headers["retry-after"]) > 0
    stored = await api.people.password(name)
    assert stored is not None and stored.locked_until is not None, "Other replicas must know."
    assert (await api.client(Authorization=f"Bearer {token}").get("/v1/me")).status_code == 200
    api.clock.ahead = timedelta(minutes=16)
    assert (await http.post("/v1/session", json={"name": name, "password": password})).status_code == 201


async def test_unknown_people_are_answered_like_wrong_passwords(api: Running, team: Team) -> None:
    await _password(api, team.person("viewer"))
    answers = [
        await api.client().post("/v1/session", json={"name": name, "password": "guess-guess"})
        for name in (team.person("viewer"), "nobody-at-all", "../admin", "system:admin")
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json()["detail"] for answer in answers}) == 1


async def test_the_first_administrator_is_made_once(api: Running, client: Client) -> None:
    passwords = await asyncio.gather(*(ensure_administrator(client, api.clock) for _ in range(1)))
    again = await ensure_administrator(client, api.clock)
    assert again is None
    if passwords[0] is not None:
        answer = await api.client().post("/v1/session", json={"name": "admin", "password": passwords[0]})
        assert answer.status_code == 201


async def test_a_reset_ends_every_token(api: Running, team: Team, administrator: str) -> None:
    name = team.person("viewer")
    http = await api.as_(name)
    assert (await http.get("/v1/me")).status_code == 200
    admin = await api.as_(administrator)
    reset = await admin.post(f"/v1/users/{name}/password")
    assert reset.status_code == 201, reset.text
    assert (await http.get("/v1/me")).status_code == 401
    owner = await api.as_(team.person("owner"))
    read = await admin.get(f"/v1/users/{name}")
    assert (await admin.put(f"/v1/users/{name}", json={**read.json(), "spec": {"title": "V"}})).status_code == 200
    assert name in [item["metadata"]["name"] for item in (await admin.get("/v1/users?limit=500")).json()["items"]]
    assert (await owner.get("/v1/users?watch=true")).status_code == 403
    assert (await owner.post(f"/v1/users/{name}/password")).status_code == 403
    assert (await admin.delete(f"/v1/users/{name}")).status_code == 202
    assert await api.people.password(name) is None
