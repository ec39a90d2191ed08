"""What is installed where: the same platform on the embedded cluster and on any other, and the differences by name."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from roost.capabilities.tenant.walls import FIRST_WALL
from roost.node.installer import removal, rendering
from roost.node.installer.options import IMAGES, Options, OptionsRefused
from roost.node.installer.rendering import Disks, Parts, identity, phases
from roost.node.manifests import node_trust
from roost.node.manifests.common import Disk

GOLDEN = Path(__file__).parent / "elsewhere.yaml"
FILES = {"jwks.json": "{}", "node-ca.crt": "PEM\n"}
EMBEDDED = Options("roost.localhost", embedded=True, node="node-a", address="192.0.2.7", registry_address="10.96.0.50")
FOREIGN = Options(
    "apps.example.com",
    registry="registry.example.com/roost",
    storage_class="fast",
    address="192.0.2.9",
    registry_address="10.112.3.4",
    pod_networks=("10.200.0.0/16",),
    service_networks=("10.112.0.0/16",),
)
POLICIES = Options(
    "apps.example.com",
    registry="registry.example.com/roost",
    gateway_class="cilium",
    registry_address="10.112.3.4",
    walls="policies",
    node_networks=("192.0.2.0/24",),
)


def parts(options: Options) -> Parts:
    place, tag = (options.registry, "@sha256:" + "b" * 64) if options.registry else ("roost.internal", ":1")
    return Parts({name: f"{place}/{name}{tag}" for name in IMAGES}, [], FILES)


def rendered(options: Options) -> dict[str, list[dict[str, Any]]]:
    disks = Disks(Disk("node-a", "/r"), Disk("node-a", "/g")) if options.embedded else None
    return phases(options, parts(options), disks)


def every(options: Options) -> list[dict[str, Any]]:
    return [item for items in rendered(options).values() for item in items]


CASES = {"embedded": EMBEDDED, "foreign": FOREIGN, "policies": POLICIES}


def different() -> list[dict[str, Any]]:
    """What is made for other clusters alone; what all have in common is judged where it is built."""
    return [
        rendering.settings(POLICIES),
        *rendering.claims(FOREIGN),
        *node_trust.everything(parts(FOREIGN).images["platform"], FOREIGN.registry_address),
    ]


def test_golden() -> None:
    """The difference is the review: `python -m roost.node.installer.tests.test_rendering` writes it anew."""
    assert list(yaml.safe_load_all(GOLDEN.read_text())) == different()


@pytest.mark.parametrize("case", CASES)
def test_the_same_options_give_the_same_and_nothing_twice(case: str) -> None:
    assert rendering.digest(rendered(CASES[case])) == rendering.digest(rendered(CASES[case]))
    names = [identity(item) for item in every(CASES[case])]
    assert len(names) == len(set(names))


def images(options: Options) -> list[tuple[str, str]]:
    found = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "imagePullPolicy" in value:
                found.append((value["image"], value["imagePullPolicy"]))
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(every(options))
    return found


def test_elsewhere_every_image_is_pulled_by_digest_from_the_given_registry() -> None:
    assert images(FOREIGN) and all(
        image.startswith("registry.example.com/roost/") and "@sha256:" in image and policy == "IfNotPresent"
        for image, policy in images(FOREIGN)
    )
    assert all(policy == "Never" for _, policy in images(EMBEDDED))


def test_elsewhere_nothing_is_bound_to_a_node_and_data_is_on_claims() -> None:
    text = json.dumps(every(FOREIGN))
    assert '"nodeSelector":' not in text and '"storageClassName": "fast"' in text
    paths = {
        volume["hostPath"]["path"]
        for item in every(FOREIGN)
        for volume in item.get("spec", {}).get("template", {}).get("spec", {}).get("volumes", [])
        if "hostPath" in volume
    }
    assert paths == {"/etc/containerd/certs.d"}


def test_builders_elsewhere_run_the_image_of_the_given_registry_and_no_other() -> None:
    builds = next(item for item in every(FOREIGN) if item["metadata"]["name"] == "roost-build-pods")
    text = json.dumps(builds)
    assert "^registry[.]example[.]com/roost/buildkit[:@]" in text and "roost[.]internal" not in text


def test_a_class_of_the_cluster_serves_our_gateway() -> None:
    kinds = {item["kind"]: item for item in every(POLICIES)}
    assert kinds["Gateway"]["spec"]["gatewayClassName"] == "cilium" and "GatewayClass" not in kinds
    assert all(item["metadata"]["name"] != "traefik" for item in every(POLICIES))


def test_without_cilium_nothing_of_cilium_is_applied_and_nodes_are_known_by_their_networks() -> None:
    assert not any(item["apiVersion"].startswith("cilium.io") for item in every(POLICIES))
    assert '"cidr": "192.0.2.0/24"' in json.dumps(rendered(POLICIES)[rendering.WALLS])
    assert any(item["apiVersion"].startswith("cilium.io") for item in every(EMBEDDED))


def test_what_serves_applications_stays_when_they_are_left_alone() -> None:
    """Judged over everything that is installed: a new part of the platform is kept unless it is named."""
    gone: set[tuple[str, str]] = set()
    kept: set[tuple[str, str]] = set()
    for phase, items in rendered(FOREIGN).items():
        for item in items:
            (kept if removal.serves(phase, identity(item)) else gone).add((item["kind"], item["metadata"]["name"]))
    for name in ("roost-controller", "roost-api"):
        assert ("Deployment", name) in gone and ("ServiceAccount", name) in gone
    assert {("Namespace", "roost-people"), ("CronJob", "registry-collector"), ("HTTPRoute", "roost-api")} <= gone
    assert {("ClusterRole", "roost-owner"), ("ValidatingAdmissionPolicy", "roost-build-pods")} <= gone
    serving = {("DaemonSet", "traefik"), ("Gateway", "roost"), ("Deployment", "registry"), ("ConfigMap", "registry")}
    serving |= {("ClusterRoleBinding", "roost-gateway"), ("Namespace", "roost-system")}
    serving |= {("DaemonSet", "roost-node-trust"), ("ConfigMap", "roost-node-trust"), ("NetworkPolicy", "default-deny")}
    assert serving | {("PersistentVolumeClaim", "registry"), ("CiliumClusterwideNetworkPolicy", FIRST_WALL)} <= kept
    mounted = {
        volume["configMap"]["name"]
        for item in every(FOREIGN)
        if (item["kind"], item["metadata"]["name"]) in kept and item["kind"] in ("DaemonSet", "Deployment")
        for volume in item["spec"]["template"]["spec"]["volumes"]
        if "configMap" in volume
    }
    assert {("ConfigMap", name) for name in mounted} <= kept


def test_options_come_back_as_they_were_recorded() -> None:
    for options in CASES.values():
        assert Options.read(options.text()) == options
    assert Options.read('{"domain": "a.example", "of_a_later_version": 1}') == Options("a.example")
    for text in ("", "[]", "{}", "null"):
        with pytest.raises((OptionsRefused, AttributeError)):
            Options.read(text)


if __name__ == "__main__":
    GOLDEN.write_text(yaml.safe_dump_all(different(), sort_keys=False))
