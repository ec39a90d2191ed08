"""What the pod of a run has beside its conductor when the run has steps: one container for each, which all start
together and wait for their turn behind roost-entrypoint. Pure.

A step has its image, its variables, the workspace and the site's certificates. It has no token, nothing of the run's
own Secret and no build secret; of the tenant's Secrets only those that the project lets steps have and that it names,
and none at all in a run with reduced rights.
"""

from collections.abc import Mapping
from typing import Any, Final

from roost.model import step_task
from roost.model.build_task import TRUST, Task
from roost.model.kinds.delivery import RunSpec
from roost.model.names import pull_policy
from roost.model.pipeline import Step, variable_of
from roost.model.quantity import amount
from roost.model.step_task import StepTask

WAITING_MI: Final = 24  # Memory of an entrypoint that waits.
CONDUCTOR_NAME: Final = "step"  # As `job` names its container.
CONDUCTOR_MI: Final = 512
SCANNER_MI: Final = 1024  # The scanner beside the conductor, where a run has one.
EPHEMERAL: Final = "2Gi"
_MI: Final = 1 << 20
_LOCKED: Final = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_MIRRORS: Final = {
    "pip": ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
    "npm": ("NPM_CONFIG_REGISTRY", "YARN_NPM_REGISTRY_SERVER"),
    "go": ("GOPROXY",),
    "maven": ("MAVEN_MIRROR",),
}


def container_name(step: Step) -> str:
    """Of a step; the conductor's is `step`, which no step may be called."""
    return step.name


def allowed_secrets(run: RunSpec, step: Step) -> tuple[str, ...]:
    """The Secrets that a step has in this run."""
    return step.secrets if run.rights == "full" else ()


def _plain(text: str) -> str:
    """A text in which Kubernetes replaces no `$(NAME)`."""
    return text.replace("$", "$$")


def _site(task: Task) -> dict[str, str]:
    variables: dict[str, str] = {}
    for item in task.mirrors.split():
        name, _, url = item.partition("=")
        variables |= dict.fromkeys(_MIRRORS.get(name, ()), url)
    if task.proxy:
        variables |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), task.proxy)
    return variables


def _variables(run: RunSpec, task: Task, place: int) -> list[dict[str, Any]]:
    """Later ones win: the site's, what the run is, the pipeline's, the step's, what a person gave the run."""
    step = run.pipeline.steps[place]
    told = _site(task) | {
        "CI": "true",
        "ROOST_PROJECT": run.project,
        "ROOST_RUN": task.run,
        "ROOST_REF": run.ref,
        "ROOST_COMMIT": run.commit,
        "ROOST_STEP_NAME": step.name,
    }
    told |= {item.name: item.value for item in (*run.pipeline.env, *step.env)}
    told |= dict(run.parameters)
    names = allowed_secrets(run, step)
    own = StepTask(
        gate=f"{step_task.TURNS}/{step_task.gate(place)}",
        commands=step.commands,
        timeout_s=step.timeout_s,
        tries=step.retry + 1,
        secrets=tuple(variable_of(name) for name in names),
    )
    hidden = set(own.secrets)
    # The program's own come last and under names that nobody else may give.
    told |= {"HOME": step_task.HOME, "ROOST_TRUST": f"{TRUST}/bundle.crt"}
    variables: list[dict[str, Any]] = [
        {"name": name, "value": _plain(value)}
        for name, value in told.items()
        if name not in hidden and name != step_task.VARIABLE
    ]
    for name in names:
        secret = {"secretKeyRef": {"name": name, "key": "value"}}
        variables.append({"name": variable_of(name), "valueFrom": secret})
    variables.append({"name": step_task.VARIABLE, "value": _plain(own.model_dump_json(by_alias=True))})
    return variables


