"""The release command: a Job that must succeed before a version goes live."""

from typing import Any

from roost.capabilities.app.model import RELEASE_COMMAND
from roost.model import names
from roost.model.instance import container, pod
from roost.model.kinds.app import App, AppSpec

TIMEOUT_S = 1800


def job_name(release: str) -> str:
    """`<app>-v<N>-release`."""
    return f"{release}-release"


def job(app: App, where: str, content: AppSpec, release: str) -> dict[str, Any]:
    """One attempt, as the first process would run. A second one is a new version: a command may not bear it."""
    assert content.artefact is not None
    name = app.metadata.name
    selected = {names.APP: name, names.PROCESS: RELEASE_COMMAND, names.RELEASE: release, names.MANAGED_BY: "roost"}
    process = content.processes[0]
    made = {**container(name, where, content, process, content.release_command), "name": "release"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": job_name(release), "namespace": app.metadata.namespace, "labels": selected},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": TIMEOUT_S,
            "template": {
                "metadata": {"labels": selected},
                "spec": pod(content.artefact, made, process.grace_s, restart="Never"),
            },
        },
    }
