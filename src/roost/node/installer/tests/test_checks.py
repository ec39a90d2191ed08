"""Judging a cluster: every way to be unfit is named with what to do, and nothing is taken for granted."""

from dataclasses import replace

import pytest

from roost.node.installer import checks
from roost.node.installer.checks import FIRST, judge, walls
from roost.node.installer.facts import Facts, Network, SeenNode, Storage
from roost.node.installer.observe import completed, node
from roost.node.installer.options import Options

OPTIONS = Options(
    "apps.example.com", registry="r.example.com/roost", address="192.0.2.1", node_networks=("192.0.2.1/32",)
)
HOLDS = Network(True, True, True, True, True, "cilium")
FIT = Facts(
    version="v1.36.3",
    served=frozenset(checks.NEEDED),
    nodes=(SeenNode("a", address="192.0.2.1"),),
    gateway_versions=("v1",),
    admission_policies=True,
    pod_security=True,
    external_ips=True,
    pulls=True,
    user_namespaces=True,
    network=HOLDS,
    storage=Storage(("fast",), "fast", True),
    pod_address="10.244.0.7",
    service_address="10.96.0.1",
)


def refusals(facts: Facts, options: Options = OPTIONS) -> dict[str, str]:
    return {item.check: item.text for item in judge(facts, options) if item.verdict == "refuse"}


def test_a_fit_cluster_has_nothing_against_it() -> None:
    assert refusals(FIT) == {}
    assert [item.check for item in judge(FIT, OPTIONS)][:4] == ["kubernetes", "rights", "earlier installation", "nodes"]


UNFIT = {
    "too old": (replace(FIT, version="v1.34.9"), "kubernetes", "1.35"),
    "no version": (replace(FIT, version="?"), "kubernetes", "1.35"),
    "an API off": (replace(FIT, served=FIT.served - {"policy/v1"}), "kubernetes", "policy/v1"),
    "no rights": (replace(FIT, missing_rights=("create namespaces",)), "rights", "create namespaces"),
    "installed": (replace(FIT, installed="0.1.0+abc"), "earlier installation", "roost upgrade"),
    "a strange namespace": (replace(FIT, strange_namespace=True), "earlier installation", "roost-system"),
    "no node": (replace(FIT, nodes=()), "nodes", "No node"),
    "arm": (replace(FIT, nodes=(SeenNode("a", architecture="arm64"),)), "nodes", "arm64"),
    "cri-o": (replace(FIT, nodes=(SeenNode("a", runtime="cri-o://1.36"),)), "nodes", "cri-o"),
    "no image": (replace(FIT, pulls=False, pull_trouble="ImagePullBackOff"), "images", "ImagePullBackOff"),
    "no policies": (replace(FIT, admission_policies=False), "admission policies", "ValidatingAdmissionPolicy"),
    "no pod security": (replace(FIT, pod_security=False), "pod security", "root of a node"),
    "no network": (replace(FIT, network=Network(False)), "network", "do not reach each other"),
    "network not tried": (replace(FIT, network=None), "network", "not tried"),
    "no enforcement": (replace(FIT, network=Network(True, False, False, True)), "network policy", "multi-tenancy"),
    "no egress": (replace(FIT, network=Network(True, True, False, True)), "network policy", "deny of egress"),
    "all closed": (replace(FIT, network=Network(True, True, True, False)), "network policy", "did not let it through"),
    "pods elsewhere": (replace(FIT, pod_address="10.200.0.7"), "networks", "--pod-network"),
    "services elsewhere": (replace(FIT, service_address="10.112.0.1"), "networks", "--service-network"),
    "no class": (replace(FIT, storage=Storage()), "storage", "--storage-class"),
    "nothing bound": (replace(FIT, storage=Storage(("f",), "f", False, "Pending")), "storage", "Pending"),
    "old gateway": (replace(FIT, gateway_versions=("v1beta1",)), "gateway", "v1beta1"),
    "no user namespaces": (replace(FIT, user_namespaces=False), "user namespaces", "6.3"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_is_missing_is_named(case: str) -> None:
    facts, check, word = UNFIT[case]
    found = refusals(facts)
    assert list(found) == [check] and word in found[check]


def test_what_was_not_tried_refuses() -> None:
    """A cluster of which nothing is known passes nothing but what needs nothing."""
    wanted = {"kubernetes", "nodes", "images", "admission policies", "pod security", "network", "storage"}
    assert wanted | {"user namespaces"} == set(refusals(Facts()))


def test_without_rules_that_outrank_tenants_it_says_what_tenants_do_not_get() -> None:
    facts = replace(FIT, network=Network(True, True, True, True, None, ""))
    assert refusals(facts) == {} and walls(facts) == "policies" and walls(FIT) == "cilium"
    (note,) = [item for item in judge(facts, OPTIONS) if item.check == "rules that outrank tenants"]
    assert note.verdict == "note" and "no right to write NetworkPolicies" in note.text
    unknown = refusals(facts, replace(OPTIONS, node_networks=()))
    assert "--node-network" in unknown["rules that outrank tenants"]


def test_rules_that_are_served_and_do_not_hold_outrank_nothing() -> None:
    facts = replace(FIT, network=Network(True, True, True, True, False, "cilium"))
    assert walls(facts) == "policies"


def test_given_classes_must_be_there() -> None:
    assert "slow" in refusals(FIT, replace(OPTIONS, storage_class="slow"))["storage"]
    assert "cilium" in refusals(FIT, replace(OPTIONS, gateway_class="cilium"))["gateway"]
    assert refusals(replace(FIT, gateway_classes=("cilium",)), replace(OPTIONS, gateway_class="cilium")) == {}


def test_what_stands_against_it_before_any_pod_is_found_without_pods() -> None:
    assert all(item.verdict == "ok" for item in judge(Facts(**{**FIT.__dict__, "network": None}), OPTIONS, FIRST))


def test_addresses_and_networks_come_from_the_nodes_where_none_are_given() -> None:
    facts = Facts(nodes=(SeenNode("a", ready=False, address="192.0.2.5"), SeenNode("b", address="192.0.2.6")))
    found = completed(Options("a.example"), facts)
    assert found.address == "192.0.2.6" and found.node_networks == ("192.0.2.6/32",)
    assert completed(Options("a.example", gateway_class="x"), facts).address == ""
    assert completed(OPTIONS, facts) == OPTIONS


def test_a_node_is_read_as_kubernetes_tells_it() -> None:
    told = {
        "metadata": {"name": "a"},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "Hostname", "address": "a"}, {"type": "InternalIP", "address": "192.0.2.1"}],
            "nodeInfo": {"architecture": "amd64", "containerRuntimeVersion": "containerd://2.2.0"},
        },
    }
    assert node(told) == SeenNode("a", True, "amd64", "containerd://2.2.0", "192.0.2.1")
    assert node({"metadata": {"name": "b"}}) == SeenNode("b", False, "", "", "")
