"""How a Run is written down when something starts it: a move of a ref, a person, a time, a new image. Pure.

The git server makes Runs of moves and of what people start, the project capability those of times and images. Whoever
does it: the same start gives the same name, so that doing it twice is doing it once.
"""

from collections.abc import Mapping
from typing import Any

from roost.model import previews
from roost.model.kinds.delivery import Project, ProjectSpec, Run, RunSpec
from roost.model.kinds.triggers import resolve
from roost.model.names import API_VERSION, AUTHOR, BUILD, PROJECT, TENANT, namespace
from roost.model.refs import HEADS, is_fork


def destination(project: ProjectSpec, ref: str) -> tuple[bool, str]:
    """(whether a run of that ref is promoted, into which environment; empty: the project's)."""
    if ref == HEADS + project.branch:
        return True, ""
    if previews.wanted(project, ref):
        return True, project.previews.environment
    trigger = project.triggers.of(ref)
    return (bool(trigger.environment), trigger.environment) if trigger else (False, "")


def starts(project: ProjectSpec, ref: str) -> bool:
    """Whether a move of that ref starts a run."""
    if project.triggers.paused:
        return False
    if ref == HEADS + project.branch:
        return project.triggers.push
    return project.triggers.of(ref) is not None or previews.wanted(project, ref)


def spec_of(project: Project, ref: str, commit: str, given: Mapping[str, str] | None = None, **more: Any) -> RunSpec:
    """What a Run of that ref and commit is, as the project stands. ParameterRefused.

    given: values of parameters that differ from the defaults. more: the fields that say what started it.
    """
    spec = project.spec
    promote, environment = destination(spec, ref)
    said = {
        "project": project.metadata.name,
        "ref": ref,
        "commit": commit,
        "build": spec.built,
        "scan": spec.scan,
        "parameters": resolve(spec.parameters, given or {}),
        "promote": promote,
        "environment": environment,
    }
    return RunSpec.model_validate(said | _tried_out(project, ref) | more)


def _tried_out(project: Project, ref: str) -> dict[str, Any]:
    """What is different where a ref gets an application of its own. What comes from a fork has no secret at all."""
    if not previews.wanted(project.spec, ref):
        return {}
    name = project.metadata.name
    said: dict[str, Any] = {
        "rights": "reduced",
        "preview": previews.name_of(name, ref),
        "app": previews.app_of(project, ref),
    }
    if is_fork(ref):
        said["build"] = project.spec.built.model_copy(update={"secrets": ()})
    return said


def manifest(project: Project, tenant: str, name: str, spec: RunSpec) -> dict[str, Any]:
    """The manifest of a Run of that project, which owns it."""
    meta = project.metadata
    owner = {"apiVersion": API_VERSION, "kind": Project.KIND, "name": meta.name, "uid": meta.uid}
    return Run.manifest(
        name,
        spec,
        namespace(tenant, BUILD),
        labels={TENANT: tenant, PROJECT: meta.name},
        annotations={AUTHOR: spec.author},
        ownerReferences=[owner],
    )
