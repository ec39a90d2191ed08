"""More nodes: bundles, what kubeadm is told, addresses that move, what is drained how, what is placed anew."""

import re
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from roost.model.names import REGISTRY
from roost.node import addresses, bundle, daemons, kubeadm, machine, members, pki, prefetch, spread, supervisor
from roost.node.bundle import Bundle, BundleInvalid, Credential

NOW = datetime(2026, 11, 29, tzinfo=UTC)
NODE = machine.Node("one", "10.0.0.11", "eth0", "example.org")
HIGH = machine.with_addresses(NODE, "10.0.0.200", "10.0.0.201")
PAIR = Credential(certificate="c", key="k")


def made(**fields: Any) -> Bundle:
    """A bundle for a worker."""
    values: dict[str, Any] = {
        "name": "two",
        "address": IPv4Address("10.0.0.12"),
        "device": "eth0",
        "domain": "example.org",
        "role": "worker",
        "version": "v1.36.3",
        "server": "https://10.0.0.11:6443",
        "authority": "-----BEGIN CERTIFICATE-----",
        "token": "abcdef.0123456789abcdef",
        "expires": NOW + timedelta(hours=2),
        "images": ("roost.internal/pause:1",),
        "serving": PAIR,
        "registry": PAIR,
        "registry_authority": "-----BEGIN CERTIFICATE-----",
    }
    return Bundle(**{**values, **fields})


def test_a_bundle_is_read_as_it_was_written_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "two.bundle"
    bundle.write(made(), path)
    assert path.stat().st_mode & 0o077 == 0
    assert bundle.read(path.read_text(), NOW) == made()


@pytest.mark.parametrize("text", ["", "{}", "null", '{"name": "two"}', "\x00"])
def test_what_is_no_bundle_is_refused_in_words(text: str) -> None:
    with pytest.raises(BundleInvalid, match="roost node add"):
        bundle.read(text, NOW)


def test_a_bundle_ends(tmp_path: Path) -> None:
    text = made().model_dump_json()
    with pytest.raises(BundleInvalid, match="expired at 2026-11-29 02:00 UTC"):
        bundle.read(text, NOW + timedelta(hours=2))


def test_a_token_may_join_and_nothing_else_and_ends() -> None:
    manifest, token, ends = members.new_token(NOW)
    values = manifest["stringData"]
    assert re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token)
    assert values["expiration"] == "2026-11-29T02:00:00Z" and ends == NOW + timedelta(hours=2)
    assert values["auth-extra-groups"] == "system:bootstrappers:kubeadm:default-node-token"
    assert "usage-bootstrap-signing" not in values
    assert members.new_token(NOW)[1] != token


def test_a_new_node_finds_the_cluster_by_its_file_and_serves_the_api_only_with_a_key() -> None:
    worker = kubeadm.join(NODE, "/x/discovery.conf", "t", "")
    assert worker["discovery"] == {"file": {"kubeConfigPath": "/x/discovery.conf"}, "tlsBootstrapToken": "t"}
    assert "controlPlane" not in worker
    member = kubeadm.join(NODE, "/x/discovery.conf", "t", "k")
    assert member["controlPlane"]["certificateKey"] == "k"
    assert member["controlPlane"]["localAPIEndpoint"]["advertiseAddress"] == "10.0.0.11"


def test_nodes_reach_the_api_where_it_can_move() -> None:
    told = kubeadm.cluster(HIGH, "v1.36.3", "1", "d")
    assert told["controlPlaneEndpoint"] == "10.0.0.200:6443"
    assert {"10.0.0.200", "10.0.0.11"} <= set(told["apiServer"]["certSANs"])
    assert kubeadm.cluster(NODE, "v1.36.3", "1", "d")["controlPlaneEndpoint"] == "10.0.0.11:6443"


@pytest.mark.parametrize("node", [NODE, HIGH])
def test_pods_of_a_lost_node_are_replaced_within_half_a_minute(node: machine.Node) -> None:
    patience = kubeadm.Patience.of(node)
    leader = patience.leader[0] + patience.leader[2] if node.api_address else 0  # Alone, it is lost with its node.
    assert leader + patience.node_s + patience.pods_s <= 27
    assert patience.leader[0] > patience.leader[1] > patience.leader[2]