def _container(run: RunSpec, task: Task, place: int, images: Mapping[str, str]) -> dict[str, Any]:
    step = run.pipeline.steps[place]
    image = images.get(run.pipeline.image_of(step), "")
    return {
        "name": container_name(step),
        "image": image,
        "imagePullPolicy": pull_policy(image),
        "command": [f"{step_task.BIN}/{step_task.PROGRAM}", "run"],
        "env": _variables(run, task, place),
        "securityContext": _LOCKED,
        "resources": {
            "requests": {"cpu": "10m", "memory": f"{WAITING_MI}Mi", "ephemeral-storage": "50Mi"},
            "limits": {"cpu": step.limits.cpu, "memory": step.limits.memory, "ephemeral-storage": EPHEMERAL},
        },
        "volumeMounts": [
            {"name": "bin", "mountPath": step_task.BIN, "readOnly": True},
            {"name": "turns", "mountPath": step_task.TURNS, "readOnly": True},
            {"name": f"own-{place}", "mountPath": step_task.STEP},
            {"name": "workspace", "mountPath": step_task.WORKSPACE},
            {"name": "home", "mountPath": step_task.HOME},
            {"name": "trust", "mountPath": TRUST, "readOnly": True},
        ],
    }


def conductor_mounts(run: RunSpec) -> list[dict[str, Any]]:
    """What the conductor has of what the containers share: all of it."""
    own = [
        {"name": f"own-{place}", "mountPath": f"{step_task.OWN}/{place}"} for place in range(len(run.pipeline.steps))
    ]
    return [
        {"name": "bin", "mountPath": step_task.BIN},
        {"name": "turns", "mountPath": step_task.TURNS},
        {"name": "workspace", "mountPath": step_task.WORKSPACE},
        {"name": "home", "mountPath": step_task.HOME},
        *own,
    ]


def _installing(conductor: dict[str, Any]) -> dict[str, Any]:
    """The conductor, which brings the others their program. The kubelet starts containers one after the other and the
    next one only when this hook has ended; an init container would do the same and cost a second more.
    """
    hook = {"exec": {"command": [step_task.PROGRAM, "install", step_task.BIN]}}
    return {**conductor, "lifecycle": {"postStart": hook}}


def add(spec: dict[str, Any], run: RunSpec, task: Task, images: Mapping[str, str]) -> dict[str, Any]:
    """The pod's spec, whose only container is the conductor, with the steps in it. `images`: of steps, by digest."""
    places = range(len(run.pipeline.steps))
    volumes = [
        {"name": "bin", "emptyDir": {"sizeLimit": "32Mi"}},
        {"name": "turns", "emptyDir": {"sizeLimit": "1Mi"}},
        {"name": "workspace", "emptyDir": {"sizeLimit": "4Gi"}},
        {"name": "home", "emptyDir": {"sizeLimit": "4Gi"}},
        *[{"name": f"own-{place}", "emptyDir": {"sizeLimit": "16Mi"}} for place in places],
    ]
    return {
        **spec,
        # One step runs at a time, so the pod takes what the largest of them may, not what all may together.
        "resources": _together(run),
        "containers": [
            *[_installing(item) for item in spec["containers"]],
            *[_container(run, task, place, images) for place in places],
        ],
        "volumes": [*spec["volumes"], *volumes],
    }


def _together(run: RunSpec) -> dict[str, Any]:
    steps = run.pipeline.steps
    waiting = WAITING_MI * len(steps)
    largest = max(int(amount(step.limits.memory) or 0) for step in steps) // _MI
    fastest = max(amount(step.limits.cpu) or 0 for step in steps)
    return {
        "requests": {"cpu": "200m", "memory": f"{160 + waiting + min(largest, 256)}Mi"},
        "limits": {
            "cpu": f"{int(fastest * 1000) + 2000}m",
            "memory": f"{CONDUCTOR_MI + SCANNER_MI + waiting + largest}Mi",
        },
    }


def failure_policy(run: RunSpec) -> dict[str, Any]:
    """A step's container ends well even when the step fails. One that was killed says so to the conductor, which ends
    the run: another try of the pod would only do the same again. Where the conductor died as well, as when the power
    was cut, it could say nothing, and the pod is worth another try.
    """
    conductor = {"containerName": CONDUCTOR_NAME, "operator": "NotIn", "values": [0]}
    rules: list[dict[str, Any]] = [
        {"action": "Count", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "Count", "onExitCodes": conductor},
    ]
    for step in run.pipeline.steps:
        codes = {"containerName": container_name(step), "operator": "NotIn", "values": [0]}
        rules.append({"action": "FailJob", "onExitCodes": codes})
    return {"rules": rules}
