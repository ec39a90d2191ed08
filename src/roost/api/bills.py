"""The bill of materials of a version: `releases/{name}/sbom`, CycloneDX as the registry holds it next to the image.

Who may read the Release may read its bill. The image must be the tenant's own, or an offered base: what stands in a
Release is the tenant's text, and others' images are none of its business.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from roost.adapters.registry import Connect, Registry, RegistryFailed, over_tls
from roost.api.context import CallerDep, ContextDep
from roost.api.objects import Collection
from roost.api.places import ENVIRONMENT_PREFIX
from roost.model.kinds.app import Release
from roost.surface import registry as tokens
from roost.surface.problems import not_found, unavailable

router = APIRouter(tags=["Release"])
KIND: Final = "application/vnd.cyclonedx+json"
TRIES: Final = 2


def image_of(release: Mapping[str, Any], tenant: str, registry: str) -> tuple[str, str] | None:
    """(repository, digest) of the image of a Release; None where it has none, or one that is not for this tenant."""
    image = str((((release.get("spec") or {}).get("content") or {}).get("artefact") or {}).get("image", ""))
    host, _, rest = image.partition("/")
    repository, _, digest = rest.partition("@")
    repository = repository.partition(":")[0]
    mine = repository.startswith((f"{tenant}/", tokens.BASES))
    return (repository, digest) if host == registry and mine and digest else None


def read(connect: Connect, key: bytes, image: tuple[str, str], now: datetime) -> bytes | None:
    """The bill beside the image; None where there is none. RegistryFailed."""
    repository, digest = image
    token = tokens.mint(key, "roost-api", [tokens.Access(repository, ("pull",))], now)
    registry = Registry(connect, token, lambda _: None, tries=TRIES)
    try:
        return registry.artefact(repository, KIND, subject=digest)
    finally:
        registry.close()


@router.get(
    ENVIRONMENT_PREFIX + "releases/{name}/sbom",
    operation_id="getReleaseSbom",
    summary="Bill of materials of a version",
    responses={200: {"content": {KIND: {"schema": {"type": "object"}}}}},
    response_class=Response,
)
async def get_sbom(ctx: ContextDep, caller: CallerDep, tenant: str, environment: str, name: str) -> Response:
    """CycloneDX 1.6: the packages of the image, those of its base among them."""
    namespace = await ctx.tenants.environment(caller.principal, tenant, environment)
    release = await Collection(Release, namespace, caller.client, caller).get(name)
    image = image_of(release, tenant, ctx.settings.registry)
    if image is None:
        raise not_found("image of this tenant in that version")
    try:
        connect = over_tls(ctx.settings.registry, ctx.settings.trust_bundle)
        found = await run_in_threadpool(read, connect, ctx.registry_key(), image, ctx.clock())
    except (RegistryFailed, OSError) as error:  # Also where the certificates are not there yet.
        raise unavailable("The registry does not answer. Try again in a moment.") from error
    if found is None:
        raise not_found("bill of materials of that image: it was not built here, or before there were any")
    return Response(found, media_type=KIND)
