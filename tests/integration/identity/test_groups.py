"""Groups of the provider make people members, as a tenant says; with the real provider, controller and RBAC."""

import secrets
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from roost.adapters.oidc import read_groups
from roost.kube.client import Client
from roost.model.kinds.people import GROUPS_LAST, MAX_GROUPS
from roost.model.kinds.tenant import Environment, GroupRole, Tenant, TenantSpec
from roost.settings import Settings
from tests.integration.api.conftest import Running
from tests.integration.apiserver import ApiServer
from tests.integration.capabilities.conftest import controlling
from tests.integration.conftest import Eventually
from tests.integration.identity import conftest as registering
from tests.integration.identity.conftest import Browser
from tests.integration.identity.provider import RealProvider

pytestmark = pytest.mark.integration
registered = registering.settings  # Without groups: what a site has that did not ask for them.


@pytest.fixture
def settings(registered: Settings) -> Settings:
    """As `registered`, and groups are believed."""
    (Path(registered.oidc) / "groups-claim").write_text("groups")
    return registered


@pytest.fixture
async def controller(apiserver: ApiServer, api: Running) -> AsyncIterator[None]:
    """The controller sees to tenants. `api` installs the rights that it has."""
    async with controlling(apiserver, ("tenant",)):
        yield


@pytest.fixture
async def tenant(client: Client) -> str:
    """A tenant that two groups are given roles in, and nobody else."""
    name = f"t{secrets.token_hex(4)}"
    groups = (
        GroupRole(group="Payments Team", role="developer", environments=("dev",)),
        GroupRole(group="leads", role="owner"),
    )
    spec = TenantSpec(environments=(Environment(name="dev"), Environment(name="prod")), groups=groups)
    await client.create(Tenant.manifest(name, spec))
    return name


class Person:
    """Somebody at the provider, in a browser of their own each time."""

    def __init__(self, api: Running, provider: RealProvider) -> None:
        self.api, self.provider = api, provider
        self.subject = f"s-{time.time_ns()}"
        self.name = f"p{secrets.token_hex(4)}"

    async def sign_in(self, groups: Any) -> Browser:
        """With these groups (None: the token has no such claim)."""
        claims = {"groups": groups} if groups is not None else {}
        self.provider.sign_in(self.subject, email=f"{self.name}@good.example", preferred_username=self.name, **claims)
        browser = Browser(self.api.client())
        answer = await browser.through(self.provider)
        assert answer.status_code == 303, answer.text
        return browser

    async def groups(self) -> tuple[str, ...]:
        user = await self.api.people.user(self.name)
        assert user is not None
        return user.spec.groups


@pytest.fixture
def person(api: Running, provider: RealProvider) -> Person:
    return Person(api, provider)


def sees(browser: Browser, tenant: str, environment: str = "dev", verb: str = "GET") -> Callable[[], Any]:
    """Whether the tenant's apps answer; `POST` tries to make one."""

    async def look() -> bool:
        path = f"/v1/tenants/{tenant}/environments/{environment}/apps"
        if verb == "POST":
            body = {"metadata": {"name": f"a{secrets.token_hex(3)}"}, "spec": {}}
            own = str(browser.http.base_url).rstrip("/")
            cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
            answer = await browser.http.post(path, json=body, headers={"Cookie": cookies, "Origin": own})
            return bool(answer.status_code == 201)
        return bool((await browser.get(path)).status_code == 200)

    return look


def no(check: Callable[[], Any]) -> Callable[[], Any]:
    async def inverse() -> bool:
        return not await check()

    return inverse


async def test_a_group_gives_its_role_where_the_tenant_says_so_and_takes_it_along(
    api: Running, person: Person, tenant: str, controller: None, eventually: Eventually
) -> None:
    browser = await person.sign_in(["Payments Team", "everybody"])
    await eventually(sees(browser, tenant, verb="POST"))
    assert not await sees(browser, tenant, "prod")(), "the group is for dev only"
    me = (await browser.get("/v1/me")).json()
    assert [(item["name"], item["role"]) for item in me["tenants"]] == [(tenant, "developer")]

    # In another group from now on: re-evaluated at the sign-in, for every session of the person.
    again = await person.sign_in(["leads"])
    await eventually(sees(again, tenant, "prod", verb="POST"))
    again = await person.sign_in([])
    await eventually(no(sees(again, tenant)))
    assert not await sees(browser, tenant)()
    assert await person.groups() == ()


