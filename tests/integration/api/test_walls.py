"""Attacks on identity and on the wall between tenants. Each has a twin: the same actor doing the harmless version."""

import asyncio
import base64
import json

import pytest

from roost.kube.errors import Forbidden
from roost.model.kinds.people import UserSpec
from tests.integration.api.conftest import Running, Team, app_body, make_person

pytestmark = pytest.mark.integration


async def test_what_is_another_tenants_is_not_there(api: Running, team: Team, other: Team) -> None:
    victim = await api.as_(other.person("developer"))
    assert (await victim.post(other.of("apps"), json=app_body("secret"))).status_code == 201
    assert (await victim.post(other.of("projects"), json={"metadata": {"name": "site"}})).status_code == 201
    attacker = await api.as_(team.person("owner"))
    assert (await attacker.get(team.of("apps"))).status_code == 200  # The twin.
    app = f"{other.of('apps')}/secret"
    for method, path, body in (
        ("GET", other.of("apps"), None),
        ("GET", app, None),
        ("POST", other.of("apps"), app_body("mine")),
        ("PUT", app, app_body("secret")),
        ("PATCH", app, {"spec": {"stopped": True}}),
        ("DELETE", app, None),
        ("GET", f"{app}/config", None),
        ("PATCH", f"{app}/config", {"set": {"A": "1"}}),
        ("POST", f"{app}/scale", {"processes": {"web": 0}}),
        ("POST", f"{app}/rollback", {}),
        ("GET", f"{app}/logs", None),
        ("GET", f"{app}/instances", None),
        ("GET", other.of("releases"), None),
        ("GET", other.of("projects"), None),
        ("GET", other.of("runs"), None),
        ("GET", f"{other.of('runs')}/x/logs", None),
        ("GET", f"/v1/tenants/{other.name}", None),
    ):
        answer = await attacker.request(method, path, json=body)
        nowhere = await attacker.request(method, path.replace(other.name, "nosuchtenant"), json=body)
        assert answer.status_code == 404, f"{method} {path}: {answer.status_code} {answer.text}"
        told = answer.json()["detail"].replace(other.name, "nosuchtenant")
        assert told == nowhere.json()["detail"], "The answer tells that the tenant exists."
    watched = await attacker.get(other.of("apps"), params={"watch": "true"})
    assert watched.status_code == 404


async def test_another_tenants_id_in_body_selector_and_continue_token_changes_nothing(
    api: Running, team: Team, other: Team
) -> None:
    victim = await api.as_(other.person("developer"))
    for number in range(3):
        await victim.post(other.of("apps"), json=app_body(f"secret{number}"))
    rest = (await victim.get(other.of("apps"), params={"limit": 1})).json()["metadata"]["continue"]
    attacker = await api.as_(team.person("owner"))
    page = await attacker.get(team.of("apps"), params={"continue": rest})
    assert page.status_code in (200, 400, 410)
    assert "secret" not in page.text
    selected = await attacker.get(team.of("apps"), params={"labels": f"roost.dev/tenant={other.name}"})
    assert selected.json()["items"] == []
    body = app_body("mine")
    body["metadata"]["namespace"] = f"{other.name}-dev"
    assert (await attacker.post(team.of("apps"), json=body)).status_code == 422
    del body["metadata"]["namespace"]
    assert (await attacker.post(team.of("apps"), json=body)).status_code == 201  # The twin.
    for name in ("..%2f..%2fsecrets", "%2e%2e", "a%00b", "x?watch=1", "..;/x"):
        answer = await attacker.get(f"{team.of('apps')}/{name}")
        assert answer.status_code in (400, 404, 422), f"{name}: {answer.status_code}"


async def test_headers_that_ask_for_another_identity_are_nothing(api: Running, team: Team, other: Team) -> None:
    token = await api.token(team.person("developer"))
    for headers in (
        {"Impersonate-User": "system:admin"},
        {"impersonate-user": f"system:serviceaccount:roost-people:{other.person('owner')}"},
        {"Impersonate-Group": "system:masters"},
        {"Impersonate-Uid": "0", "Impersonate-Extra-scopes": "all"},
        {"Connection": "Impersonate-User", "Impersonate-User": "system:admin"},
        {"Connection": "close, Authorization"},
        {"X-Remote-User": "system:admin", "X-Remote-Group": "system:masters"},
        {"X-Roost-Person": other.person("owner")},
        {"X-Forwarded-User": "admin"},
    ):
        http = api.client(Authorization=f"Bearer {token}", **headers)
        me = await http.get("/v1/me")
        assert me.json()["person"] == team.person("developer")
        assert (await http.get(other.of("apps"))).status_code == 404
        assert (await http.get("/v1/users")).status_code == 403


