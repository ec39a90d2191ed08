"""The secret that a channel's webhooks are signed with: made here, kept in the build namespace, told once."""

import base64
import secrets
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Response

from roost.api import kinds as shapes
from roost.api.bodies import json_response
from roost.api.context import CallerDep, ContextDep
from roost.api.errors import from_kube
from roost.api.objects import MANAGER, Collection
from roost.api.places import BUILD_PREFIX
from roost.kube.errors import AlreadyExists, KubeError
from roost.model.kinds.channel import SECRET_KEY, Channel
from roost.model.names import TENANT
from roost.surface.problems import conflict

router = APIRouter(tags=["Channel"])
BYTES: Final = 32


async def channels(ctx: ContextDep, caller: CallerDep, tenant: str) -> Collection:
    """The tenant's channels, as the caller."""
    return Collection(Channel, await ctx.tenants.build(caller.principal, tenant), caller.client, caller)


@router.post(
    BUILD_PREFIX + "channels/{name}/secret",
    operation_id="renewChannelSecret",
    summary="Make a channel's secret",
    status_code=201,
)
async def renew(there: Annotated[Collection, Depends(channels)], tenant: str, name: str) -> Response:
    """A new secret, which is not given back later. The one before ends; tries that are under way may still have it."""
    channel = Channel.parse(await there.get(name))
    if channel.spec.type != "webhook":
        raise conflict("Only webhooks are signed: this channel sends mail.")
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(BYTES)).decode()
    called = f"{name}-channel"
    manifest: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": called, "namespace": there.namespace, "labels": {TENANT: tenant}},
        "stringData": {SECRET_KEY: secret},
    }
    try:
        try:
            await there.client.create(manifest, MANAGER)
        except AlreadyExists:
            await there.client.replace(manifest, MANAGER)
    except KubeError as error:
        raise from_kube(error, f"secret {called!r}") from error
    if channel.spec.secret != called:
        change = {"spec": {"secret": called}}
        await there.change(name, lambda raw: shapes.patched(Channel, raw, change), cause="A new secret.")
    return json_response({"secret": secret}, 201)
