"""Effects of imports beside what is applied: the import's own secret, and old imports that go."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from roost.kernel.action import ActionContext
from roost.kube.errors import AlreadyExists, Conflict, NotFound
from roost.model.errors import Stalled
from roost.model.fetch_task import PUSH_TOKEN, REGISTRY_TOKEN
from roost.model.kinds.source import Import
from roost.model.names import API_VERSION, BUILD, IMPORT, MANAGED_BY, TENANT, namespace
from roost.model.plan import Action
from roost.surface import fetch_token
from roost.surface.build_trust import copy_trust
from roost.surface.registry import Access, mint

GIT_SECRET: Final = Path("/etc/roost/git/token")
REGISTRY_KEY: Final = Path("/etc/roost/registry/key.pem")
SPARE: Final = timedelta(minutes=15)


async def prepare(action: Action, context: ActionContext) -> None:
    """The certificates and the import's Secret stand before its pod starts; both are made once."""
    tenant, project = str(action.arguments["tenant"]), str(action.arguments["project"])
    await copy_trust(tenant, context)
    meta, space = context.object["metadata"], namespace(tenant, BUILD)
    there = await context.client.get("v1", "Secret", meta["name"], space)
    if there is not None:
        # Developers write Secrets in this namespace: one of theirs under this name is not taken for ours.
        if any(owner["uid"] == meta["uid"] for owner in there["metadata"].get("ownerReferences") or ()):
            return
        raise Stalled("SecretTaken", f"A Secret {meta['name']} that is not the import's stands in {space}.")
    ttl = timedelta(seconds=int(action.arguments["timeoutS"])) + SPARE
    key = GIT_SECRET.read_text().strip()
    token = fetch_token.mint(key, (tenant, project), datetime.now(UTC), ttl, fetch_token.PUSH)
    owner = {"apiVersion": API_VERSION, "kind": Import.KIND, "name": meta["name"], "uid": meta["uid"]}
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": meta["name"],
            "namespace": space,
            "labels": {TENANT: tenant, IMPORT: meta["name"], MANAGED_BY: "roost"},
            "ownerReferences": [{**owner, "controller": True}],
        },
        "type": "Opaque",
        "immutable": True,
        "stringData": {PUSH_TOKEN: token} | _registry(action, meta["name"], ttl),
    }
    try:
        await context.client.create(manifest, "roost-source")
    except AlreadyExists:
        return


def _registry(action: Action, name: str, ttl: timedelta) -> dict[str, str]:
    """What opens the registry, where an image is followed: the project's repository; others of the tenant to read."""
    if "pull" not in action.arguments:
        return {}
    tenant, project = str(action.arguments["tenant"]), str(action.arguments["project"])
    access = [Access(f"{tenant}/{other}", ("pull",)) for other in action.arguments["pull"]]
    access.append(Access(f"{tenant}/{project}", ("pull", "push")))
    return {REGISTRY_TOKEN: mint(REGISTRY_KEY.read_bytes(), f"import:{tenant}/{name}", access, datetime.now(UTC), ttl)}


async def forget(action: Action, context: ActionContext) -> None:
    """Delete an import that ended long ago, if it is still the one that was seen."""
    meta = {"name": action.arguments["name"], "namespace": action.arguments["namespace"]}
    try:
        await context.client.delete({"apiVersion": API_VERSION, "kind": Import.KIND, "metadata": meta}, action.key)
    except (NotFound, Conflict):
        return


ACTIONS = {"prepare": prepare, "forget": forget}
