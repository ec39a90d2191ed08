"""Every manifest of the platform: bounded, probed, unprivileged, and where not, named with its reason."""

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from roost.capabilities.tenant import roles, walls
from roost.capabilities.tenant.manifests import network as tenant_network
from roost.capabilities.tenant.model import Platform
from roost.kernel import discovery
from roost.model.names import RELEASE
from roost.node.machine import Node
from roost.node.manifests import (
    cilium,
    collector,
    common,
    dns,
    fairness,
    gateway,
    metrics_server,
    network,
    platform,
    registry,
)

NODE = Node("node-a", "192.0.2.7", "eth0")
DISK = common.Disk("node-a", "/r")
FILES = {"jwks.json": "{}", "node-ca.crt": ""}
PLATFORM = platform.Platform(
    "roost.localhost",
    image="roost.internal/platform:1",
    builder_image="roost.internal/buildkit:1",
    scanner_image="roost.internal/scanner:1",
    repositories=common.Disk("node-a", "/g"),
)

AS_ROOT = {"cilium-agent": "loads programs into the kernel"}
WRITABLE = {"cilium-agent": "compiles programs in its own tree"}
ESCALATION = {"cilium-agent": "privileged", "traefik": "its file's capability binds ports 80 and 443"}
HOST_NETWORK = {"cilium", "cilium-operator", "traefik"}


def everything() -> list[dict[str, Any]]:
    return [
        *cilium.everything(NODE, "roost.internal/cilium:1", "roost.internal/cilium-operator:1"),
        *dns.everything("roost.internal/coredns:1"),
        *metrics_server.everything("roost.internal/metrics-server:1", "PEM"),
        *platform.namespaces(),
        *registry.everything("roost.internal/registry:1", DISK, FILES, "10.96.0.50"),
        *gateway.everything(NODE, "roost.internal/traefik:1"),
        *platform.everything(PLATFORM),
        *network.policies(),
        *fairness.everything(),
        *collector.everything("roost.internal/platform:1", DISK),
    ]


def workloads() -> Iterator[Any]:
    for item in everything():
        if item["kind"] in ("Deployment", "DaemonSet", "StatefulSet"):
            yield pytest.param(item, id=item["metadata"]["name"])


def containers() -> Iterator[Any]:
    for parameter in workloads():
        for body in parameter.values[0]["spec"]["template"]["spec"]["containers"]:
            yield pytest.param(body, id=body["name"])


@pytest.mark.parametrize("body", list(containers()))
def test_a_container_is_bounded_and_probed(body: dict[str, Any]) -> None:
    assert {"cpu", "memory"} <= set(body["resources"]["requests"])
    assert "memory" in body["resources"]["limits"]
    assert body["livenessProbe"] and body["readinessProbe"]
    assert body["imagePullPolicy"] == "Never" and body["image"].startswith("roost.internal/")


@pytest.mark.parametrize("body", list(containers()))
def test_a_container_has_no_privilege_that_is_not_named(body: dict[str, Any]) -> None:
    security = body["securityContext"]
    name = body["name"]
    assert bool(security.get("privileged")) == (name in AS_ROOT)
    assert bool(security.get("readOnlyRootFilesystem")) == (name not in WRITABLE)
    assert security.get("allowPrivilegeEscalation", True) == (name in ESCALATION)
    if name not in AS_ROOT:
        assert security["capabilities"]["drop"] == ["ALL"]
        assert set(security["capabilities"].get("add", [])) <= {"NET_BIND_SERVICE"}


@pytest.mark.parametrize("item", list(workloads()))
def test_a_pod_is_nobody_under_seccomp(item: dict[str, Any]) -> None:
    spec = item["spec"]["template"]["spec"]
    names = {body["name"] for body in spec["containers"]}
    if not names & set(AS_ROOT):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert bool(spec.get("hostNetwork")) == (item["metadata"]["name"] in HOST_NETWORK)
    assert spec["serviceAccountName"] != "default" and spec["priorityClassName"].startswith("system-")


