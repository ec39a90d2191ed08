"""Certificates of servers that run as pods, against a real kube-apiserver: signed once, anew before they end."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from roost.model.names import SYSTEM_NAMESPACE
from roost.node import engine, pki, renewal, trust
from roost.node.kubectl import Kubectl
from roost.node.manifests import common, metrics_server, platform, registry
from tests.integration.apiserver import ApiServer

pytestmark = [pytest.mark.integration, pytest.mark.full]
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SECRETS = [(metrics_server.TLS_SECRET, common.SYSTEM), (registry.TLS_SECRET, SYSTEM_NAMESPACE)]
RESTARTED = "kubectl.kubernetes.io/restartedAt"


@pytest.fixture
def kubectl(apiserver: ApiServer, tmp_path: Path) -> Kubectl:
    made = Kubectl(apiserver.kubeconfig, engine.existing(["kubernetes"]).path("kubectl"), tmp_path / "cache")
    disk = common.Disk("node-1", "/data")
    made.apply_patiently([*platform.namespaces(), *registry.everything("roost.internal/registry:1", disk, {}, "")])
    return made


def held(kubectl: Kubectl) -> list[pki.Pair]:
    """The certificates as they stand."""
    found = [kubectl.get("secret", *where) for where in SECRETS]
    return [pki.Pair(texts["tls.crt"], texts["tls.key"]) for texts in (trust.texts(item or {}) for item in found)]


def names(pair: pki.Pair) -> list[str]:
    return pair.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    )


def template(kubectl: Kubectl) -> dict[str, Any]:
    found = kubectl.get("deployment", registry.NAME, SYSTEM_NAMESPACE)
    assert found is not None
    meta: dict[str, Any] = found["spec"]["template"]["metadata"]
    return meta


def test_they_are_signed_once_then_anew_before_they_end_and_when_asked(kubectl: Kubectl) -> None:
    authority = pki.authority("of this test", NOW)
    renewal.in_cluster(kubectl, authority, NOW, asked=False)
    first = held(kubectl)
    assert [names(pair)[0] for pair in first] == ["metrics-server.kube-system.svc", "registry.roost-system.svc"]
    before = template(kubectl)["annotations"][RESTARTED]

    assert renewal.in_cluster(kubectl, authority, NOW + timedelta(days=300), asked=False) == []
    assert held(kubectl) == first

    late = NOW + pki.LEAF_LIFE - pki.RENEW_BEFORE + timedelta(days=1)
    assert renewal.in_cluster(kubectl, authority, late, asked=False) == ["metrics-server's", "the registry's"]
    second = held(kubectl)
    for pair in second:
        pair.parsed.verify_directly_issued_by(authority.parsed)
        assert pair.parsed.not_valid_after_utc > late + timedelta(days=300)
    assert template(kubectl)["annotations"][RESTARTED] >= before  # The registry reads its certificate when it starts.

    assert len(renewal.in_cluster(kubectl, authority, late, asked=True)) == 2
    assert all(new.certificate != old.certificate for new, old in zip(held(kubectl), second, strict=True))


def test_what_another_authority_signed_is_signed_anew(kubectl: Kubectl) -> None:
    renewal.in_cluster(kubectl, pki.authority("before", NOW), NOW, asked=False)
    authority = pki.authority("after", NOW)
    assert renewal.in_cluster(kubectl, authority, NOW, asked=False) == ["metrics-server's", "the registry's"]
    for pair in held(kubectl):
        pair.parsed.verify_directly_issued_by(authority.parsed)
