"""What runs of an application, in one pod: environment, resources, no privilege. Pure.

Shared by the capabilities whose pods run an application's image: instances and the release command (`app`), one-off
commands (`task`).
"""

from typing import Any

from roost.model.configuration import secret_copy_name
from roost.model.kinds.app import AppSpec, Artefact, Process


def literal(text: str) -> str:
    """Text that Kubernetes takes as it stands: it would replace `$(NAME)` in values and arguments otherwise."""
    return text.replace("$", "$$")


def environment(app: str, where: str, spec: AppSpec, process: Process) -> dict[str, Any]:
    """`env` and `envFrom` of a container. Roost's own variables win over the application's, plain over secret ones."""
    own = {"ROOST_APP": app, "ROOST_ENVIRONMENT": where, "ROOST_PROCESS": process.name}
    if process.port is not None:
        own["PORT"] = str(process.port)
    plain = {variable.name: literal(variable.value) for variable in spec.config}
    variables = {"env": [{"name": name, "value": value} for name, value in sorted({**plain, **own}.items())]}
    if not spec.secret_version:
        return variables
    source = {"secretRef": {"name": secret_copy_name(app, spec.secret_version), "optional": False}}
    return {**variables, "envFrom": [source]}


def resources(process: Process) -> dict[str, Any]:
    """Requests and limits; memory is both, so that an instance never takes what another was promised."""
    given = process.resources
    limits = {"memory": given.memory}
    if given.cpu_limit:
        limits["cpu"] = given.cpu_limit
    return {"requests": {"cpu": given.cpu, "memory": given.memory}, "limits": limits}


def _security(artefact: Artefact) -> dict[str, Any]:
    capabilities: dict[str, Any] = {"drop": ["ALL"]}
    if artefact.runs_as_root:
        capabilities["add"] = ["NET_BIND_SERVICE"]
    return {"allowPrivilegeEscalation": False, "capabilities": capabilities}


def container(app: str, where: str, spec: AppSpec, process: Process, command: tuple[str, ...]) -> dict[str, Any]:
    """The one container, without probes. `where`: the environment's name."""
    assert spec.artefact is not None
    made: dict[str, Any] = {
        "name": process.name,
        "image": spec.artefact.image,
        "imagePullPolicy": "IfNotPresent",
        **environment(app, where, spec, process),
        "resources": resources(process),
        "securityContext": _security(spec.artefact),
        # What it said last stands in the pod's status, and so in the App's condition.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if command:
        made["command"] = [literal(word) for word in command]
    return made


def pod(artefact: Artefact, container: dict[str, Any], grace_s: int, restart: str = "Always") -> dict[str, Any]:
    """The pod's spec: no token, no privilege; an image that runs as root gets a user namespace of its own."""
    security: dict[str, Any] = {"seccompProfile": {"type": "RuntimeDefault"}}
    if not artefact.runs_as_root:
        security["runAsNonRoot"] = True
    return {
        **({"hostUsers": False} if artefact.runs_as_root else {}),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "serviceAccountName": "default",
        "restartPolicy": restart,
        "securityContext": security,
        "terminationGracePeriodSeconds": grace_s,
        "containers": [container],
    }
