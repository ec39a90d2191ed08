"""The plans of tasks: golden cases, and what must hold whatever the case."""

from pathlib import Path

import pytest

from roost.capabilities.task import capability
from roost.kernel import golden
from roost.model import names

FOLDER = Path(__file__).parent.parent
CASES = golden.cases(FOLDER)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_golden(case: Path) -> None:
    golden.check(capability, case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_the_pod_is_the_deployers_without_token_or_privilege_and_no_service_leads_to_it(case: Path) -> None:
    for item in golden.run(capability, case).apply:
        assert item.identity == "deployer"
        template = item.manifest["spec"]["template"]
        pod, (container,) = template["spec"], template["spec"]["containers"]
        assert pod["automountServiceAccountToken"] is False and pod["restartPolicy"] == "Never"
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        # Services select application and process; no process has a hyphen.
        assert template["metadata"]["labels"][names.PROCESS] == "one-off"


def test_it_runs_once_with_image_configuration_and_secrets_of_the_version() -> None:
    (item,) = golden.run(capability, FOLDER / "tests/cases/first").apply
    spec = item.manifest["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert (spec["backoffLimit"], item.create) == (0, True)
    assert {"name": "LEVEL", "value": "debug"} in container["env"]
    assert container["envFrom"][0]["secretRef"]["name"].startswith("shop-config-")
    assert not any(variable["name"] == "PORT" for variable in container["env"])