async def test_the_api_cannot_become_anybody_but_a_person(api: Running, kubeconfig: object) -> None:
    from roost.kube.client import Client
    from roost.kube.transport import Transport, read_config

    transport = Transport(read_config(str(kubeconfig)), "attack")
    try:
        for user in ("system:admin", "kubernetes-admin", "system:node:vm", "system:serviceaccount:kube-system:default"):
            with pytest.raises(Forbidden):
                await Client(transport, user=user).list("v1", "Namespace")
        with pytest.raises(Forbidden):
            await Client(transport).list("v1", "Secret", "roost-system")
        with pytest.raises(ValueError):
            Client(transport).act_as("person:../system:admin")
    finally:
        await transport.close()


def _jwt(header: dict[str, str], claims: dict[str, object]) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return ".".join([*parts, ""])


async def test_forged_tokens_are_refused(api: Running, team: Team) -> None:
    good = await api.token(team.person("developer"))
    for token in (
        "rst_",
        good[:-1] + ("a" if good[-1] != "a" else "b"),
        good.replace("rst_", "rst_0", 1),
        _jwt({"alg": "none"}, {"sub": "system:serviceaccount:roost-people:admin"}),
        "rst_" + "0" * 16 + "_" + "a" * 43,
        "null",
        "'; drop table users; --",
        "\u00e9" * 8,
    ):
        answer = await api.client().get("/v1/me", headers=[(b"Authorization", b"Bearer " + token.encode())])
        assert answer.status_code == 401, f"{token!r}: {answer.status_code}"
    for header in ("Basic YTpi", "Negotiate x", good):
        assert (await api.client(Authorization=header).get("/v1/me")).status_code == 401
    assert (await api.client(Authorization=f"Bearer {good}").get("/v1/me")).status_code == 200  # The twin.


async def test_a_recreated_person_is_somebody_else(api: Running, team: Team, administrator: str) -> None:
    name = f"eve-{team.name}"
    await make_person(api, name)
    old = await api.as_(name)
    assert (await old.get("/v1/me")).status_code == 200
    admin = await api.as_(administrator)
    # By kubectl, so nothing of Roost tidies up; there is no garbage collector in this test either.
    await api.admin.delete({"apiVersion": "roost.dev/v1alpha1", "kind": "User", "metadata": {"name": name}})
    await api.people.create(name, UserSpec(), api.admin)
    api.clock.ahead += api.clock.ahead.__class__(seconds=15)
    assert (await old.get("/v1/me")).status_code == 401
    assert (await (await api.as_(name)).get("/v1/me")).status_code == 200
    assert (await admin.patch(f"/v1/users/{name}", json={"disabled": True})).status_code == 200
    assert (await (await api.as_(name)).get("/v1/me")).status_code == 401


async def test_a_removed_members_stream_ends(api: Running, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roost.api.watching.RECHECK_S", 0.5)
    monkeypatch.setattr("roost.api.tenants.KEEP", api.clock.ahead)
    http = await api.as_(team.person("viewer"))
    stays = await api.as_(team.person("developer"))
    async with (
        asyncio.timeout(20),
        http.stream("GET", team.of("apps"), params={"watch": "true"}) as cut,
        stays.stream("GET", team.of("apps"), params={"watch": "true"}) as kept,
    ):
        tenant = await api.admin.get("roost.dev/v1alpha1", "Tenant", team.name)
        assert tenant is not None
        members = [item for item in tenant["spec"]["members"] if item["role"] != "viewer"]
        await api.admin.patch(tenant, {"spec": {"members": members}})
        text = (await cut.aread()).decode()
        assert "event: error" in text and "not-found" in text
        async for line in kept.aiter_lines():  # The twin: somebody else's goes on.
            if line == "event: bookmark" or line.startswith(":"):
                break
