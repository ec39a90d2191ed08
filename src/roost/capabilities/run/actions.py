"""Effects of runs beside what is applied: the run's own secret, the certificates that builds trust, deletions by uid.

The keys are files of the controller's pod; no tenant and no other process of a tenant sees them.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from roost.capabilities.run.manifests.job import CONDUCTOR
from roost.capabilities.run.observe import is_of, reported
from roost.kernel.action import ActionContext
from roost.kube.errors import AlreadyExists, Conflict, Forbidden, NotFound
from roost.kube.reader import Object
from roost.model import build_report, single_pod
from roost.model.bases import BASES
from roost.model.build_task import DOCKER_CONFIG, FETCH_TOKEN, REGISTRY_TOKEN, REPORT_KEY
from roost.model.errors import Stalled, Waiting
from roost.model.kinds.delivery import Project, Run
from roost.model.names import API_VERSION, BUILD, MANAGED_BY, ORDER, PLATFORM, RUN, TENANT, namespace
from roost.model.plan import Action
from roost.surface import fetch_token
from roost.surface.build_trust import copy_trust
from roost.surface.registry import Access, mint
from roost.surface.signing import report_key, sign_image

GIT_SECRET: Final = Path("/etc/roost/git/token")
REGISTRY_KEY: Final = Path("/etc/roost/registry/key.pem")
SPARE: Final = timedelta(minutes=15)
CLAIMS: Final = 3  # The kubelet may write the status of a pod that is claimed.
ENDED: Final = ("Succeeded", "Failed", "Cancelled")
_LOG: Final = structlog.get_logger(__name__)


async def prepare(action: Action, context: ActionContext) -> None:
    """The certificates and the run's Secret stand before its pod starts; both are made once."""
    tenant, meta = str(action.arguments["tenant"]), context.object["metadata"]
    await copy_trust(tenant, context)
    owner = {"apiVersion": API_VERSION, "kind": "Run", "name": meta["name"], "uid": meta["uid"], "controller": True}
    ttl = timedelta(seconds=int(action.arguments["timeoutS"]) * 2) + SPARE
    await _secret(context, tenant, meta["name"], owner, ttl)


async def _secret(context: ActionContext, tenant: str, name: str, owner: dict[str, Any], ttl: timedelta) -> bool:
    """The Secret of a pod that builds the project of the run at hand. `owner`: a run, or the pod itself.

    False where somebody else's was in its place, so that a pod could have met it.
    """
    space = namespace(tenant, BUILD)
    there = await context.client.get("v1", "Secret", name, space)
    if there is not None:
        if _is_ours(there, owner["uid"]):
            return True
        # Somebody else's of that name: a run works with what it was given and nothing else.
        await _delete({"apiVersion": "v1", "kind": "Secret", "metadata": there["metadata"]}, context)
    projects = await context.reader.list(API_VERSION, Project.KIND, space)
    others = sorted(item["metadata"]["name"] for item in projects)
    whose = {"metadata": {"name": name}, "spec": {"project": context.object["spec"]["project"]}}
    data = secret_data(whose, context.settings.registry, (tenant, others), datetime.now(UTC), ttl)
    key = report_key(context.settings, space, name)
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": space,
            "labels": {TENANT: tenant, RUN: name, PLATFORM: "run", MANAGED_BY: "roost"},
            "ownerReferences": [owner],
        },
        "type": "Opaque",
        "immutable": True,
        "stringData": data | ({REPORT_KEY: key} if key else {}),
    }
    try:
        await context.client.create(manifest, "roost-run")
    except AlreadyExists:
        return False
    return there is None


async def spare(action: Action, context: ActionContext) -> None:
    """A pod that waits for the next run, and the Secret that it mounts and owns. Twice is once.

    Where the quota has no room for it, none waits: the next run makes its own.
    """
    manifest = action.arguments["pod"]
    meta, tenant = manifest["metadata"], manifest["metadata"]["labels"][TENANT]
    await copy_trust(tenant, context)
    try:
        made: Object | None = await context.client.create(manifest, "roost-run")
    except AlreadyExists:
        made = await context.client.get("v1", "Pod", meta["name"], meta["namespace"])
    except Forbidden as refused:
        _LOG.info("No pod waits for the next run.", pod=meta["name"], namespace=meta["namespace"], error=str(refused))
        return
    if made is None:
        return
    context.note(made)
    owner = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": made["metadata"]["uid"]}
    ttl = timedelta(seconds=int(action.arguments["lastsS"])) + SPARE
    if not await _secret(context, tenant, meta["name"], owner, ttl):
        await _delete({"apiVersion": "v1", "kind": "Pod", "metadata": made["metadata"]}, context)


async def claim(action: Action, context: ActionContext) -> None:
    """Give the pod with this uid to the run, with its order: one patch, of the very pod that still belongs to no run.

    Waiting where another run was quicker, or the pod is gone: the next look finds another way.
    """
    run, where = context.object["metadata"], action.arguments
    target = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": where["name"], "namespace": run["namespace"]},
    }
    owner = {"apiVersion": API_VERSION, "kind": "Run", "name": run["name"], "uid": run["uid"], "controller": True}
    version = where["version"]
    for _ in range(CLAIMS):
        meta = {"resourceVersion": version, "ownerReferences": [owner], "annotations": {ORDER: where["task"]}}
        try:
            context.note(await context.client.patch(target, {"metadata": meta}, "roost-run"))
        except Conflict:
            there = await context.client.get("v1", "Pod", where["name"], run["namespace"])
            if there is None:
                break
            context.note(there)
            owners = {item["kind"]: item["uid"] for item in there["metadata"].get("ownerReferences") or ()}
            if owners.get("Run") == run["uid"]:
                return  # It was ours already: the answer had been lost.
            ended = (there.get("status") or {}).get("phase") != "Running" or there["metadata"].get("deletionTimestamp")
            if there["metadata"]["uid"] != action.key or "Run" in owners or ended:
                break
            version = there["metadata"]["resourceVersion"]
        except NotFound:
            break
        else:
            return
    raise Waiting("SpareTaken", "The pod that waited for a run is taken or gone; another one starts.", after_s=0.2)


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
    mine = Run.parse(run)
    # Its Job's, and one that had waited and was taken by it.
    names = [meta["name"], *([mine.status.spare] if mine.status.spare else [])]
    listed = await context.client.list("v1", "Pod", meta["namespace"], f"{RUN} in ({','.join(names)})")
    pods = [item for item in listed if is_of(item, mine)]
    pod = single_pod.newest(pods, CONDUCTOR)  # No step's container speaks for the run.
    report = build_report.read(pod.message) if pod is not None and pod.ended else None
    report = report or reported(mine, [item["metadata"]["labels"][RUN] for item in pods], context.settings)
    return report is not None and report.ok and f"{report.image}@{report.digest}" == image


async def sign_again(action: Action, context: ActionContext) -> None:
    """As `sign`, of a run that is over. What the registry holds no more needs none."""
    try:
        await sign(action, context)
    except Stalled as refused:
        if refused.reason != "ImageMissing":
            raise


ACTIONS = {
    "claim": claim,
    "prepare": prepare,
    "remove": remove,
    "sign": sign,
    "sign-again": sign_again,
    "spare": spare,
    "stop": stop,
}
