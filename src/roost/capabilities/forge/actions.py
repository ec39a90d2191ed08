"""Effects of commit statuses beside what is applied: the certificates their pods trust, and tries that failed."""

from roost.kernel.action import ActionContext
from roost.kube.errors import Conflict, NotFound
from roost.model.plan import Action
from roost.surface.build_trust import copy_trust


async def prepare(action: Action, context: ActionContext) -> None:
    """The certificates stand before the pod starts."""
    await copy_trust(str(action.arguments["tenant"]), context)


async def remove(action: Action, context: ActionContext) -> None:
    """Delete the Job of a try that failed, if it is still the one that was seen; its pod goes with it."""
    meta = context.object["metadata"]
    target = {"apiVersion": "batch/v1", "kind": "Job"}
    try:
        await context.client.delete(
            {**target, "metadata": {"name": meta["name"], "namespace": meta["namespace"]}}, action.key
        )
    except (NotFound, Conflict):
        return


ACTIONS = {"prepare": prepare, "remove": remove}
