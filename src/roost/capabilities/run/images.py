"""The images of a run's steps by digest, and what their secrets are: what `observe` reads for the definition.

Admission lets pods of builds run images by digest only, so a tag is looked up in the registry before the Job is made;
from then on the Job says what it was. What the registry does not answer is waited for.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from roost.adapters.registry import Registry, RegistryFailed, over_tls
from roost.builds.registry import offered
from roost.capabilities.run.manifests.steps import allowed_secrets, container_name
from roost.kube.reader import Object, Reader
from roost.model.bases import BASES
from roost.model.errors import Waiting
from roost.model.kinds.delivery import Project, RunSpec
from roost.model.names import PLATFORM
from roost.model.pipeline import Pipeline, repository
from roost.settings import Settings
from roost.surface.registry import Access, mint

TRIES: Final = 2
AGAIN_S: Final = 3.0


def of_job(pipeline: Pipeline, job: Object) -> dict[str, str]:
    """As the Job has them."""
    made = {item["name"]: item["image"] for item in job["spec"]["template"]["spec"]["containers"]}
    found = {pipeline.image_of(step): made.get(container_name(step), "") for step in pipeline.steps}
    return {name: image for name, image in found.items() if image}


async def of_registry(pipeline: Pipeline, tenant: str, settings: Settings) -> tuple[dict[str, str], tuple[str, ...]]:
    """(images as they are named -> by digest; where one is missing, what is offered instead). Waiting."""
    wanted = sorted({pipeline.image_of(step) for step in pipeline.steps})
    try:
        return await asyncio.to_thread(_look, wanted, tenant, settings)
    except (RegistryFailed, OSError) as error:
        raise Waiting("RegistryAway", f"The registry does not answer: {error}", after_s=AGAIN_S) from error


def _look(wanted: list[str], tenant: str, settings: Settings) -> tuple[dict[str, str], tuple[str, ...]]:
    places = {name: place for name in wanted if (place := repository(name, tenant))}
    repositories = sorted({path for path, _ in places.values()} | set(BASES))
    access = [Access(path, ("pull",)) for path in repositories]
    token = mint(Path(settings.registry_key).read_bytes(), "roost-controller", access, datetime.now(UTC))
    connect = over_tls(settings.registry, settings.trust_bundle)
    registry = Registry(connect, token, lambda _: None, tries=TRIES)
    try:
        found = {}
        for name, (path, reference) in places.items():
            digest = registry.resolve(path, reference)
            if digest:
                found[name] = f"{settings.registry}/{path}@{digest}"
        return found, () if len(found) == len(wanted) else offered(registry, BASES)
    finally:
        registry.close()


async def secrets(reader: Reader, space: str, run: RunSpec, project: Project | None) -> dict[str, str]:
    """Why each secret that a step names cannot be given; empty: it can be."""
    credentials = project.spec.source.credentials if project else ""
    names = {name for step in run.pipeline.steps for name in allowed_secrets(run, step)}
    found = {name: await reader.get("v1", "Secret", name, space) for name in sorted(names)}
    return {name: _judge(name, secret, credentials, run.project) for name, secret in found.items()}


def _judge(name: str, secret: Object | None, credentials: str, project: str) -> str:
    if secret is None:
        return f"the secret {name} does not exist. Set it: `roost project secret set {project} {name}`."
    if PLATFORM in (secret["metadata"].get("labels") or {}):
        return f"the secret {name} is Roost's own."
    if name == credentials:
        return f"the secret {name} opens the project's source, which no step may."
    return "" if "value" in (secret.get("data") or {}) else f"the secret {name} has no key `value`."
