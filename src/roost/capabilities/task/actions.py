"""What a Task's plan asks for beside applying: that it goes after a while."""

from collections.abc import Awaitable, Callable, Mapping

from roost.kernel.action import ActionContext
from roost.kube.errors import Conflict, NotFound
from roost.model.kinds.task import Task
from roost.model.names import API_VERSION
from roost.model.plan import DEPLOYER, Action


async def forget(action: Action, context: ActionContext) -> None:
    """Delete the task as the tenant's deployer, if it is still the one that was seen; its Job and pod go with it."""
    meta = context.object["metadata"]
    there = {"name": meta["name"], "namespace": meta["namespace"]}
    try:
        await context.client.act_as(DEPLOYER, meta["namespace"]).delete(
            {"apiVersion": API_VERSION, "kind": Task.KIND, "metadata": there}, action.key
        )
    except (NotFound, Conflict):
        return


ACTIONS: Mapping[str, Callable[[Action, ActionContext], Awaitable[None]]] = {"forget": forget}