async def test_what_a_group_gives_ends_when_nobody_has_asked_the_provider_for_long(
    person: Person, tenant: str, client: Client, controller: None, eventually: Eventually
) -> None:
    browser = await person.sign_in(["leads"])
    await eventually(sees(browser, tenant))
    raw = await client.get("roost.dev/v1alpha1", "User", person.name)
    assert raw is not None
    lately = raw["spec"]["groupsAt"]
    # Time goes by, for the controller: it looks at when the provider was asked, and the platform may write that.
    user = await person.api.people.user(person.name)
    assert user is not None
    at = person.api.clock() - GROUPS_LAST - timedelta(minutes=1)
    await client.patch(raw, {"spec": {"groupsAt": at.strftime("%Y-%m-%dT%H:%M:%SZ")}})
    await eventually(no(sees(browser, tenant)))
    browser = await person.sign_in(["leads"])
    await eventually(sees(browser, tenant))
    raw = await client.get("roost.dev/v1alpha1", "User", person.name)
    assert raw is not None and raw["spec"]["groupsAt"] >= lately


async def test_an_owner_takes_the_groups_role_away(
    person: Person, tenant: str, client: Client, controller: None, eventually: Eventually
) -> None:
    browser = await person.sign_in(["leads"])
    await eventually(sees(browser, tenant, "prod"))
    raw = await client.get("roost.dev/v1alpha1", "Tenant", tenant)
    assert raw is not None
    await client.patch(raw, {"spec": {"groups": []}})
    await eventually(no(sees(browser, tenant, "prod")))


@pytest.mark.full
async def test_somebody_made_anew_has_none_of_the_groups(
    person: Person, tenant: str, client: Client, controller: None, eventually: Eventually
) -> None:
    browser = await person.sign_in(["leads"])
    await eventually(sees(browser, tenant))
    await client.delete({"apiVersion": "roost.dev/v1alpha1", "kind": "User", "metadata": {"name": person.name}})
    fresh = await person.sign_in(None)
    assert await person.groups() == ()
    await eventually(no(sees(fresh, tenant)))


def _by_another_key(claims: dict[str, Any], key: RSAKey) -> str:
    other = RSAKey.generate_key(2048, {"kid": str(key.kid)})
    return jwt.encode({"alg": "RS256", "kid": key.kid}, {**claims, "groups": ["leads"]}, other)


async def test_forged_groups_sign_nobody_in_and_change_nothing(person: Person, provider: RealProvider) -> None:
    browser = await person.sign_in(["everybody"])
    provider.forge = _by_another_key
    assert (await browser.through(provider)).status_code == 403
    # Nor is believed what comes beside the id token.
    provider.forge = None
    path = await browser.to_callback(provider)
    assert (await browser.get(f"{path}&groups=leads&groups=root")).status_code == 303
    assert await person.groups() == ("everybody",)


@pytest.mark.parametrize(
    "claim",
    [{"leads": True}, 7, None, [["leads"]], ["leads\n"], ["x" * 201], "leads,other", [" leads"], [""]],
    ids=str,
)
async def test_what_is_no_list_of_names_is_no_group(person: Person, claim: Any) -> None:
    await person.sign_in(claim)
    assert "leads" not in await person.groups()


@pytest.mark.full
async def test_of_very_many_groups_those_count_that_a_tenant_names(person: Person, tenant: str) -> None:
    await person.sign_in([f"group-{number}" for number in range(3 * MAX_GROUPS)] + ["leads"])
    assert await person.groups() == ("leads",)


async def test_nobody_writes_groups_by_hand(api: Running, person: Person, administrator: str) -> None:
    await person.sign_in(["everybody"])
    http = await api.as_(administrator)
    path = f"/v1/users/{person.name}"
    user = (await http.get(path)).json()
    for groups in (["leads"], ["everybody", "leads"]):
        body = {**user, "spec": {**user["spec"], "groups": groups}}
        answer = await http.put(path, json=body)
        assert answer.status_code in (403, 422), answer.text
    assert await person.groups() == ("everybody",)
    # The twin: another title, and groups taken away.
    assert (await http.patch(path, json={"title": "Somebody"})).status_code == 200
    user = (await http.get(path)).json()
    kept = {key: value for key, value in user["spec"].items() if key not in ("groups", "groupsAt")}
    answer = await http.put(path, json={**user, "spec": kept})
    assert answer.status_code == 200, answer.text
    assert await person.groups() == ()


def test_one_group_may_be_named_without_a_list() -> None:
    assert read_groups("leads") == ("leads",)
    assert read_groups(["b", "a", "b", 3]) == ("a", "b")


class TestUnasked:
    """A site that did not say which claim to believe."""

    @pytest.fixture
    def settings(self, registered: Settings) -> Settings:
        return registered

    async def test_no_group_is_believed(self, person: Person) -> None:
        await person.sign_in(["leads"])
        assert await person.groups() == ()
