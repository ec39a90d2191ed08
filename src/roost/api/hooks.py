"""Webhooks of foreign repositories, and what a project's owner needs for them: the secret, and credentials.

Deliveries come without a person: they go to the git server as they are, which checks their signature. The API bounds
them, and how many come from one address and for one project.
"""

import base64
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from roost.api.access import may
from roost.api.bodies import body_schema, json_response, read_model
from roost.api.context import Caller, CallerDep, Context, ContextDep, address
from roost.api.errors import from_kube
from roost.api.kinds import checked_name, patched
from roost.api.limits import refuse_when_spent
from roost.api.objects import MANAGER, Collection
from roost.api.passthrough import Headers, Outgoing, UpstreamGone, exchange
from roost.kube.errors import AlreadyExists, KubeError
from roost.model.kinds.delivery import Project
from roost.model.kinds.forge import TOKEN
from roost.model.names import API_VERSION, APP_PATTERN, BUILD, PROJECT, TENANT, TENANT_PATTERN, namespace
from roost.surface.fetch_token import hook_secret
from roost.surface.problems import Problem, forbidden, invalid, not_found

router = APIRouter(tags=["Sources"])
_PASS: Final = (
    "authorization",
    "content-type",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "x-hub-signature-256",
    "x-github-delivery",
    "x-gitea-signature",
    "x-gitea-delivery",
    "x-gitlab-token",
    "x-gitlab-event-uuid",
    "x-request-id",
)


class Credentials(BaseModel):
    """How a source is reached: user and password (or a token as the password), or an SSH key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    username: str = Field("", max_length=200)
    password: str = Field("", max_length=4000)
    ssh_private_key: str = Field("", max_length=20_000, alias="sshPrivateKey")
    known_hosts: str = Field("", max_length=20_000, alias="knownHosts")


class ForgeToken(BaseModel):
    """What the forge is told with: a token that may read merge requests and write commit statuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: str = Field(min_length=1, max_length=4000, pattern=r"^[\x21-\x7e]+$")


@router.post("/hooks/{tenant}/{project}", operation_id="deliver", summary="A webhook's delivery", status_code=202)
async def deliver(request: Request, ctx: ContextDep, tenant: str, project: str) -> Response:
    """Look at the project's source now. The delivery must be signed; what else it says is not used."""
    key = f"hook:{address(request)}:{tenant[:20]}/{project[:30]}"
    refuse_when_spent(ctx.requests, key, "More deliveries come than can mean anything. Slow down.")
    ctx.requests.take(key)
    passed = [(name.encode(), request.headers[name].encode("latin-1")) for name in _PASS if name in request.headers]
    headers: Headers = [*passed, (b"X-Roost-Shared", ctx.git_secret().encode())]
    body = await request.body()
    if not re.fullmatch(TENANT_PATTERN, tenant) or not re.fullmatch(APP_PATTERN, project):
        raise Problem("unauthenticated", "The delivery is not signed with this project's webhook secret.")
    status, text = await _pass_on(ctx, f"/hooks/{tenant}/{project}", headers, body)
    if status == 202:
        return json_response({"status": "accepted"}, 202)
    kinds = {401: "unauthenticated", 409: "conflict", 413: "too-large"}
    raise Problem(kinds.get(status, "unavailable"), text or "The git server does not answer. Deliver it again.")


async def _pass_on(ctx: Context, target: str, headers: Headers, body: bytes) -> tuple[int, str]:
    async def whole() -> AsyncIterator[bytes]:
        yield body

    async def stays() -> None:
        return

    try:
        async with exchange(
            ctx.settings.git_url, Outgoing("POST", target, headers, whole(), len(body), stays)
        ) as answer:
            said = b"".join([chunk async for chunk in answer.body])
            return answer.status, said.decode(errors="replace").strip()[:500]
    except UpstreamGone as error:
        raise Problem("unavailable", "The git server does not answer now. Deliver it again.") from error


@dataclass(frozen=True)
class Followed:
    """A project, and its caller, who may change it."""

    caller: Caller
    tenant: str
    project: Project

    @property
    def secret(self) -> str:
        """The name of the Secret with its credentials."""
        return f"{self.project.metadata.name}-source"

    @property
    def space(self) -> str:
        """The build namespace."""
        return namespace(self.tenant, BUILD)


