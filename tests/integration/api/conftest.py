"""The API before a real kube-apiserver, with exactly the rights that its ServiceAccount has in a cluster.

platform    the fixed roles and the API's ServiceAccount, once for all tests
api         a running API (uvicorn on a free port); `api.as_(person)` is a client signed in as that person
team        a fresh tenant with namespaces and bindings as the tenant capability makes them, and one person per role
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
import yaml

from roost.api.app import Secrets, create_app
from roost.capabilities.tenant import roles
from roost.capabilities.tenant.admission import objects as admission
from roost.capabilities.tenant.manifests import identities
from roost.kernel import discovery
from roost.kube.client import Client
from roost.kube.errors import AlreadyExists
from roost.model.kinds.people import User, UserSpec
from roost.model.kinds.tenant import Environment, Member, Tenant, TenantSpec
from roost.model.names import PEOPLE_NAMESPACE, SYSTEM_NAMESPACE
from roost.settings import Settings
from roost.surface.people import People
from roost.surface.registry import new_key
from tests.integration.apiserver import ApiServer

ENVIRONMENTS = ("dev", "prod")
KEY = new_key()
_PREPARED: set[str] = set()
GIT_SECRET = "integration-shared-secret"


class TurnedClock:
    """The time, which a test may move on."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Running:
    """An API that serves at `url`."""

    url: str
    people: People
    clock: TurnedClock
    admin: Client
    settings: Settings
    clients: list[httpx2.AsyncClient] = field(default_factory=list)

    def client(self, **headers: str) -> httpx2.AsyncClient:
        """A client with these headers."""
        made = httpx2.AsyncClient(base_url=self.url, headers=headers, trust_env=False, timeout=30)
        self.clients.append(made)
        return made

    async def token(self, person: str) -> str:
        """A new token of that person."""
        user = await self.people.user(person)
        assert user is not None
        _, token = await self.people.new_token(person, user.metadata.uid, "test", "named", timedelta(hours=1))
        return token

    async def as_(self, person: str) -> httpx2.AsyncClient:
        """A client signed in as that person."""
        return self.client(Authorization=f"Bearer {await self.token(person)}")


@dataclass(frozen=True)
class Team:
    """A tenant; its people are named `<role>-<tenant>`."""

    name: str

    def person(self, role: str) -> str:
        """The person with that role."""
        return f"{role}-{self.name}"

    def of(self, kind: str, environment: str = "dev") -> str:
        """The path of a collection."""
        if kind in ("projects", "runs", "channels", "notices"):
            return f"/v1/tenants/{self.name}/{kind}"
        return f"/v1/tenants/{self.name}/environments/{environment}/{kind}"


async def ensure(client: Client, manifest: dict[str, Any]) -> None:
    """Create what is not there yet."""
    with contextlib.suppress(AlreadyExists):
        await client.create(manifest)


def _named(api_version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


@pytest.fixture
async def kubeconfig(apiserver: ApiServer, client: Client, tmp_path: Path) -> Path:
    """A kubeconfig of the API's own ServiceAccount, with its real rights."""
    if apiserver.url not in _PREPARED:
        for namespace in (SYSTEM_NAMESPACE, PEOPLE_NAMESPACE):
            await ensure(client, _named("v1", "Namespace", namespace))
        for account in (roles.API, roles.CONTROLLER):
            await ensure(client, _named("v1", "ServiceAccount", account, SYSTEM_NAMESPACE))
        guards = [*admission.tenants(), *admission.registrar()]
        fixed = roles.cluster_roles([kind.PLURAL for kind in discovery.kinds()])
        for manifest in (*fixed, *roles.system_bindings(), *guards):
            await client.apply(manifest, "test")
        _PREPARED.add(apiserver.url)
    answer = await client.request(
        "POST",
        f"api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/{roles.API}/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}},
    )
    config = yaml.safe_load(apiserver.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": answer["status"]["token"]}
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def settings() -> Settings:
    """Settings of the API under test; a test may override this."""
    return Settings()


@contextlib.asynccontextmanager
async def serving(kubeconfig: Path, admin: Client, settings: Settings) -> AsyncIterator[Running]:
    """An API that runs with the identity in `kubeconfig`; `admin` is the cluster's administrator."""
    clock = TurnedClock()
    own = Client.connect(str(kubeconfig), "roost-api")
    app = create_app(settings, own, Secrets(lambda: GIT_SECRET, lambda: KEY), clock)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, http="h11", ws="websockets-sansio", log_config=None, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), task.exception()
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    running = Running(f"http://127.0.0.1:{port}", People(admin, clock), clock, admin, settings)
    yield running
    for item in running.clients:
        await item.aclose()
    server.should_exit = True
    await task
    # Connections say good-bye in the loop's next rounds.
    await asyncio.sleep(0.05)


@pytest.fixture
async def api(kubeconfig: Path, client: Client, settings: Settings) -> AsyncIterator[Running]:
    """A running API."""
    async with serving(kubeconfig, client, settings) as running:
        yield running


async def make_person(running: Running, name: str, platform_role: Any = "") -> None:
    """A User with its ServiceAccount; platform roles are bound as the user capability binds them."""
    await running.people.create(name, UserSpec(platform_role=platform_role), running.admin)
    if platform_role:
        await running.admin.create(
            _binding(f"roost-{platform_role}-{name}", f"roost-{platform_role}", [name], None, "ClusterRoleBinding")
        )


def _binding(
    name: str, role: str, people: list[str], namespace: str | None, kind: str = "RoleBinding"
) -> dict[str, Any]:
    return {
        **_named("rbac.authorization.k8s.io/v1", kind, name, namespace),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "namespace": PEOPLE_NAMESPACE, "name": item} for item in people],
    }


async def make_team(running: Running) -> Team:
    """A tenant with one person per role, and what the tenant capability would make of it."""
    team = Team(f"t{secrets.token_hex(4)}")
    members = []
    for role in ("owner", "developer", "viewer", "approver"):
        await make_person(running, team.person(role))
        members.append(Member(person=team.person(role), role=role))
    spec = TenantSpec(environments=tuple(Environment(name=name) for name in ENVIRONMENTS), members=tuple(members))
    await running.admin.create(Tenant.manifest(team.name, spec))
    for manifest in identities.tenant_access(team.name, members):
        await running.admin.create(manifest)
    for environment in (*ENVIRONMENTS, "build"):
        namespace = f"{team.name}-{environment}"
        await running.admin.create(_named("v1", "Namespace", namespace))
        for manifest in identities.member_bindings(team.name, environment, members):
            await running.admin.create(manifest)
    return team


@pytest.fixture
async def team(api: Running) -> Team:
    """A fresh tenant."""
    return await make_team(api)


@pytest.fixture
async def other(api: Running) -> Team:
    """Another tenant: the victim of attacks."""
    return await make_team(api)


@pytest.fixture
async def administrator(api: Running) -> str:
    """A fresh administrator of the platform."""
    name = f"admin-{secrets.token_hex(3)}"
    await make_person(api, name, "administrator")
    return name


IMAGE = "registry.roost-system.svc:5000/acme/shop@sha256:" + "a" * 64


def app_body(name: str = "shop", **spec: Any) -> dict[str, Any]:
    """A body that makes an App."""
    return {"metadata": {"name": name}, "spec": {"artefact": {"image": IMAGE}, **spec}}


__all__ = ["IMAGE", "KEY", "Running", "Team", "User", "app_body", "make_person", "make_team"]
