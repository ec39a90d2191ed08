"""The Job of one task: a pod as the application's own instances are, once, bounded in time. Pure."""

from typing import Any

from roost.model import names
from roost.model.instance import container, pod
from roost.model.kinds.app import AppSpec, Process
from roost.model.kinds.task import Task

NAME = "task"  # Of the container, and what its ROOST_PROCESS says.


def _process(item: Task, content: AppSpec) -> Process:
    """Whose resources it gets; it listens nowhere."""
    found = next((process for process in content.processes if process.name == item.spec.process), content.processes[0])
    return found.model_copy(update={"name": NAME, "port": None})


def job(item: Task, where: str, release: str, content: AppSpec) -> dict[str, Any]:
    """One attempt. `where`: the environment's name. The label of the process is one that no service selects."""
    assert content.artefact is not None
    process = _process(item, content)
    labels = {
        names.APP: item.spec.app,
        names.PROCESS: names.ONE_OFF,
        names.RELEASE: release,
        names.TASK: item.metadata.name,
        names.MANAGED_BY: "roost",
    }
    made = container(item.spec.app, where, content, process, item.spec.command)
    if item.spec.stdin or item.spec.tty:
        made |= {"stdin": True, "stdinOnce": True, "tty": item.spec.tty}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": item.metadata.name, "namespace": item.metadata.namespace, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": item.spec.timeout_s,
            "template": {
                "metadata": {"labels": labels},
                "spec": pod(content.artefact, made, process.grace_s, restart="Never"),
            },
        },
    }
