"""Invitations: a link makes somebody a member, once, as long as whoever made it may say who is in."""

import asyncio
import time
from datetime import timedelta

import pytest

from tests.integration.api.conftest import Running, Team, make_person
from tests.integration.identity.conftest import Browser
from tests.integration.identity.provider import RealProvider

pytestmark = pytest.mark.integration
PASSWORD = "a fine long password"


async def _invite(api: Running, team: Team, **given: object) -> dict[str, str]:
    owner = await api.as_(team.person("owner"))
    answer = await owner.post(f"/v1/tenants/{team.name}/invitations", json={"role": "developer", **given})
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.json()
    return made


async def _members(api: Running, team: Team) -> dict[str, tuple[str, list[str]]]:
    raw = await api.admin.get("roost.dev/v1alpha1", "Tenant", team.name)
    assert raw is not None
    return {item["person"]: (item["role"], item.get("environments") or []) for item in raw["spec"]["members"]}


async def test_somebody_new_chooses_a_name_and_a_password_and_is_in(api: Running, team: Team) -> None:
    made = await _invite(api, team, environments=["dev"], mail="Lin@Example.com")
    name = f"lin-{team.name}"
    given = {"token": made["token"], "name": name, "password": PASSWORD}
    http = api.client()
    for wrong in ({"password": "short"}, {"name": "Not A Name"}, {"name": team.person("owner")}, {"name": "roost-x"}):
        answer = await http.post("/v1/invitations/accept", json={**given, **wrong})
        assert answer.status_code == 422, answer.text
    accepted = await http.post("/v1/invitations/accept", json=given)
    assert accepted.status_code == 201, accepted.text
    assert (await _members(api, team))[name] == ("developer", ["dev"])
    me = await api.client(Authorization=f"Bearer {accepted.json()['token']}").get("/v1/me")
    assert (me.json()["mail"], me.json()["platformRole"]) == ("lin@example.com", "")
    assert (await http.post("/v1/session", json={"name": name, "password": PASSWORD})).status_code == 201
    # Once.
    again = await http.post("/v1/invitations/accept", json={**given, "name": f"second-{team.name}"})
    assert again.status_code == 404


@pytest.mark.full
async def test_of_many_at_once_one_comes_in(api: Running, team: Team) -> None:
    made = await _invite(api, team)
    http = api.client()
    answers = await asyncio.gather(
        *(
            http.post(
                "/v1/invitations/accept",
                json={"token": made["token"], "name": f"racer{number}-{team.name}", "password": PASSWORD},
            )
            for number in range(4)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 404, 404, 404]
    assert len([name for name in await _members(api, team) if name.startswith("racer")]) == 1


async def test_only_owners_invite_and_others_see_no_links(api: Running, team: Team, other: Team) -> None:
    made = await _invite(api, team)
    path = f"/v1/tenants/{team.name}/invitations"
    for person, status in ((team.person("developer"), 403), (other.person("owner"), 404)):
        http = await api.as_(person)
        assert (await http.post(path, json={"role": "owner"})).status_code == status
        assert (await http.get(path)).status_code == status
        assert (await http.delete(f"{path}/{made['id']}")).status_code == status
    owner = await api.as_(team.person("owner"))
    listed = (await owner.get(path)).json()["items"]
    assert [item["id"] for item in listed] == [made["id"]]
    assert made["token"] not in str(listed)
    secret = await api.admin.get("v1", "Secret", f"invitation-{made['id']}", "roost-people")
    assert made["token"] not in str(secret)


async def test_an_invitation_is_worth_what_its_maker_may(api: Running, team: Team) -> None:
    made = await _invite(api, team)
    binding = await api.admin.get("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", f"roost-tenant-{team.name}-own")
    assert binding is not None
    await api.admin.replace({**binding, "subjects": []})
    name = f"late-{team.name}"
    given = {"token": made["token"], "name": name, "password": PASSWORD}
    assert (await api.client().post("/v1/invitations/accept", json=given)).status_code == 403
    assert name not in await _members(api, team)
    assert await api.people.user(name) is None
    # The harmless twin: the maker may again.
    current = await api.admin.get("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", binding["metadata"]["name"])
    assert current is not None
    await api.admin.replace({**current, "subjects": binding["subjects"]})
    assert (await api.client().post("/v1/invitations/accept", json=given)).status_code == 201


@pytest.mark.full
async def test_a_link_ends_by_itself_and_when_it_is_taken_back(api: Running, team: Team) -> None:
    late, back = await _invite(api, team, expiresInDays=1), await _invite(api, team)
    owner = await api.as_(team.person("owner"))
    assert (await owner.delete(f"/v1/tenants/{team.name}/invitations/{back['id']}")).status_code == 204
    await make_person(api, f"known-{team.name}")
    known = await api.as_(f"known-{team.name}")
    assert (await known.post("/v1/me/invitations", json={"token": back["token"]})).status_code == 404
    forged = late["token"][:-4] + "AAAA"
    assert (await known.post("/v1/me/invitations", json={"token": forged})).status_code == 404
    api.clock.ahead = timedelta(days=1, minutes=1)
    known = await api.as_(f"known-{team.name}")
    assert (await known.post("/v1/me/invitations", json={"token": late["token"]})).status_code == 404
    assert f"known-{team.name}" not in await _members(api, team)


@pytest.mark.full
async def test_somebody_known_joins_as_who_they_are(api: Running, team: Team) -> None:
    made = await _invite(api, team, role="viewer")
    await make_person(api, f"known-{team.name}")
    known = await api.as_(f"known-{team.name}")
    assert (await known.post("/v1/me/invitations", json={"token": made["token"]})).status_code == 204
    assert (await _members(api, team))[f"known-{team.name}"] == ("viewer", [])
    assert len(await _members(api, team)) == 5, "nobody is lost"


async def test_an_invitation_is_taken_up_through_the_provider_by_whom_it_is_for(
    api: Running, team: Team, provider: RealProvider, browser: Browser
) -> None:
    made = await _invite(api, team, mail="lin@elsewhere.example")
    way = f"/signin/oidc?invitation={made['token']}"
    provider.sign_in(f"eve-{time.time_ns()}", email="eve@elsewhere.example", preferred_username="eve")
    assert (await browser.through(provider, way)).status_code == 403
    provider.sign_in(f"lin-{time.time_ns()}", email="lin@elsewhere.example", preferred_username=f"lin{team.name}")
    assert (await browser.through(provider, way)).status_code == 303
    assert f"lin{team.name}" in await _members(api, team)
    page = await browser.get(f"/invitation?token={made['token']}")
    assert page.status_code == 404


@pytest.mark.full
async def test_the_page_of_an_invitation_tells_and_lets_in(api: Running, team: Team, browser: Browser) -> None:
    made = await _invite(api, team)
    path = made["url"].partition("localhost")[2]
    page = await browser.get(path)
    assert page.status_code == 200 and team.name in page.text and "The company" in page.text
    fields = {"token": made["token"], "name": f"page-{team.name}", "password": PASSWORD}
    assert (await browser.post("/invitation", fields)).status_code == 303
    assert f"page-{team.name}" in (await browser.get("/account")).text
