"""Who may do what: one table over the API, decided by RBAC with the fixed roles of the tenant capability."""

from typing import Any

import pytest

from tests.integration.api.conftest import Running, Team, app_body

pytestmark = pytest.mark.integration

EVERYBODY = {"owner", "developer", "viewer", "approver"}
MAKERS = {"owner", "developer"}
BUILDERS = EVERYBODY
RUN = {"app": "shop", "command": ["true"]}

# (what, who may). `dryRun` keeps the rows independent of each other.
TABLE: list[tuple[str, str, str, Any, set[str]]] = [
    ("list apps", "GET", "apps", None, EVERYBODY),
    ("get an app", "GET", "apps/shop", None, EVERYBODY),
    ("make an app", "POST", "apps", app_body("new"), MAKERS),
    ("change an app", "PATCH", "apps/shop", {"spec": {"stopped": True}}, MAKERS),
    ("delete an app", "DELETE", "apps/shop", None, MAKERS),
    ("scale", "POST", "apps/shop/scale", {"processes": {"web": 2}}, MAKERS),
    ("set configuration", "PATCH", "apps/shop/config", {"set": {"A": "1"}}, MAKERS),
    ("set a secret", "PATCH", "apps/shop/config", {"set": {"A": "1"}, "secret": True}, MAKERS),
    ("see variables", "GET", "apps/shop/config", None, MAKERS),
    ("see instances", "GET", "apps/shop/instances", None, EVERYBODY),
    ("read logs", "GET", "apps/shop/logs", None, EVERYBODY),
    ("list releases", "GET", "releases", None, EVERYBODY),
    ("make a release by hand", "POST", "releases", {"metadata": {"name": "shop-v9"}}, set()),
    ("list tasks", "GET", "tasks", None, EVERYBODY),
    ("run a command once", "POST", "tasks", {"metadata": {"name": "t"}, "spec": RUN}, MAKERS),
    ("list projects", "GET", "projects", None, BUILDERS),
    ("make a project", "POST", "projects", {"metadata": {"name": "new"}, "spec": {}}, MAKERS),
    ("delete a project", "DELETE", "projects/site", None, {"owner"}),
    ("list runs", "GET", "runs", None, BUILDERS),
]


@pytest.mark.parametrize("role", sorted(EVERYBODY))
async def test_a_role_may_what_the_table_says(api: Running, team: Team, role: str) -> None:
    developer = await api.as_(team.person("developer"))
    assert (await developer.post(team.of("apps"), json=app_body())).status_code == 201
    assert (await developer.post(team.of("projects"), json={"metadata": {"name": "site"}})).status_code == 201
    http = await api.as_(team.person(role))
    wrong = []
    for what, method, path, body, allowed in TABLE:
        kind, _, rest = path.partition("/")
        url = team.of(kind) + (f"/{rest}" if rest else "")
        if "release by hand" in what:
            body = {**body, "spec": {"app": "shop", "number": 9, "content": {}, "digest": "0" * 64}}
        answer = await http.request(method, url, json=body, params={"dryRun": "true"} if method != "GET" else None)
        if (answer.status_code < 300) is not (role in allowed):
            wrong.append(f"{what}: {answer.status_code} {answer.text[:200]}")
        elif role not in allowed and answer.status_code != 403:
            wrong.append(f"{what}: refused with {answer.status_code} instead of 403")
    assert not wrong


async def test_an_administrator_makes_tenants_and_people_and_others_do_not(
    api: Running, team: Team, administrator: str
) -> None:
    owner = await api.as_(team.person("owner"))
    admin = await api.as_(administrator)
    tenant = {"metadata": {"name": f"n{team.name[1:]}"}, "spec": {"title": "New"}}
    person = {"name": f"ada-{team.name}", "title": "Ada"}
    for path, body in (("/v1/tenants", tenant), ("/v1/users", person)):
        assert (await owner.post(path, json=body)).status_code == 403
        made = await admin.post(path, json=body)
        assert made.status_code == 201, made.text
    assert (await owner.get("/v1/users")).status_code == 403
    names = [
        item["metadata"]["name"] for item in (await admin.get("/v1/tenants", params={"limit": 500})).json()["items"]
    ]
    assert {team.name, tenant["metadata"]["name"]} <= set(names)
    signed_in = await api.client().post(
        "/v1/session", json={"name": person["name"], "password": made.json()["password"]}
    )
    assert signed_in.status_code == 201
    assert signed_in.json()["initialPassword"] is True


async def test_a_member_sees_their_own_tenant_and_no_other(api: Running, team: Team, other: Team) -> None:
    http = await api.as_(team.person("viewer"))
    listed = (await http.get("/v1/tenants")).json()["items"]
    assert [item["metadata"]["name"] for item in listed] == [team.name]
    assert (await http.get(f"/v1/tenants/{team.name}")).status_code == 200
    me = (await http.get("/v1/me")).json()
    assert [(item["name"], item["role"], item["environments"]) for item in me["tenants"]] == [
        (team.name, "viewer", ["dev", "prod"])
    ]