@pytest.mark.parametrize("item", list(workloads()))
def test_a_workload_selects_its_own_pods(item: dict[str, Any]) -> None:
    wanted = item["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= item["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("item", list(workloads()))
def test_every_mounted_volume_exists(item: dict[str, Any]) -> None:
    spec = item["spec"]["template"]["spec"]
    held = {volume["name"] for volume in spec.get("volumes", [])}
    assert {mount["name"] for body in spec["containers"] for mount in body.get("volumeMounts", [])} == held


def test_the_sites_mirrors_and_proxy_reach_the_controller_where_there_are_any() -> None:
    site = dataclasses.replace(PLATFORM, mirrors="npm=https://mirror.example.org/npm/", proxy="http://proxy:3128")
    text, plain = (json.dumps(platform.controller(item)) for item in (site, PLATFORM))
    assert '"ROOST_MIRRORS", "value": "npm=https://mirror.example.org/npm/"' in text and "http://proxy:3128" in text
    assert "ROOST_MIRRORS" not in plain and "ROOST_HTTP_PROXY" not in plain


def test_manifests_are_the_same_every_time() -> None:
    assert everything() == everything()


def test_no_object_is_given_twice() -> None:
    names = [(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in everything()]
    assert len(names) == len(set(names))


def test_options_that_are_ignored_when_misspelt_have_their_value() -> None:
    told = cilium.options(NODE)
    assert told["enable-source-ip-verification"] == "true"
    assert told["policy-cidr-match-mode"] == "nodes pods"
    assert told["identity-max-jitter"] == told["identity-change-grace-period"] == "0s"
    assert told["kube-proxy-replacement"] == "true"
    assert told["cgroup-root"] == cilium.CGROUP_ROOT


def test_what_pods_are_not_told_apart_by_stands_in_no_wall() -> None:
    """Cilium would let nothing match it, without a word."""
    left_out = cilium.options(NODE)["labels"]
    assert re.match(left_out.removeprefix("!"), RELEASE)
    assert not re.match(left_out.removeprefix("!"), f"{RELEASE}-command")
    ours = [item for item in everything() if "Policy" in item["kind"]]
    environments = tenant_network.environment_policies("acme", "dev", Platform(cilium=True))
    builds = tenant_network.build_policies("acme", Platform(cilium=True))
    assert ours and environments and builds
    text = json.dumps([*ours, *environments, *builds, *walls.cluster_walls(), walls.between_tenants("acme")])
    assert "matchLabels" in text
    assert RELEASE not in text


def test_nobody_is_believed_unverified() -> None:
    assert "insecureskip" not in json.dumps(everything()).lower()


def test_changed_options_roll_the_agents() -> None:
    assert cilium.checksum(NODE) != cilium.checksum(Node("node-a", "192.0.2.7", "eth1"))


def rules() -> Iterator[dict[str, Any]]:
    fixed = roles.cluster_roles([kind.PLURAL for kind in discovery.kinds()])
    for item in (*everything(), *fixed, *roles.system_bindings()):
        if item["kind"] in ("Role", "ClusterRole"):
            yield from item["rules"]


def test_nobody_may_escalate_or_use_every_verb() -> None:
    for rule in rules():
        assert not {"escalate", "*"} & set(rule["verbs"])
        assert "*" not in rule["apiGroups"]
        if "bind" in rule["verbs"]:
            assert rule["resourceNames"] and all(name.startswith("roost-") for name in rule["resourceNames"])


def test_the_nodes_door_reads_only_and_asks_for_a_certificate() -> None:
    tokens, nodes = registry.configuration(nodes=False), registry.configuration(nodes=True)
    assert nodes["storage"]["maintenance"]["readonly"] == {"enabled": True}
    assert nodes["http"]["tls"]["clientcas"] and "auth" not in nodes
    assert tokens["auth"]["token"]["signingalgorithms"] == ["ES256"]
    assert "clientcas" not in tokens["http"]["tls"]


def test_tenants_routes_meet_listeners_of_their_own() -> None:
    entrance = gateway.entrance("roost.localhost")[-1]
    allowed = {item["name"]: item["allowedRoutes"]["namespaces"]["from"] for item in entrance["spec"]["listeners"]}
    ours = {"api-http": "Same", "api-https": "Same", "ready": "Same"}
    assert allowed == {"http": "Selector", "https": "Selector", **ours}
    parents = platform.route("roost.localhost")["spec"]["parentRefs"]
    assert {parent["sectionName"] for parent in parents} == {"api-http", "api-https"}


def test_nothing_reaches_the_platform_that_is_not_named() -> None:
    first = network.policies()[0]
    assert first["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}


def test_cluster_dns_carries_the_label_that_tenants_policies_name() -> None:
    pods = next(item for item in dns.everything("i") if item["kind"] == "Deployment")["spec"]["template"]
    policy = next(item for item in tenant_network.common("t", "dev", Platform()) if "dns" in item["metadata"]["name"])
    (peer,) = policy["spec"]["egress"][0]["to"]
    assert peer["podSelector"]["matchLabels"].items() <= pods["metadata"]["labels"].items()


def test_a_tenants_requests_queue_apart_from_the_platforms() -> None:
    flows = {item["metadata"]["name"]: item["spec"] for item in fairness.everything() if item["kind"] == "FlowSchema"}
    assert flows["roost-people"]["distinguisherMethod"] == {"type": "ByNamespace"}
    assert flows["roost-platform"]["matchingPrecedence"] < flows["roost-people"]["matchingPrecedence"]


def test_the_collector_reads_names_and_writes_nothing_in_the_cluster() -> None:
    found = collector.everything("roost.internal/platform:1", DISK)
    (rights,) = [item["rules"] for item in found if item["kind"] == "ClusterRole"]
    assert {verb for rule in rights for verb in rule["verbs"]} == {"get", "list"}
    (cron,) = [item["spec"] for item in found if item["kind"] == "CronJob"]
    pod = cron["jobTemplate"]["spec"]["template"]["spec"]
    assert cron["concurrencyPolicy"] == "Forbid" and pod["securityContext"]["runAsNonRoot"] is True
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
