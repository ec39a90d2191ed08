"""The environments of one tenant are apart: credentials, secrets, rights, network, quota. Who has one has no other.

What reaches a running instance over the network is tried in tests/e2e/test_walls.py.
"""

from typing import Any

import pytest

from roost.capabilities.tenant.manifests.network import environment_policies
from roost.capabilities.tenant.model import Platform
from roost.model import names
from tests.attack.table import CONFIG, POD, SECRET, SERVICE, changed, meta
from tests.attack.world import BOB, DEPLOYER, World, collection

pytestmark = pytest.mark.integration
DRY = {"dryRun": "All"}
CREATOR = "system:serviceaccount:kube-system:replicaset-controller"
MINE, OTHER = "acme-dev", "acme-prod"
_PROMOTION: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "Promotion",
    "metadata": {**meta("harmless", MINE), "annotations": {names.AUTHOR: "bob"}},
    "spec": {"app": "shop", "artefact": {"image": POD["spec"]["containers"][0]["image"]}},
}
_APP: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "App",
    "metadata": meta("harmless", MINE),
    "spec": {"config": [{"name": "A", "value": "1"}]},
}
WRITES = [
    pytest.param(BOB, SECRET, id="developer-secret"),
    pytest.param(BOB, _APP, id="developer-configuration"),
    pytest.param(BOB, _PROMOTION, id="developer-promotion"),
    pytest.param(DEPLOYER, SECRET, id="deployer-secret"),
    pytest.param(DEPLOYER, SERVICE, id="deployer-service"),
    pytest.param(DEPLOYER, CONFIG, id="deployer-config"),
    pytest.param(DEPLOYER, _APP, id="deployer-app"),
]


@pytest.mark.parametrize(("who", "manifest"), WRITES)
def test_who_writes_in_one_environment_writes_in_no_other(world: World, who: str, manifest: dict[str, Any]) -> None:
    twin = changed(manifest, metadata__name="apart")
    made = world.call(who, "POST", collection(twin), twin, params=DRY)
    assert made.status_code == 201, made.text
    evil = changed(twin, metadata__namespace=OTHER)
    refused = world.call(who, "POST", collection(evil), evil, params=DRY)
    assert refused.status_code == 403 and "cannot create" in refused.text, refused.text


@pytest.mark.parametrize("kind", ["secrets/shop-config", "pods/shop", "configmaps/shop"])
@pytest.mark.parametrize("who", [BOB, DEPLOYER])
def test_who_reads_in_one_environment_reads_in_no_other(world: World, who: str, kind: str) -> None:
    assert world.call(who, "GET", f"/api/v1/namespaces/{MINE}/{kind}").status_code == 404  # May look; there is none.
    assert world.call(who, "GET", f"/api/v1/namespaces/{OTHER}/{kind}").status_code == 403


def test_each_environment_has_a_deployer_of_its_own(world: World) -> None:
    found = []
    for space in (MINE, OTHER):
        account = world.call("", "GET", f"/api/v1/namespaces/{space}/serviceaccounts/{names.DEPLOYER}").json()
        binding = world.call(
            "", "GET", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{space}/rolebindings/{names.DEPLOYER}"
        ).json()
        subjects = [(item["namespace"], item["name"]) for item in binding["subjects"]]
        assert subjects == [(space, names.DEPLOYER)], binding
        found.append(account["metadata"]["uid"])
    assert len(set(found)) == 2


def test_what_one_environment_used_up_is_there_for_the_other(world: World) -> None:
    path = f"/api/v1/namespaces/{MINE}/resourcequotas/roost-quota"
    hard = world.call("", "GET", path).json()["spec"]["hard"]
    assert hard

    def tried(space: str) -> tuple[int, str]:
        pod = changed(POD, metadata__name="one-more", metadata__namespace=space)
        answer = world.call(CREATOR, "POST", collection(pod), pod, params=DRY)
        return answer.status_code, answer.text

    assert tried(MINE)[0] == 201
    used_up = world.call("", "PATCH", f"{path}/status", {"status": {"hard": hard, "used": hard}})
    assert used_up.status_code == 200, used_up.text
    try:
        world.until(lambda: tried(MINE)[0] == 403 and "exceeded quota" in tried(MINE)[1], "the quota to be used up")
        assert tried(OTHER)[0] == 201
    finally:
        world.call("", "PATCH", f"{path}/status", {"status": {"hard": None, "used": None}})
    world.until(lambda: tried(MINE)[0] == 201, "the quota to be free again")


def test_no_network_rule_of_one_environment_names_another() -> None:
    for cilium in (True, False):
        for policy in environment_policies("acme", "dev", Platform(cilium=cilium)):
            spec = policy["spec"]
            assert policy["metadata"]["namespace"] == MINE
            peers = [
                peer
                for rule in [*spec.get("ingress", ()), *spec.get("egress", ())]
                for peer in rule.get("from", rule.get("to", ()))
            ]
            for peer in peers:
                space = peer.get("namespaceSelector", {"matchLabels": {"kubernetes.io/metadata.name": MINE}})
                assert space["matchLabels"]["kubernetes.io/metadata.name"] in (
                    MINE,
                    names.SYSTEM_NAMESPACE,
                    "kube-system",
                )
        first = environment_policies("acme", "dev", Platform(cilium=cilium))[0]["spec"]
        assert first == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
