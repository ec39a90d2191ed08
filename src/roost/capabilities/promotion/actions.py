"""What goes with time: an App's oldest Promotions. The plan asks for it (action `forget`)."""

from roost.kernel.action import ActionContext
from roost.kube.errors import Conflict, NotFound
from roost.model.kinds.delivery import Promotion
from roost.model.names import API_VERSION
from roost.model.plan import Action


async def forget(action: Action, context: ActionContext) -> None:
    """Delete a Promotion that ended long ago, if it is still the one that was seen."""
    meta = {"name": action.arguments["name"], "namespace": action.arguments["namespace"]}
    try:
        await context.client.delete({"apiVersion": API_VERSION, "kind": Promotion.KIND, "metadata": meta}, action.key)
    except (NotFound, Conflict):
        return


ACTIONS = {"forget": forget}
