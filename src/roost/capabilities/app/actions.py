"""What an App's plan asks for beside applying: marking what became of Releases, and forgetting old ones.

Each is idempotent. Deletions happen as the tenant's deployer, by uid.
"""

from collections.abc import Awaitable, Callable, Mapping

from roost.kernel.action import ActionContext
from roost.kube.errors import Conflict, NotFound
from roost.model import names
from roost.model.configuration import secret_copy_name
from roost.model.plan import DEPLOYER, Action

MANAGER = "roost-app"


def _place(context: ActionContext) -> tuple[str, str]:
    meta = context.object["metadata"]
    return meta["name"], meta["namespace"]


async def mark(action: Action, context: ActionContext) -> None:
    """Write the phase of a Release into its status; `liveAt` with the first time that it is live."""
    _, space = _place(context)
    found = await context.reader.get(names.API_VERSION, "Release", str(action.arguments["release"]), space)
    if found is None:
        return
    phase, status = action.arguments["phase"], found.get("status") or {}
    if status.get("phase") == phase:
        return
    changes = {"phase": phase}
    if phase == "Live" and not status.get("liveAt"):
        changes["liveAt"] = action.arguments["at"]
    # Noted, so that the next look does not take the phase before for the present one and write a second time.
    context.note(await context.client.patch_status(found, changes, MANAGER))


async def forget(action: Action, context: ActionContext) -> None:
    """Delete a Release that the history no longer holds."""
    _, space = _place(context)
    target = {
        "apiVersion": names.API_VERSION,
        "kind": "Release",
        "metadata": {"name": action.arguments["release"], "namespace": space},
    }
    try:
        await context.client.act_as(DEPLOYER, space).delete(target, str(action.arguments["uid"]))
    except (NotFound, Conflict):
        return  # It is gone, or another one of its name is there.


async def forget_secret(action: Action, context: ActionContext) -> None:
    """Delete a copy of secret configuration that no kept Release names."""
    name, space = _place(context)
    copy = secret_copy_name(name, str(action.arguments["version"]))
    target = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": copy, "namespace": space}}
    try:
        await context.client.act_as(DEPLOYER, space).delete(target)
    except NotFound:
        return


ACTIONS: Mapping[str, Callable[[Action, ActionContext], Awaitable[None]]] = {
    "mark": mark,
    "forget": forget,
    "forget-secret": forget_secret,
}
