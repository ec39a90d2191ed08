"""The scanner beside the step of a run: when there is one, and that nothing of the run's is within its reach."""

import pytest

from roost.capabilities.run.manifests import scanner
from roost.model import build_pod
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
