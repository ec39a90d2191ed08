"""Host names of one's own: administrators grant them, members see theirs, and a rollback knows which are lost."""

import secrets
from typing import Any

import httpx2
import pytest

from roost.model.kinds.app import App, Release, ReleaseSpec
from roost.model.names import API_VERSION, APP
from tests.integration.api.conftest import Running, Team, app_body

pytestmark = pytest.mark.integration


def fresh() -> str:
    """A host name that no other test has."""
    return f"shop-{secrets.token_hex(4)}.example.com"


def grant(name: str, team: Team, environment: str = "dev") -> dict[str, Any]:
    """What grants it."""
    return {"metadata": {"name": name}, "spec": {"tenant": team.name, "environment": environment}}


@pytest.fixture
async def admin(api: Running, administrator: str) -> httpx2.AsyncClient:
    """An administrator's client."""
    return await api.as_(administrator)


async def test_a_name_has_one_owner_and_administrators_say_who(
    api: Running, team: Team, other: Team, admin: httpx2.AsyncClient
) -> None:
    name = fresh()
    made = await admin.post("/v1/domains", json=grant(name, team))
    assert made.status_code == 201, made.text
    assert (await admin.post("/v1/domains", json=grant(name, other))).status_code == 409
    for wrong in ("shop", "Shop.example.com", "10.0.0.1", "*.example.com", f"{'a' * 64}.example.com", "a..b", "-a.b"):
        refused = await admin.post("/v1/domains", json=grant(wrong, team))
        assert refused.status_code == 422, f"{wrong}: {refused.text}"
    for role in ("owner", "developer"):
        member = await api.as_(team.person(role))
        assert (await member.post("/v1/domains", json=grant(fresh(), team))).status_code == 403
        assert (await member.delete(f"/v1/domains/{name}")).status_code == 403
        assert (await member.get("/v1/domains")).status_code == 403
    assert (await admin.get(f"/v1/domains/{name}")).json()["spec"]["tenant"] == team.name
    assert (await admin.delete(f"/v1/domains/{name}")).status_code in (200, 202)
    assert (await admin.post("/v1/domains", json=grant(name, other))).status_code == 201


async def test_members_see_the_names_of_their_environment_alone(
    api: Running, team: Team, other: Team, admin: httpx2.AsyncClient
) -> None:
    mine, theirs, prod = fresh(), fresh(), fresh()
    for body in (grant(mine, team), grant(theirs, other), grant(prod, team, "prod")):
        assert (await admin.post("/v1/domains", json=body)).status_code == 201
    viewer = await api.as_(team.person("viewer"))
    assert (await viewer.get(team.of("domains"))).json() == {"items": [{"name": mine}]}
    developer = await api.as_(team.person("developer"))
    await developer.post(team.of("apps"), json=app_body(domains=[mine]))
    assert (await viewer.get(team.of("domains"))).json() == {"items": [{"name": mine, "app": "shop"}]}
    assert (await viewer.get(team.of("domains", "prod"))).json() == {"items": [{"name": prod}]}
    assert (await viewer.get(other.of("domains"))).status_code == 404


async def test_a_rollback_says_which_names_would_not_come_back(
    api: Running, team: Team, admin: httpx2.AsyncClient
) -> None:
    name, kept, space = fresh(), fresh(), f"{team.name}-dev"
    for item in (name, kept):
        await admin.post("/v1/domains", json=grant(item, team))
    developer, path = await api.as_(team.person("developer")), f"{team.of('apps')}/shop"
    await developer.post(team.of("apps"), json=app_body(domains=[name, kept, f"x-dev.{team.name}.roost.localhost"]))
    raw = await api.admin.get(API_VERSION, "App", "shop", space)
    assert raw is not None
    spec = ReleaseSpec(app="shop", number=1, content=App.parse(raw).spec, digest="1" * 64)
    made = await api.admin.create(Release.manifest("shop-v1", spec, space, labels={APP: "shop"}))
    await api.admin.patch_status(made, {"phase": "Live", "liveAt": "2026-11-29T07:00:00Z"}, "test")
    await developer.patch(path, json={"spec": {"domains": []}})

    async def lost() -> list[str]:
        plan = (await developer.get(f"{path}/rollback", params={"to": 1})).json()
        return [item["values"]["names"] for item in plan.get("checks", ()) if item["reason"] == "HostnamesLost"]

    assert await lost() == []
    await admin.delete(f"/v1/domains/{name}")
    assert await lost() == [name]
    await developer.post(team.of("apps"), json=app_body("other", domains=[kept]))
    assert await lost() == [f"{name}, {kept}"]
    assert (await developer.post(f"{path}/rollback", json={"to": 1})).status_code == 422
    assert (await developer.post(f"{path}/rollback", json={"to": 1, "force": True})).status_code == 200
