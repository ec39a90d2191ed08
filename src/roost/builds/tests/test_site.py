"""The site's mirrors reach every package tool under the names that it reads, and nothing of them is in the text."""

import pytest

from roost.builds import site


@pytest.mark.parametrize(
    ("mirror", "variables"),
    [
        ("pip=https://m/simple", {"PIP_INDEX_URL", "UV_DEFAULT_INDEX"}),
        ("npm=https://m/npm/", {"NPM_CONFIG_REGISTRY", "YARN_NPM_REGISTRY_SERVER"}),
        ("go=https://m/go", {"GOPROXY"}),
        ("maven=https://m/maven", {"MAVEN_MIRROR"}),
        ("apt=https://m/debian", set()),
    ],
)
def test_a_mirror_is_a_secret_variable_of_each_tool_that_reads_it(mirror: str, variables: set[str]) -> None:
    found = site.site("", mirror, "", {})
    assert {name.removeprefix("roost-") for name in found.texts} == variables
    assert set(found.texts.values()) <= {mirror.partition("=")[2]}
    assert "https://" not in found.flags
    assert all(f"--mount=type=secret,id=roost-{name},env={name}" in found.flags for name in variables)


def test_the_bundle_is_named_to_node_and_to_what_mvn_reads() -> None:
    found = site.site("/trust/bundle.crt", "", "http://proxy:3128", {})
    assert found.texts["roost-NODE_EXTRA_CA_CERTS"] == found.texts["roost-SSL_CERT_FILE"] == site.BUNDLE
    assert found.texts["roost-https_proxy"] == "http://proxy:3128"
