"""What is of applications alone in the pods of instances: labels, and when two are the same."""

from roost.model import names
from roost.model.content import digest
from roost.model.kinds.app import AppSpec, Process

# The gateway learns that an instance goes at the same moment as the instance itself: it serves on for a moment, so that
# no request reaches a closed port.
DRAIN_S = 5
# What instances of `web` are told apart by while their version is on trial. No process has a hyphen in its name, and no
# application ends with one.
CANDIDATE = "web--next"


def labels(app: str, process: str) -> dict[str, str]:
    """What selects the instances of a process."""
    return {names.APP: app, names.PROCESS: process}


def runtime(spec: AppSpec, process: Process) -> str:
    """16 hex digits over what makes an instance what it is: where it stays the same, no instance is replaced."""
    artefact = spec.artefact
    what = process.model_copy(update={"replicas": 0}).essence()
    image = [artefact.image, artefact.runs_as_root] if artefact else []
    return digest([image, what, [variable.essence() for variable in spec.config], spec.secret_version])[:16]
