"""What goes with time and with a Project: its oldest runs, and the builder with the last project of a tenant."""

from roost.kernel.action import ActionContext
from roost.kube.errors import Conflict, Forbidden, NotFound
from roost.model.kinds.delivery import Project, Run
from roost.model.names import API_VERSION
from roost.model.plan import Action

BUILDER = "builder"


async def forget(action: Action, context: ActionContext) -> None:
    """Delete a run that ended long ago."""
    meta = {"name": action.arguments["name"], "namespace": action.arguments["namespace"]}
    try:
        await context.client.delete({"apiVersion": API_VERSION, "kind": Run.KIND, "metadata": meta}, action.key)
    except (NotFound, Conflict):
        return


ACTIONS = {"forget": forget}


async def finalize(project: Project, context: ActionContext) -> None:
    """Delete the tenant's builder, unless another project may build."""
    space = project.metadata.namespace
    for other in await context.client.list(API_VERSION, Project.KIND, space):
        meta = other["metadata"]
        if meta["uid"] != project.metadata.uid and not meta.get("deletionTimestamp"):
            return
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": BUILDER, "namespace": space}}
    try:
        await context.client.delete(pod)
    except (NotFound, Forbidden):  # Forbidden: the tenant goes, the right to its pods went first; so will they.
        return
