"""The scanner beside the step of a run: when there is one, and that nothing of the run's is within its reach."""

from typing import Any

import pytest

from roost.capabilities.run.manifests import scanner
from roost.capabilities.run.observe import base_findings
from roost.model import build_pod, findings
from roost.model.kinds.delivery import Run
from roost.model.kinds.scan import Scan

DATABASE = "registry.roost-system.svc:5000/base/advisories@sha256:" + "a" * 64
OFF = {"source": False, "dependencies": False, "image": False}


@pytest.mark.parametrize(
    ("policy", "database", "wanted"),
    [
        ({}, "", True),
        (OFF, DATABASE, False),
        ({**OFF, "dependencies": True}, "", False),
        ({**OFF, "dependencies": True}, DATABASE, True),
        ({**OFF, "image": True}, DATABASE, True),
        ({**OFF, "secrets": True}, DATABASE, False),
    ],
)
def test_it_is_there_where_something_asks_for_it(policy: dict[str, bool], database: str, wanted: bool) -> None:
    assert scanner.wanted(Scan.model_validate(policy), database) is wanted


def test_nothing_of_the_run_is_within_its_reach() -> None:
    container = {"name": "step", "image": "roost.internal/platform:1", "volumeMounts": build_pod.mounts()}
    pod = build_pod.pod(container, ("ROOST_TASK", "{}"), "128Mi", build_pod.volumes("run", "256Mi"))
    other = {**pod["containers"][0], "name": "test"}
    job = {"spec": {"template": {"spec": {**pod, "containers": [*pod["containers"], other]}}}}
    made = scanner.beside(job, "roost.internal/scanner:1", DATABASE)["spec"]["template"]["spec"]
    (beside,) = made["initContainers"]
    assert beside["restartPolicy"] == "Always", "A sidecar: the Job ends with its step."
    own = {item["name"] for item in beside["volumeMounts"]}
    assert own == {"scan-asked", "scan-told", "scan-scratch", "advisories"} and "env" not in beside
    step, test = made["containers"]
    asks = {item["name"]: item.get("readOnly", False) for item in step["volumeMounts"] if "scan" in item["name"]}
    assert asks == {"scan-asked": False, "scan-told": True}, "Neither writes where the other does."
    assert test == other, "A person's step does not meet it."


def run(name: str, ref: str, commit: str, sequence: int, phase: str = "Succeeded") -> dict[str, Any]:
    spec = {"project": "shop", "ref": ref, "commit": commit * 40, "attempt": sequence, "sequence": sequence}
    return {"metadata": {"name": name}, "spec": spec, "status": {"phase": phase}}


def test_the_base_is_the_last_good_run_of_the_projects_branch() -> None:
    main, other = "refs/heads/main", "refs/heads/feature"
    held = [run("a", main, "a", 1), run("b", main, "b", 3), run("c", main, "c", 4, "Failed"), run("d", other, "d", 5)]
    mine = Run.parse({**run("e", other, "e", 6, "Building"), "apiVersion": "roost.dev/v1alpha1", "kind": "Run"})
    assert base_findings(mine, "main", held) == findings.tag(3, "b" * 40)
    assert base_findings(mine, "release", held) == ""
