"""What a Promotion meets in its environment. Reads only, no decisions."""

from roost.capabilities.promotion.model import Observed, SeenPromotion, SeenRelease
from roost.kube.reader import Object, Reader
from roost.model import names
from roost.model.kinds.app import App, Release
from roost.model.kinds.delivery import Promotion
from roost.settings import Settings

ENDED = ("Applied", "Superseded", "Refused")


def _others(items: list[Object], promotion: Promotion) -> tuple[SeenPromotion, ...]:
    found = []
    for item in items:
        spec, meta = item.get("spec") or {}, item["metadata"]
        if spec.get("app") == promotion.spec.app and meta["name"] != promotion.metadata.name:
            seen = SeenPromotion(
                name=meta["name"],
                sequence=spec.get("sequence", 0),
                uid=meta["uid"],
                created=meta.get("creationTimestamp") or "",
                ended=(item.get("status") or {}).get("phase") in ENDED,
            )
            found.append(seen)
    return tuple(found)


async def observe(reader: Reader, promotion: Promotion, settings: Settings) -> Observed:
    """The namespace's tenant, the App and its Releases, and other Promotions of the same App."""
    space, name = promotion.metadata.namespace, promotion.spec.app
    where = await reader.get("v1", "Namespace", space) if space else None
    labels = ((where or {}).get("metadata") or {}).get("labels") or {}
    if names.TENANT not in labels or labels.get(names.ENVIRONMENT) in (None, names.BUILD):
        return Observed()
    raw = await reader.get(names.API_VERSION, "App", name, space)
    releases = await reader.list(names.API_VERSION, "Release", space, f"{names.APP}={name}")
    return Observed(
        tenant=labels[names.TENANT],
        registry=settings.registry,
        app=App.parse(raw).spec if raw else None,
        deleting=bool(raw and raw["metadata"].get("deletionTimestamp")),
        others=_others(await reader.list(names.API_VERSION, "Promotion", space), promotion),
        releases=tuple(
            SeenRelease(name=release.metadata.name, number=release.spec.number, artefact=release.spec.content.artefact)
            for release in (Release.parse(item) for item in releases)
        ),
    )
