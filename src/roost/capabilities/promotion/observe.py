"""What a Promotion meets in its environment. Reads only, no decisions."""

from roost.capabilities.promotion.makers import makers
from roost.capabilities.promotion.model import Makers, Observed, SeenApproval, SeenPromotion, SeenRelease
from roost.kernel.capability import Watch
from roost.kube.reader import Object, Reader
from roost.model import names
from roost.model.kinds.app import App, AppSpec, Health, Release, Variable
from roost.model.kinds.channel import Channel, Notice
from roost.model.kinds.delivery import Project, Promotion
from roost.model.kinds.forge import Preview
from roost.model.kinds.gates import Approval
from roost.model.kinds.tenant import Environment, Tenant
from roost.model.notices import Telling, telling
from roost.model.previews import configuration
from roost.settings import Settings
from roost.surface.allowlist import refusal

WATCHES = (Watch(names.API_VERSION, Approval.KIND, owner="field:spec.promotion"),)

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
                health={
                    process["name"]: Health.model_validate(process["health"])
                    for process in spec.get("processes") or ()
                    if process.get("health")
                },
            )
            found.append(seen)
    return tuple(found)


def _approvals(items: list[Object], promotion: Promotion) -> tuple[SeenApproval, ...]:
    """What was said of this one: an approval of another that bore its name is none."""
    given = sorted((Approval.parse(item) for item in items), key=_age)
    return tuple(
        SeenApproval(
            person=item.metadata.annotations.get(names.AUTHOR, ""),
            decision=item.spec.decision,
            in_freeze=item.spec.in_freeze,
            comment=item.spec.comment,
        )
        for item in given
        if item.spec.promotion == promotion.metadata.name and item.spec.uid == promotion.metadata.uid
    )


def _age(item: Approval) -> tuple[str, str]:
    return item.metadata.creation_timestamp or "", item.metadata.name


async def _environments(reader: Reader, tenant: str) -> tuple[Environment, ...]:
    raw = await reader.get(names.API_VERSION, Tenant.KIND, tenant)
    return Tenant.parse(raw).spec.environments if raw else ()


async def _source(
    reader: Reader, tenant: str, order: tuple[str, ...], here: str, promotion: Promotion
) -> AppSpec | None:
    """The App where it comes from. Only of an earlier environment: a promotion is no way to look into a later one."""
    origin = promotion.spec.source_environment
    if origin not in order or here not in order or order.index(origin) >= order.index(here):
        return None
    raw = await reader.get(names.API_VERSION, App.KIND, promotion.spec.app, names.namespace(tenant, origin))
    return App.parse(raw).spec if raw else None


async def _preview(reader: Reader, where: tuple[str, str], promotion: Promotion) -> Preview | None:
    """The Preview that it is for, where that still stands there and is for this App. where: tenant, environment."""
    tenant, environment = where
    space = names.namespace(tenant, names.BUILD)
    raw = await reader.get(names.API_VERSION, Preview.KIND, promotion.spec.preview, space)
    if raw is None or raw["metadata"].get("deletionTimestamp"):
        return None
    found = Preview.parse(raw)
    fits = (found.spec.app, found.spec.environment) == (promotion.spec.app, environment)
    return found if fits else None


async def _begins_with(reader: Reader, tenant: str, preview: Preview) -> tuple[Variable, ...]:
    """The configuration that an App of the preview begins with: of its project, and of the same environment."""
    space = names.namespace(tenant, names.BUILD)
    raw = await reader.get(names.API_VERSION, Project.KIND, preview.spec.project, space)
    if raw is None:
        return ()
    project = Project.parse(raw)
    own = project.spec.app or project.metadata.name
    there = await reader.get(names.API_VERSION, App.KIND, own, names.namespace(tenant, preview.spec.environment))
    return configuration(project, preview.spec.ref, App.parse(there).spec if there else None)


async def _telling(reader: Reader, tenant: str) -> Telling:
    space = names.namespace(tenant, names.BUILD)
    channels = await reader.list(names.API_VERSION, Channel.KIND, space)
    return telling(channels, await reader.list(names.API_VERSION, Notice.KIND, space) if channels else [])


async def observe(reader: Reader, promotion: Promotion, settings: Settings) -> Observed:
    """The namespace's tenant, the App and its Releases, and other Promotions of the same App."""
    space, name = promotion.metadata.namespace, promotion.spec.app
    where = await reader.get("v1", "Namespace", space) if space else None
    labels = ((where or {}).get("metadata") or {}).get("labels") or {}
    if names.TENANT not in labels or labels.get(names.ENVIRONMENT) in (None, names.BUILD):
        return Observed()
    tenant, environment = labels[names.TENANT], labels[names.ENVIRONMENT]
    environments = await _environments(reader, tenant)
    order = tuple(item.name for item in environments)
    given_to = next((item for item in environments if item.name == environment), Environment(name=environment))
    gates = given_to.gates
    given = await reader.list(names.API_VERSION, Approval.KIND, space) if gates.closed else []
    raw = await reader.get(names.API_VERSION, "App", name, space)
    app = App.parse(raw).spec if raw else None
    preview = await _preview(reader, (tenant, environment), promotion) if promotion.spec.preview else None
    asked = gates.closed and gates.four_eyes and promotion.status.phase not in ENDED
    releases = await reader.list(names.API_VERSION, "Release", space, f"{names.APP}={name}")
    return Observed(
        tenant=tenant,
        environment=environment,
        gates=gates,
        approvals=_approvals(given, promotion),
        makers=await makers(reader, settings, tenant, promotion, app) if asked else Makers(),
        registry=settings.registry,
        preview_open=preview is not None or not promotion.spec.preview,
        preview_config=await _begins_with(reader, tenant, preview) if preview and not raw and not gates.closed else (),
        previews=given_to.previews,
        app_preview=((raw or {}).get("metadata", {}).get("labels") or {}).get(names.PREVIEW, ""),
        told=await _telling(reader, tenant),
        source=await _source(reader, tenant, order, environment, promotion),
        refused=await refusal(reader, labels, space or "", promotion.spec.artefact.image),
        app=app,
        deleting=bool(raw and raw["metadata"].get("deletionTimestamp")),
        others=_others(await reader.list(names.API_VERSION, "Promotion", space), promotion),
        releases=tuple(
            SeenRelease(name=release.metadata.name, number=release.spec.number, artefact=release.spec.content.artefact)
            for release in (Release.parse(item) for item in releases)
        ),
    )
