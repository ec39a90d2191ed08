"""The factory of the API. Called by `roost.mains.api` and by tests, which give it clients and clocks of their own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import Final

from fastapi import FastAPI
from pydantic import BaseModel

from roost.api import (
    apps,
    archives,
    batch,
    bills,
    channels,
    document,
    domains,
    errors,
    exec,
    findings,
    forward,
    git,
    health,
    hooks,
    logs,
    places,
    project_secrets,
    registry,
    rollback,
    run_logs,
    run_results,
    session,
    starting,
    users,
)
from roost.api.auth import Authentication
from roost.api.cache import Cache
from roost.api.context import Context
from roost.api.envelope import Envelope
from roost.api.identity import browser, device, invitations, kubernetes, machines
from roost.api.limits import Bucket, Slots
from roost.api.rights import Rights
from roost.api.routing import Switch, mount
from roost.api.tenants import Tenants
from roost.kernel.capability import load
from roost.kernel.discovery import capabilities, kinds
from roost.kube.client import Client
from roost.settings import Settings
from roost.surface.people import People

REQUESTS_BURST: Final = 300
TENANT_BURST: Final = 900  # Of all members of a tenant together.
REQUESTS_PERIOD_S: Final = 3.0
STREAMS_PER_PERSON: Final = 40
STREAMS: Final = 190  # One connection each, of the 200 that a client has.
FOLLOWERS: Final = 2_000  # They share the cache's connections.
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Secrets:
    """What the API signs and shows itself with; read anew when needed, so that a rotated secret is picked up."""

    git: Callable[[], str]
    registry_key: Callable[[], bytes]


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def create_app(
    settings: Settings, client: Client, secrets: Secrets, clock: Clock = utc_now, streaming: Client | None = None
) -> FastAPI:
    """The application. `client` has the API's own identity; `streaming` is another of the same, for what stays open.

    Both are closed when the application ends.
    """
    streaming = streaming or client
    cache, rights = _cache(client, streaming, clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        filling = asyncio.create_task(cache.run())
        yield
        filling.cancel()
        with suppress(asyncio.CancelledError):
            await filling
        await client.close()
        await streaming.close()

    app = FastAPI(
        title="Roost",
        version=metadata.version("roost"),
        summary="Applications, from a repository to a URL.",
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    people = People(client, clock)
    app.state.roost = Context(
        settings=settings,
        client=client,
        streaming=streaming,
        people=people,
        authentication=Authentication(people, clock),
        tenants=Tenants(client, clock),
        requests=Bucket(REQUESTS_BURST, REQUESTS_PERIOD_S, clock),
        tenant_requests=Bucket(TENANT_BURST, REQUESTS_PERIOD_S, clock),
        streams=Slots(STREAMS_PER_PERSON, STREAMS),
        followers=Slots(STREAMS_PER_PERSON, FOLLOWERS),
        cache=cache,
        rights=rights,
        clock=clock,
        git_secret=secrets.git,
        registry_key=secrets.registry_key,
    )
    errors.install(app)
    for router in (health.router, session.router, users.router, apps.router, logs.router, exec.router, hooks.router):
        mount(app.router, router)
    for router in (kubernetes.router, machines.router, invitations.router, device.router, browser.router):
        mount(app.router, router)
    for router in (archives.router, domains.router, project_secrets.router, rollback.router, forward.router):
        mount(app.router, router)
    for part in (starting, channels, document, bills, findings, run_results, run_logs):
        mount(app.router, part.router)
    for router in places.routers():
        mount(app.router, router)
    for capability in capabilities():
        if capability.routes is not None:
            mount(app.router, load(capability.routes))
    mount(app.router, registry.router)
    # Last: its pattern is the widest.
    app.router.routes.append(git.route())
    app.router.routes.insert(0, Switch(app.router.routes))
    app.add_middleware(Envelope)
    document.complete(app, _read_by_routes())
    return app


def _cache(client: Client, streaming: Client, clock: Clock) -> tuple[Cache, Rights]:
    cache, rights = Cache(streaming, kinds()), Rights(client, clock)
    cache.any("Tenant").informer.subscribe(rights.on_tenant)
    cache.any("User").informer.subscribe(rights.on_user)
    return cache, rights


def _read_by_routes() -> list[type[BaseModel]]:
    """Bodies that routes read themselves: FastAPI knows nothing of them."""
    return [
        batch.Batch,
        session.SignIn,
        session.NewPassword,
        session.NewToken,
        kubernetes.KubernetesCredentialWanted,
        machines.NewMachine,
        invitations.NewInvitation,
        invitations.Acceptance,
        users.NewUser,
        users.UserPatch,
        apps.ConfigChange,
        apps.Scale,
        rollback.Rollback,
        apps.Deploy,
        hooks.Credentials,
        hooks.ForgeToken,
        project_secrets.ProjectSecret,
        starting.StartRun,
        run_results.RerunRun,
    ]