async def followed(ctx: ContextDep, caller: CallerDep, tenant: str, name: str) -> Followed:
    """The project, when the caller may change it; Problem not-found, forbidden."""
    space = await ctx.tenants.build(caller.principal, tenant)
    try:
        raw = await caller.client.get(API_VERSION, Project.KIND, checked_name(Project, name), space)
        if raw is None:
            raise not_found(f"project {name[:40]!r}")
        if not await may(ctx.client, caller.principal, "update", "projects", space, name):
            raise forbidden(f"You may not change project {name}. Ask an owner of the tenant.")
    except KubeError as error:
        raise from_kube(error, f"project {name[:40]!r}") from error
    return Followed(caller, tenant, Project.parse(raw))


Change = Annotated[Followed, Depends(followed)]


@router.get("/v1/tenants/{tenant}/projects/{name}/hook", operation_id="getHook", summary="Webhook of a project")
async def hook(ctx: ContextDep, there: Change) -> Response:
    """Where a forge delivers to, and with what secret it signs. A higher `spec.source.hook` ends this secret."""
    meta, source = there.project.metadata, there.project.spec.source
    secret = hook_secret(ctx.git_secret(), (there.tenant, meta.name), meta.uid, source.hook)
    standard = "whsec_" + base64.b64encode(secret.encode()).decode()
    url = f"https://api.{ctx.settings.domain}/hooks/{there.tenant}/{meta.name}"
    return json_response({"url": url, "secret": secret, "standardSecret": standard, "number": source.hook})


@router.put(
    "/v1/tenants/{tenant}/projects/{name}/credentials",
    operation_id="setCredentials",
    summary="Credentials of a project's source",
    openapi_extra=body_schema("Credentials"),
)
async def credentials(request: Request, there: Change) -> Response:
    """Keep them as a Secret of the build namespace, and name it in the project. They are never given back."""
    given = await read_model(request, Credentials)
    values = {
        "username": given.username,
        "password": given.password,
        "ssh-privatekey": given.ssh_private_key,
        "known_hosts": given.known_hosts,
    }
    data = {key: value for key, value in values.items() if value}
    if not data:
        raise invalid("password", "Give a password (a token), or sshPrivateKey with knownHosts.")
    if given.ssh_private_key and not given.known_hosts:
        raise invalid(
            "knownHosts", "A key needs the host's public keys: `ssh-keyscan HOST`, compared with the host's own."
        )
    await keep(there, there.secret, data, of_project=True)
    if there.project.spec.source.credentials != there.secret:
        source = {"credentials": there.secret}
        await change(there, lambda spec: {"source": {**(spec.get("source") or {}), **source}}, "Set credentials")
    return Response(status_code=204)


@router.put(
    "/v1/tenants/{tenant}/projects/{name}/token",
    operation_id="setForgeToken",
    summary="Token of a project's forge",
    openapi_extra=body_schema("ForgeToken"),
)
async def token(request: Request, there: Change) -> Response:
    """Keep it as a Secret of the build namespace, and name it in the project. It is never given back."""
    given = await read_model(request, ForgeToken)
    forge = there.project.spec.forge
    if forge is None:
        raise invalid("spec.forge", "The project names no forge: `roost project create --forge`, or set spec.forge.")
    name = f"{there.project.metadata.name}-forge"
    await keep(there, name, {TOKEN: given.token}, of_project=True)
    if forge.token != name:
        await change(
            there, lambda spec: {"forge": {**(spec.get("forge") or {}), "token": name}}, "Set the forge's token"
        )
    return Response(status_code=204)


async def keep(there: Followed, name: str, data: Mapping[str, str], *, of_project: bool = False) -> None:
    """The Secret of the build namespace, made or replaced as the caller. of_project: it says whose it is."""
    own = {PROJECT: there.project.metadata.name} if of_project else {}
    manifest: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": name, "namespace": there.space, "labels": {TENANT: there.tenant, **own}},
        "stringData": dict(data),
    }
    try:
        try:
            await there.caller.client.create(manifest, MANAGER)
        except AlreadyExists:
            await there.caller.client.replace(manifest, MANAGER)
    except KubeError as error:
        raise from_kube(error, f"secret {name!r}") from error


async def change(
    there: Followed, how: Callable[[dict[str, Any]], dict[str, Any]], cause: str, *, dry_run: bool = False
) -> None:
    """Change the project's spec by the merge patch `how(spec)`, as the caller."""
    changing = Collection(Project, there.space, there.caller.client, there.caller)

    def changed(current: dict[str, Any]) -> dict[str, Any]:
        return patched(Project, current, {"spec": how(current["spec"])})

    await changing.change(there.project.metadata.name, changed, dry_run=dry_run, cause=cause)
