"""The bill of materials of a version: `releases/{name}/sbom`, CycloneDX as the registry holds it next to the image.

Who may read the Release may read its bill. The image must be the tenant's own, or an offered base: what stands in a
Release is the tenant's text, and others' images are none of its business.
"""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import Response

from roost.api.artefacts import fetch
from roost.api.context import CallerDep, ContextDep
from roost.api.objects import Collection
from roost.api.places import ENVIRONMENT_PREFIX
from roost.model.kinds.app import Release
from roost.surface import registry as tokens
from roost.surface.problems import not_found

router = APIRouter(tags=["Release"])
KIND: Final = "application/vnd.cyclonedx+json"


def image_of(release: Mapping[str, Any], tenant: str, registry: str) -> tuple[str, str] | None:
    """(repository, digest) of the image of a Release; None where it has none, or one that is not for this tenant."""
    image = str((((release.get("spec") or {}).get("content") or {}).get("artefact") or {}).get("image", ""))
    return located(image, tenant, registry)


def located(image: str, tenant: str, registry: str) -> tuple[str, str] | None:
    """(repository, digest) of an image in the registry; None where it is not there, or not for this tenant."""
    host, _, rest = image.partition("/")
    repository, _, digest = rest.partition("@")
    repository = repository.partition(":")[0]
    mine = repository.startswith((f"{tenant}/", tokens.BASES))
    return (repository, digest) if host == registry and mine and digest else None


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
    repository, digest = image
    found = await fetch(ctx, repository, KIND, subject=digest)
    if found is None:
        raise not_found("bill of materials of that image: it was not built here, or before there were any")
    return Response(found, media_type=KIND)
