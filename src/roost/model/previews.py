"""Which refs are tried out in an application of their own, and what that is called. Pure.

A merge request stands in the hosted repository as `refs/merge-requests/<number>/head`, one from a fork as
`refs/merge-requests/<number>/fork`: so what it may is part of its name, and no later word about it is needed.
"""

from typing import Any, Final

from roost.model.kinds.app import AppSpec, Variable
from roost.model.kinds.delivery import Project, ProjectSpec
from roost.model.kinds.forge import Preview, PreviewSpec
from roost.model.names import API_VERSION, BUILD, PROJECT, TENANT, namespace, short_digest
from roost.model.refs import HEADS, REQUESTS, is_fork, matches, request_of

MAX_APP: Final = 30


def wanted(project: ProjectSpec, ref: str) -> bool:
    """Whether the project tries this ref out."""
    previews = project.previews
    if not previews.environment:
        return False
    if request_of(ref) is not None:
        return previews.forks or not is_fork(ref)
    branch = ref.removeprefix(HEADS)
    own = branch == project.branch or project.triggers.of(ref) is not None
    return ref.startswith(HEADS) and not own and any(matches(pattern, branch) for pattern in previews.branches)


def patterns(project: ProjectSpec) -> list[str]:
    """The full patterns of refs that may be tried out."""
    if not project.previews.environment:
        return []
    return [f"{REQUESTS}*", *(HEADS + pattern for pattern in project.previews.branches)]


def ending(ref: str) -> str:
    """What is put after a name: `-mr-7`, or of a branch what follows from it."""
    number = request_of(ref)
    return f"-mr-{number}" if number is not None else f"-br-{short_digest(ref, length=6)}"


def app_of(project: Project, ref: str) -> str:
    """The App that a ref becomes. A long name is shortened; whose an App is, its label says."""
    end = ending(ref)
    return (project.spec.app or project.metadata.name)[: MAX_APP - len(end)].rstrip("-") + end


def name_of(project: str, ref: str) -> str:
    """The name of its Preview."""
    return project + ending(ref)


def _spec(project: Project, ref: str) -> PreviewSpec:
    return PreviewSpec(
        project=project.metadata.name,
        ref=ref,
        app=app_of(project, ref),
        environment=project.spec.previews.environment,
    )


def configuration(project: Project, ref: str, there: AppSpec | None) -> tuple[Variable, ...]:
    """What the application of a ref begins with, sorted by name. there: the project's application in that environment.

    Nothing for forks: anybody's code would print it. Never a secret: who may push a branch need not have seen one.
    """
    said = project.spec.previews
    if is_fork(ref):
        return ()
    found = {item.name: item.value for item in there.config} if said.copies and there is not None else {}
    found |= {item.name: item.value for item in said.config}
    return tuple(Variable(name=name, value=found[name]) for name in sorted(found))


def fits(preview: Preview, project: Project) -> bool:
    """Whether it is where the project wants it now; else another takes its place."""
    return bool(project.spec.previews.environment) and preview.spec == _spec(project, preview.spec.ref)


def manifest(project: Project, tenant: str, ref: str) -> dict[str, Any]:
    """The Preview of a ref, which its project owns."""
    meta, spec = project.metadata, _spec(project, ref)
    owner = {"apiVersion": API_VERSION, "kind": Project.KIND, "name": meta.name, "uid": meta.uid}
    return Preview.manifest(
        name_of(meta.name, ref),
        spec,
        namespace(tenant, BUILD),
        labels={TENANT: tenant, PROJECT: meta.name},
        ownerReferences=[owner],
    )
