"""What the project's forge is told of runs: one CommitStatus for the start of each and one for its end. Pure."""

from datetime import datetime, timedelta
from typing import Final, Literal

from roost.capabilities.project.model import Observed, SeenRun
from roost.model.kinds.delivery import Project, Run
from roost.model.kinds.forge import CommitStatus, CommitStatusSpec
from roost.model.names import API_VERSION, PROJECT, TENANT, hostname
from roost.model.plan import Apply

YOUNG: Final = timedelta(days=1)  # A forge that is named later hears nothing of what was long before.
MOST: Final = 30
LONGEST: Final = 140  # Characters that every forge shows; GitHub takes no more.
_WORDS: Final = {"pending": "It runs.", "success": "It succeeded.", "failure": "It failed."}


def of(project: Project, tenant: str, observed: Observed, now: datetime) -> tuple[Apply, ...]:
    """The words that are not there yet. Their names follow from run and state: two make but one."""
    if project.spec.forge is None or not project.spec.forge.token:
        return ()
    said = []
    for run in observed.runs:
        name = f"{run.name}-{_state(run)}"
        young = run.created is not None and run.created + YOUNG > now
        if young and name not in observed.told:
            said.append(_word(project, tenant, observed, run, name))
    return tuple(said[:MOST])


def _state(run: SeenRun) -> Literal["pending", "success", "failure"]:
    if not run.ended:
        return "pending"
    return "success" if run.phase == "Succeeded" else "failure"


def _word(project: Project, tenant: str, observed: Observed, run: SeenRun, name: str) -> Apply:
    state = _state(run)
    spec = CommitStatusSpec(
        project=project.metadata.name,
        run=run.name,
        commit=run.commit,
        state=state,
        description=_described(tenant, run, state),
        url=_link(tenant, observed.domain, run),
    )
    owner = {"apiVersion": API_VERSION, "kind": Run.KIND, "name": run.name, "uid": run.uid}
    made = CommitStatus.manifest(
        name,
        spec,
        project.metadata.namespace,
        labels={TENANT: tenant, PROJECT: project.metadata.name},
        ownerReferences=[owner],
    )
    return Apply(made, create=True, owned=False)


def _described(tenant: str, run: SeenRun, state: str) -> str:
    """How it stands, and how to see more: there is no page of a run that a browser could open."""
    command = f" `roost build show {run.name} -t {tenant}`"
    words = " ".join(((run.message if run.ended else "") or _WORDS[state]).split())
    room = LONGEST - len(command)
    return (words if len(words) <= room else f"{words[: room - 1]}\u2026") + command


def _link(tenant: str, domain: str, run: SeenRun) -> str:
    """The preview that serves; empty: there is nothing to look at."""
    if run.ended and run.phase == "Succeeded" and run.preview_app:
        return f"https://{hostname(run.preview_app, run.environment, tenant, domain)}"
    return ""
