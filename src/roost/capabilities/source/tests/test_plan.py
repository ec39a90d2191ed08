"""The plans of imports: golden cases, and what must hold whatever the case."""

from pathlib import Path

import pytest

from roost.capabilities.source import capability
from roost.kernel import golden

FOLDER = Path(__file__).parent.parent
CASES = golden.cases(FOLDER)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_golden(case: Path) -> None:
    golden.check(capability, case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_the_pod_has_no_token_no_privilege_and_no_way_to_the_builder(case: Path) -> None:
    for item in golden.run(capability, case).apply:
        template = item.manifest["spec"]["template"]
        pod, (container,) = template["spec"], template["spec"]["containers"]
        assert pod["automountServiceAccountToken"] is False and pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert "roost.dev/run" not in template["metadata"]["labels"]


def test_credentials_are_files_of_this_pod_alone() -> None:
    (item,) = golden.run(capability, FOLDER / "tests/cases/subversion-with-credentials").apply
    pod = item.manifest["spec"]["template"]["spec"]
    assert {"name": "source", "secret": {"secretName": "wiki-source", "defaultMode": 0o440}} in pod["volumes"]
    assert "wiki-source" not in str(pod["containers"])
