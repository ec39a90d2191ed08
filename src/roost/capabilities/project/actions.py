"""What a Project leaves behind: the builder goes with the last project of a tenant; else runs look after it."""

from roost.kernel.action import ActionContext
from roost.kube.errors import Forbidden, NotFound
from roost.model.kinds.delivery import Project
from roost.model.names import API_VERSION

BUILDER = "builder"


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
