"""A Preview's App, and what would make it again, go. As the environment's deployer: nothing of other environments."""

from roost.kernel.action import ActionContext
from roost.kube.errors import Conflict, Forbidden, NotFound
from roost.model import names
from roost.model.errors import Waiting
from roost.model.kinds.app import App
from roost.model.kinds.delivery import Promotion
from roost.model.kinds.forge import Preview
from roost.model.plan import DEPLOYER, Action


async def close(action: Action, context: ActionContext) -> None:
    """Delete the App with that uid, if it is this preview's, with the Promotions that led to it."""
    await _remove(Preview.parse(context.object), context)


async def _remove(item: Preview, context: ActionContext) -> bool:
    """Whether nothing of it is left."""
    place = names.split_namespace(item.metadata.namespace or "")
    if place is None:
        return True
    space, name = names.namespace(place[0], item.spec.environment), item.metadata.name
    client = context.client.act_as(DEPLOYER, space)
    promotions = await client.list(names.API_VERSION, Promotion.KIND, space)
    left = [(Promotion.KIND, found) for found in promotions if found["spec"].get("preview") == name]
    app = await client.get(names.API_VERSION, App.KIND, item.spec.app, space)
    if app is not None and (app["metadata"].get("labels") or {}).get(names.PREVIEW) == name:
        left.append((App.KIND, app))  # Last: nothing is left then that would make it again.
    for kind, found in left:
        meta = {"name": found["metadata"]["name"], "namespace": space}
        try:
            await client.delete(
                {"apiVersion": names.API_VERSION, "kind": kind, "metadata": meta}, found["metadata"]["uid"]
            )
        except (NotFound, Conflict):
            continue
    return not left


async def finalize(item: Preview, context: ActionContext) -> None:
    """Nothing of it is left. Waiting while something is on its way out."""
    try:
        if not await _remove(item, context):
            raise Waiting("AppGoing", "The preview's application is being removed.", 3)
    except (NotFound, Forbidden):  # The tenant goes, or the environment: with it all that was in it.
        return


ACTIONS = {"close": close}
