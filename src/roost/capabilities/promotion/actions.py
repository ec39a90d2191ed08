"""What goes with time: an App's oldest Promotions. The plan asks for it (action `forget`)."""

from roost.kernel.action import ActionContext
from roost.kube.errors import Conflict, NotFound
from roost.model.kinds.delivery import Promotion
from roost.model.kinds.gates import Approval
from roost.model.names import API_VERSION
from roost.model.plan import Action


async def forget(action: Action, context: ActionContext) -> None:
    """Delete a Promotion that ended long ago, if it is still the one that was seen, and what was said of it."""
    name, space = str(action.arguments["name"]), str(action.arguments["namespace"])
    for item in await context.reader.list(API_VERSION, Approval.KIND, space):
        if item["spec"]["promotion"] == name:
            await _delete(Approval.KIND, item["metadata"]["name"], space, item["metadata"]["uid"], context)
    await _delete(Promotion.KIND, name, space, action.key, context)


async def _delete(kind: str, name: str, space: str, uid: str, context: ActionContext) -> None:
    meta = {"name": name, "namespace": space}
    try:
        await context.client.delete({"apiVersion": API_VERSION, "kind": kind, "metadata": meta}, uid)
    except (NotFound, Conflict):
        return


ACTIONS = {"forget": forget}