@pytest.mark.parametrize(
    ("api", "entry", "words"),
    [
        ("10.0.0.11", "", "this machine's own"),
        ("", "10.0.0.11", "this machine's own"),
        ("api.example.org", "", "no IPv4 address"),
        ("10.0.0.9", "10.0.0.9", "two free addresses"),
    ],
)
def test_an_address_that_cannot_move_is_refused(api: str, entry: str, words: str) -> None:
    with pytest.raises(machine.MachineUnfit, match=words):
        machine.with_addresses(NODE, api, entry)


def test_addresses_are_held_only_by_nodes_that_serve() -> None:
    text = addresses.configuration(HIGH, control_plane=True)
    assert text.count("vrrp_instance") == 2 and "mcast_src_ip 10.0.0.11" in text and "nopreempt" in text
    assert text.count("init_fail") == 2  # Before its first check a node holds nothing.
    assert "vrrp_instance api" not in addresses.configuration(HIGH, control_plane=False)
    assert len({addresses.priority(f"10.0.0.{last}") for last in range(11, 20)}) == 9
    assert all(1 <= addresses.priority(f"10.0.0.{last}") <= 254 for last in range(256))


def test_the_gateways_check_waits_for_requests_under_way_before_the_address_goes() -> None:
    script = addresses.gateway_check("10.0.0.201")
    hold, wait, give_up = script.index("syn drop"), script.index("$(under_way)"), script.index("exit 1")
    assert hold < wait < give_up


def deployment(name: str, replicas: int, **spec: Any) -> dict[str, Any]:
    """A Deployment, as far as it matters here."""
    return {
        "metadata": {"namespace": "n", "name": name},
        "spec": {"replicas": replicas, "template": {"spec": spec}},
    }


def pod(name: str, node: str) -> dict[str, Any]:
    """A pod of a Deployment."""
    owner = {"kind": "ReplicaSet", "name": f"{name}-abc123"}
    labels = {"app.kubernetes.io/name": name}
    return {
        "metadata": {"namespace": "n", "name": f"{name}-x", "labels": labels, "ownerReferences": [owner]},
        "spec": {"nodeName": node},
    }


def test_only_what_has_one_replica_is_started_elsewhere_before_it_goes() -> None:
    pinned = deployment("registry", 1, nodeSelector={"kubernetes.io/hostname": "one"})
    every = [deployment("web", 1), deployment("api", 2), deployment("other", 1), pinned]
    here = [pod("web", "one"), pod("api", "one"), pod("registry", "one")]
    assert members.singles(every, here) == [("n", "web")]
    every[0]["metadata"]["labels"] = {"roost.dev/app": "shop"}
    assert members.singles(every, here) == [], "the controller moves applications"


def test_only_replicas_that_share_a_node_are_placed_anew() -> None:
    every = [deployment("together", 2), deployment("apart", 2), deployment("single", 1)]
    pods = [pod("together", "one"), pod("together", "one"), pod("apart", "one"), pod("apart", "two")]
    assert spread.together(every, [*pods, pod("single", "one")]) == [("n", "together")]


def test_images_of_instances_are_fetched_and_others_not() -> None:
    def runs(image: str, replicas: int = 1) -> dict[str, Any]:
        return deployment("web", replicas, containers=[{"image": image}])

    ours = f"{REGISTRY}/shop/web@sha256:0"
    every = [runs(ours), runs(f"{REGISTRY}/old@sha256:1", replicas=0), runs("roost.internal/platform:1"), runs(ours)]
    assert prefetch.wanted(every) == {ours}


def test_a_certificate_names_an_address_or_not() -> None:
    signer = pki.authority("a", NOW)
    held = pki.leaf(signer, "x", ("10.0.0.11", "one"), NOW)
    assert pki.names_address(held, "10.0.0.11") and pki.names_address(held, "one")
    assert not pki.names_address(held, "10.0.0.200")


def test_what_runs_by_the_clock_is_no_failure_when_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "RUN", tmp_path)
    monkeypatch.setattr(machine, "LOGS", tmp_path)
    keeper = supervisor.Keeper(daemons.Daemon("tend", ("true",), every_s=300.0))
    for now in (0.0, 300.0):
        assert keeper.start(now)
        keeper.dead(now)
        assert keeper.deaths == 0 and keeper.not_before == now + 300.0
        assert not keeper.start(now + 299.0)
