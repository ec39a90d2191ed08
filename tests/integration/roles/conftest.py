"""The API of the integration tests, with a credential for kubectl, and the people of one tenant and of the platform."""

import pytest

from roost.settings import Settings
from tests.integration.api.conftest import Running, Team, administrator, api, kubeconfig, team
from tests.integration.apiserver import ApiServer


@pytest.fixture
def settings(apiserver: ApiServer) -> Settings:
    """An API that tells people where kube-apiserver is."""
    return Settings(kubernetes_url=apiserver.url, kubernetes_ca=str(apiserver.authority))


__all__ = ["Running", "Team", "administrator", "api", "kubeconfig", "settings", "team"]
