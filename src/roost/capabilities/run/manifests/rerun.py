"""Another run of the same commit and the same steps, which a person wished for on a run that is over. Pure.

Nobody but machines makes Runs, so a person says the wish on the old one and the controller makes the new one. Its name
follows from the old one's and the number of the wish: doing it twice is doing it once.
"""

from typing import Any, Final

from roost.model.kinds.delivery import Project, Rerun, Run
from roost.model.names import API_VERSION, AUTHOR, PROJECT, TENANT, short_digest

MOST: Final = 20


def wanted(run: Run) -> bool:
    """Whether there is a wish that was not followed yet."""
    return run.spec.rerun.number > (run.status.reruns or 0)


def name(run: Run) -> str:
    """Of the new Run."""
    key = short_digest(run.metadata.uid, str(run.spec.rerun.number), length=10)
    return f"{run.spec.project}-{run.spec.attempt}-again-{key}"


def manifest(run: Run, tenant: str, project: str) -> dict[str, Any]:
    """The new Run. `project`: the uid of the Project, which owns it."""
    step = run.spec.rerun.step
    # Before the first step the workspace is the commit itself.
    start_at = "" if step in run.spec.pipeline.names[:1] else step
    again: dict[str, object] = {"origin": run.metadata.name, "start_at": start_at, "rerun": Rerun(), "cancel": False}
    # Admission holds whoever wishes for a rerun to saying who they are.
    wishers = dict.fromkeys((*run.spec.repeated_by, run.metadata.annotations.get(AUTHOR, "")[:100]))
    again["repeated_by"] = tuple(who for who in wishers if who)[-MOST:]
    owner = {"apiVersion": API_VERSION, "kind": Project.KIND, "name": run.spec.project, "uid": project}
    return Run.manifest(
        name(run),
        run.spec.model_copy(update=again),
        run.metadata.namespace,
        labels={TENANT: tenant, PROJECT: run.spec.project},
        annotations={AUTHOR: run.spec.author},
        ownerReferences=[owner],
    )
