"""The plans of commit statuses: golden cases, and what must hold whatever the case."""

from pathlib import Path

import pytest

from roost.adapters import forges
from roost.capabilities.forge import capability
from roost.kernel import golden
from roost.model.kinds.forge import Forge

FOLDER = Path(__file__).parent.parent
CASES = golden.cases(FOLDER)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_golden(case: Path) -> None:
    golden.check(capability, case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_the_pod_has_no_kubernetes_token_and_no_way_to_the_builder(case: Path) -> None:
    for item in golden.run(capability, case).apply:
        template = item.manifest["spec"]["template"]
        pod, (container,) = template["spec"], template["spec"]["containers"]
        assert pod["automountServiceAccountToken"] is False and pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert "roost.dev/run" not in template["metadata"]["labels"]
        assert "shop-forge" not in str(pod["containers"])


@pytest.mark.parametrize(
    ("type_", "url", "api", "repository"),
    [
        ("github", "https://github.com/acme/shop.git", "https://api.github.com", "acme/shop"),
        ("github", "https://git.example.org/acme/shop", "https://git.example.org/api/v3", "acme/shop"),
        ("gitea", "http://git.example.org:3000/acme/shop.git", "http://git.example.org:3000/api/v1", "acme/shop"),
        ("gitlab", "ssh://git@git.example.org:2222/a/b/shop.git", "https://git.example.org/api/v4", "a/b/shop"),
    ],
)
def test_where_a_forges_api_is(type_: str, url: str, api: str, repository: str) -> None:
    assert Forge.model_validate({"type": type_}).address(url) == (api, repository)
    own = Forge.model_validate({"type": type_, "api": "https://api.example.org", "repository": "x/y"})
    assert own.address(url) == ("https://api.example.org", "x/y")
    assert set(forges.FORGES) == {"github", "gitea", "gitlab"}
