"""Effects of runs beside what is applied: the run's own secret, the certificates that builds trust, deletions by uid.

The keys are files of the controller's pod; no tenant and no other process of a tenant sees them.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from roost.capabilities.run.manifests.job import CONDUCTOR
from roost.kernel.action import ActionContext
from roost.kube.errors import AlreadyExists, Conflict, NotFound
from roost.kube.reader import Object
from roost.model import build_report, single_pod
from roost.model.bases import BASES
from roost.model.build_task import DOCKER_CONFIG, FETCH_TOKEN, REGISTRY_TOKEN
from roost.model.errors import Stalled
from roost.model.kinds.delivery import Project, Run
from roost.model.names import API_VERSION, BUILD, MANAGED_BY, PLATFORM, RUN, TENANT, namespace
from roost.model.plan import Action
from roost.surface import fetch_token
from roost.surface.build_trust import copy_trust
from roost.surface.registry import Access, mint
from roost.surface.signing import sign_image

GIT_SECRET: Final = Path("/etc/roost/git/token")
REGISTRY_KEY: Final = Path("/etc/roost/registry/key.pem")
SPARE: Final = timedelta(minutes=15)
ENDED: Final = ("Succeeded", "Failed", "Cancelled")


async def prepare(action: Action, context: ActionContext) -> None:
    """The certificates and the run's Secret stand before its pod starts; both are made once."""
    tenant = str(action.arguments["tenant"])
    await copy_trust(tenant, context)
    meta = context.object["metadata"]
    space = namespace(tenant, BUILD)
    there = await context.client.get("v1", "Secret", meta["name"], space)
    if there is not None:
        if _is_ours(there, meta["uid"]):
            return
        # Somebody else's of that name: a run works with what it was given and nothing else.
        await _delete({"apiVersion": "v1", "kind": "Secret", "metadata": there["metadata"]}, context)
    projects = await context.reader.list(API_VERSION, Project.KIND, space)
    others = sorted(item["metadata"]["name"] for item in projects)
    ttl = timedelta(seconds=int(action.arguments["timeoutS"]) * 2) + SPARE
    data = secret_data(context.object, context.settings.registry, (tenant, others), datetime.now(UTC), ttl)
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": meta["name"],
            "namespace": space,
            "labels": {TENANT: tenant, RUN: meta["name"], PLATFORM: "run", MANAGED_BY: "roost"},
            "ownerReferences": [
                {"apiVersion": API_VERSION, "kind": "Run", "name": meta["name"], "uid": meta["uid"], "controller": True}
            ],
        },
        "type": "Opaque",
        "immutable": True,
        "stringData": data,
    }
    try:
        await context.client.create(manifest, "roost-run")
    except AlreadyExists:
        return


def _is_ours(secret: Object, run: str) -> bool:
    """Whether the platform made it (admission keeps the label for it) for the run with this uid."""
    meta = secret["metadata"]
    owners = meta.get("ownerReferences") or ()
    return PLATFORM in (meta.get("labels") or {}) and any(owner["uid"] == run for owner in owners)


def secret_data(
    run: Mapping[str, Any], registry: str, who: tuple[str, list[str]], now: datetime, ttl: timedelta
) -> dict[str, str]:
    """What a run may do: read its repository, pull bases and the tenant's images, push to its project's repository.

    `who`: the tenant and the names of its projects.
    """
    tenant, others = who
    project = run["spec"]["project"]
    access = [Access(name, ("pull",)) for name in BASES]
    access += [Access(f"{tenant}/{name}", ("pull",)) for name in others if name != project]
    access.append(Access(f"{tenant}/{project}", ("pull", "push")))
    token = mint(REGISTRY_KEY.read_bytes(), f"run:{tenant}/{run['metadata']['name']}", access, now, ttl)
    return {
        FETCH_TOKEN: fetch_token.mint(GIT_SECRET.read_text().strip(), (tenant, project), now, ttl),
        REGISTRY_TOKEN: token,
        DOCKER_CONFIG: json.dumps({"auths": {registry: {"registrytoken": token}}}),
    }


async def remove(action: Action, context: ActionContext) -> None:
    """Delete one object, if it is still the one that was seen."""
    where = action.arguments
    version = "batch/v1" if where["kind"] == "Job" else "v1"
    meta = {"name": where["name"], "namespace": where["namespace"], "uid": where["uid"]}
    await _delete({"apiVersion": version, "kind": where["kind"], "metadata": meta}, context)


async def _delete(seen: Object, context: ActionContext) -> None:
    """Delete this very object; nothing where it is gone or another one has its name."""
    try:
        await context.client.delete(seen, seen["metadata"]["uid"])
    except (NotFound, Conflict):
        return


async def stop(action: Action, context: ActionContext) -> None:
    """End the run's Job. Its pods go with it: what they said so far is in the log of who listens."""
    meta = context.object["metadata"]
    target = {"kind": "Job", "name": meta["name"], "uid": action.key, "namespace": meta["namespace"]}
    await remove(Action("remove", action.key, target), context)


async def sign(action: Action, context: ActionContext) -> None:
    """Sign the image of a run that reports exactly this digest, or has succeeded with it. Twice is once.

    Run and report are read anew from the server: what is signed is believed from then on. Stalled where they differ.
    """
    image, meta = str(action.arguments["image"]), context.object["metadata"]
    live = await context.client.get(API_VERSION, Run.KIND, meta["name"], meta["namespace"])
    if live is None or live["metadata"]["uid"] != meta["uid"] or not await _built(live, image, context):
        raise Stalled("NotBuilt", f"The run does not say that it built {image}: it is not signed.")
    await sign_image(context.settings, image, {key: str(text) for key, text in action.arguments["claims"].items()})


async def _built(run: Object, image: str, context: ActionContext) -> bool:
    """Whether this run ended well with this image: by its own report, or, once it is over, by its status."""
    status, spec, meta = run.get("status") or {}, run["spec"], run["metadata"]
    if status.get("phase") in ENDED:
        built = (status.get("artefact") or {}).get("image")
        return bool(status["phase"] == "Succeeded" and built == image)
    if spec.get("cancel"):
        return False
    pods = await context.client.list("v1", "Pod", meta["namespace"], f"{RUN}={meta['name']}")
    pod = single_pod.newest(pods, CONDUCTOR)  # No step's container speaks for the run.
    report = build_report.read(pod.message) if pod is not None and pod.ended else None
    return report is not None and report.ok and f"{report.image}@{report.digest}" == image


async def sign_again(action: Action, context: ActionContext) -> None:
    """As `sign`, of a run that is over. What the registry holds no more needs none."""
    try:
        await sign(action, context)
    except Stalled as refused:
        if refused.reason != "ImageMissing":
            raise


ACTIONS = {"prepare": prepare, "remove": remove, "sign": sign, "sign-again": sign_again, "stop": stop}
