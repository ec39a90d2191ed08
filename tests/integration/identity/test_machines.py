"""Machines: their token may what their role says in their environments, by every way, and ends when they go."""

import base64
import ssl
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from roost.capabilities.tenant.manifests import identities
from roost.model.kinds.tenant import Tenant
from tests.integration.api.conftest import Running, Team
from tests.integration.apiserver import ApiServer
from tests.integration.conftest import Eventually

pytestmark = pytest.mark.integration


async def _bound(api: Running, team: Team) -> None:
    """What the tenant capability does after the members have changed."""
    raw = await api.admin.get("roost.dev/v1alpha1", "Tenant", team.name)
    assert raw is not None
    members = Tenant.parse(raw).spec.members
    for environment in ("dev", "prod", "build"):
        for manifest in identities.member_bindings(team.name, environment, members):
            await api.admin.apply(manifest, "roost")
    for manifest in identities.tenant_access(team.name, members):
        await api.admin.apply(manifest, "roost")


async def _made(api: Running, team: Team, **given: Any) -> dict[str, str]:
    owner = await api.as_(team.person("owner"))
    answer = await owner.post(
        f"/v1/tenants/{team.name}/machines", json={"name": "ci", "environments": ["dev"], **given}
    )
    assert answer.status_code == 201, answer.text
    await _bound(api, team)
    found: dict[str, str] = answer.json()
    return found


async def test_a_machine_may_what_its_role_says_and_nothing_else(api: Running, team: Team, other: Team) -> None:
    made = await _made(api, team)
    http = api.client(Authorization=f"Bearer {made['token']}")
    body = {"metadata": {"name": "deployed"}, "spec": {}}
    assert (await http.post(team.of("apps"), json=body)).status_code == 201
    for path, sent, status in (
        (team.of("apps", "prod"), body, 403),
        (other.of("apps"), body, 404),
        ("/v1/users", {"name": "somebody"}, 403),
        ("/v1/tenants", {"metadata": {"name": "brandnew"}}, 403),
    ):
        assert (await http.post(path, json=sent)).status_code == status, path
    # It makes nothing that outlives it, and lets nobody in.
    assert (await http.post("/v1/tokens", json={"name": "more"})).status_code == 403
    assert (await http.post(f"/v1/tenants/{team.name}/machines", json={"name": "more"})).status_code == 403
    assert (await http.post(f"/v1/tenants/{team.name}/invitations", json={})).status_code == 403
    assert (await http.get("/device")).status_code == 403
    basic = base64.b64encode(f"{made['id']}:{made['token']}".encode()).decode()
    git = await api.client(Authorization=f"Basic {basic}").get(
        f"/{other.name}/site.git/info/refs?service=git-upload-pack"
    )
    assert git.status_code in (403, 404)


@pytest.mark.full
async def test_kubectl_holds_a_machine_to_the_same_and_its_credential_ends_with_it(
    api: Running, team: Team, apiserver: ApiServer, eventually: Eventually
) -> None:
    made = await _made(api, team)
    http = api.client(Authorization=f"Bearer {made['token']}")
    credential = (await http.post("/v1/me/kubernetes", json={})).json()
    context = ssl.create_default_context(cadata=credential["authority"])
    headers = {"Authorization": f"Bearer {credential['token']}"}
    async with httpx2.AsyncClient(base_url=apiserver.url, verify=context, headers=headers, trust_env=False) as kube:
        apps = "/apis/roost.dev/v1alpha1/namespaces/{}/apps"
        assert (await kube.get(apps.format(f"{team.name}-dev"))).status_code == 200
        assert (await kube.get(apps.format(f"{team.name}-prod"))).status_code == 403
        owner = await api.as_(team.person("owner"))
        gone = await owner.delete(f"/v1/tenants/{team.name}/machines/{made['id']}")
        assert gone.status_code == 204, gone.text
        assert (await http.get("/v1/me")).status_code == 401
        # kube-apiserver looks the ServiceAccount up with each token, and remembers good answers for some seconds.

        async def ended() -> bool:
            return (await kube.get(apps.format(f"{team.name}-dev"))).status_code == 401

        await eventually(ended, timeout_s=60.0, every_s=0.5)
    assert made["id"] not in str(await api.admin.get("roost.dev/v1alpha1", "Tenant", team.name))


@pytest.mark.full
async def test_a_machines_token_ends_and_so_does_what_it_takes_along(api: Running, team: Team) -> None:
    made = await _made(api, team, expiresInDays=1)
    http = api.client(Authorization=f"Bearer {made['token']}")
    api.clock.ahead = timedelta(hours=23, minutes=55)
    assert (await http.post("/v1/me/kubernetes", json={"expiresInSeconds": 3600})).status_code == 422
    api.clock.ahead = timedelta(days=1, minutes=1)
    assert (await http.get("/v1/me")).status_code == 401


async def test_machines_are_their_own_tenants_and_their_owners(api: Running, team: Team, other: Team) -> None:
    made = await _made(api, team)
    stranger, developer = await api.as_(other.person("owner")), await api.as_(team.person("developer"))
    for tenant in (team, other):
        answer = await stranger.delete(f"/v1/tenants/{tenant.name}/machines/{made['id']}")
        assert answer.status_code == 404
    assert (await developer.get(f"/v1/tenants/{team.name}/machines")).status_code == 403
    owner = await api.as_(team.person("owner"))
    # A person is no machine, whatever is asked for.
    assert (await owner.delete(f"/v1/tenants/{team.name}/machines/{team.person('viewer')}")).status_code == 404
    listed = (await owner.get(f"/v1/tenants/{team.name}/machines")).json()["items"]
    assert [(item["id"], item["role"], item["environments"]) for item in listed] == [(made["id"], "developer", ["dev"])]
    assert made["token"] not in str(listed)
    assert (
        await owner.post(f"/v1/tenants/{team.name}/machines", json={"name": "x", "role": "owner"})
    ).status_code == 422
