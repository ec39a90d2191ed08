"""What a commit says of its own run: read from the repository when a ref moves, written into the Run, never changed.

The Project's own steps come first, then the commit's `roost.yaml`, then its `.gitlab-ci.yml`. A commit that is not in
the project's branch says as well what its run does, and such a run has reduced rights: no secrets, none of the build.
Where a run goes, the definition of no branch says; that is the Project's word.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from roost.builds import gitlab_ci, roost_file
from roost.builds.roost_file import FileWrong
from roost.gitserver.repositories import Name, Repositories
from roost.model import roost_file as roost_yaml
from roost.model.kinds.delivery import Project, RunSpec
from roost.model.pipeline import Pipeline
from roost.model.refs import HEADS

MOST_TOLD: Final = 2000
MOST_REMARKS: Final = 30
WITHHELD: Final = "The build has no secrets: this commit is not in the project's branch {branch}."


async def into(repositories: Repositories, name: Name, project: Project, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of a Run of `project` with what its commit says in it. A problem that it has stays."""
    spec = RunSpec.model_validate(manifest["spec"])
    said = await of(repositories, name, project, spec.ref, spec.commit)
    if spec.problem:
        said["problem"] = spec.problem
    if said["rights"] == "reduced" and spec.build.secrets:
        said["build"] = spec.build.model_copy(update={"secrets": ()})
        said["remarks"] = (WITHHELD.format(branch=project.spec.branch), *said.get("remarks", ()))[:MOST_REMARKS]
    return {**manifest, "spec": spec.model_copy(update=said).wire()}


async def of(repositories: Repositories, name: Name, project: Project, ref: str, commit: str) -> dict[str, Any]:
    """The fields of a RunSpec that are the commit's: pipeline, remarks, problem, and what its ref gives it: rights."""
    spec = project.spec
    branch = HEADS + spec.branch
    # What is in the branch already, as a release's tag is, has been its word.
    full = ref == branch or await repositories.is_in(name, branch, commit)
    said: dict[str, Any] = {
        "rights": "full" if full else "reduced",
        "step_secrets": spec.step_secrets if full else (),
    }
    if spec.pipeline.steps:
        return said | {"pipeline": spec.pipeline}
    text = await repositories.file(name, commit, roost_yaml.NAME, roost_yaml.LARGEST)
    if text is not None:
        try:
            pipeline = roost_file.read(text).pipeline
        except FileWrong as error:
            return said | {"problem": str(error)[:MOST_TOLD]}
        if pipeline is not None:
            return said | {"pipeline": pipeline}
    text = await repositories.file(name, commit, gitlab_ci.NAME, gitlab_ci.LARGEST)
    if text is None:
        return said | {"pipeline": Pipeline()}
    # A hostile one takes a second of work; pushes of others go on meanwhile.
    reading = await asyncio.to_thread(gitlab_ci.read, text, name.tenant, commit, ref, spec.branch, name.project)
    return said | {"pipeline": reading.pipeline, "remarks": tuple(reading.remarks)}
