"""Three nodes that all serve the control plane: draining and losing one under load, coming back, leaving, restoring.

The cases run in this order on one cluster; each starts when the one before has left it well.
"""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from roost.node.demo import APP
from tests.nodes.conftest import HOST, SPACE, Cluster, Writer, until
from tests.nodes.load import Load, failed, outage_s, told

pytestmark = [pytest.mark.full, pytest.mark.timeout(2400)]

OUTAGE_S = 5.0
BACK_S = 30.0


@pytest.fixture(autouse=True)
def well(three: Cluster) -> None:
    """Every case begins with three nodes, each with what it should run."""
    until("three ready nodes", lambda: len(three.ready()) == 3, 300)
    until("a well system", three.all_well, 300)
    until("an entry address", lambda: three.holder(three.entry) is not None, 60)


def members(cluster: Cluster) -> set[str]:
    """Names of etcd's members."""
    pods = cluster.get("pods", "-n", "kube-system", "-l", "component=etcd")["items"]
    return {pod["spec"]["nodeName"] for pod in pods}


def test_three_nodes_serve_the_api_and_share_the_platform(three: Cluster) -> None:
    assert members(three) == set(three.bed.hosts)
    assert three.holder(three.api) is not None
    server = three.kubectl("config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.server}", host="three-3")
    assert server == f"https://{three.api}:6443"
    for name in ("roost-api", "roost-controller"):
        pods = three.get("pods", "-n", "roost-system", "-l", f"app.kubernetes.io/name={name}")["items"]
        assert len({pod["spec"]["nodeName"] for pod in pods}) > 1


def test_a_drained_node_fails_no_request(three: Cluster) -> None:
    """One instance only, on the node that also holds the entry address: all that can move, moves."""
    three.scale(1)
    (node,) = three.serving().values()
    load = Load(three.entry, HOST, rate=30).start()
    time.sleep(3)
    holder = three.holder(three.entry)
    assert holder is not None
    for victim in dict.fromkeys([node, holder]):
        three.node(three.living(but=victim), "drain", victim)
        three.node(three.living(but=victim), "undrain", victim)
    time.sleep(5)
    samples = load.stop()
    print(told(samples))
    assert len(samples) > 200
    assert not failed(samples), told(samples)
    assert three.holder(three.entry) not in (None, holder)


def course(cluster: Cluster, victim: str, cut: datetime) -> str:
    """What the cluster did when about a node that is gone: seconds after the cut."""

    def after(time: str) -> str:
        return f"{(datetime.fromisoformat(time) - cut).total_seconds():.0f}"

    node = cluster.get("node", victim)
    taints = [item.get("timeAdded", "") for item in node["spec"].get("taints", []) if item["effect"] == "NoExecute"]
    said = [f"tainted {', '.join(map(after, filter(None, taints)))}"]
    for pod in cluster.get("pods", "-n", SPACE)["items"]:
        made = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
        if made > cut:
            changed = {item["type"]: after(item["lastTransitionTime"]) for item in pod["status"].get("conditions", [])}
            steps = " ".join(f"{name} {changed.get(name, '-')}" for name in ("PodScheduled", "Initialized", "Ready"))
            said.append(f"{pod['metadata']['name']} made {after(pod['metadata']['creationTimestamp'])} {steps}")
    return "; ".join(said)


def test_what_is_alone_moves_before_kubectl_drain_gets_it(three: Cluster) -> None:
    """Nobody of ours drains: kubectl does, which evicts at once. The eviction is refused until another one serves."""
    three.scale(1)
    ((pod, node),) = three.serving().items()
    other = three.living(but=node)
    load = Load(three.entry, HOST, rate=30).start()
    try:
        options = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=100s", "--request-timeout=0")
        three.kubectl("drain", node, f"--pod-selector=roost.dev/app={APP}", *options, host=other)
        assert pod not in three.serving()
        assert node not in three.serving().values()
    finally:
        three.kubectl("uncordon", node, host=other)
    until("one instance", lambda: len(three.serving()) == 1, 60)
    samples = load.stop()
    print(told(samples))
    assert len(samples) > 100
    assert not failed(samples), told(samples)


def lose(cluster: Cluster, victim: str, notes: Path) -> None:
    """Cut a node's power under load and while objects are written: what is lost, and for how long."""
    cluster.scale(1)
    cluster.scale(3)  # One on each node.
    assert victim in cluster.serving().values()
    survivor = cluster.living(but=victim)
    load = Load(cluster.entry, HOST, rate=30).start()
    writer = Writer(cluster, survivor, notes / f"{victim}.acknowledged")
    time.sleep(5)
    cut = datetime.now(UTC)
    cluster.bed.cut(victim)
    living = set(cluster.bed.hosts) - {victim}

    def back() -> bool:
        return sum(node in living for node in cluster.serving().values()) >= 3

    took = until("three instances elsewhere", back, 90)
    time.sleep(max(0.0, 20 - took))
    samples, written = load.stop(), writer.stop()
    held = {item["metadata"]["name"] for item in cluster.get("configmaps", "-n", "default")["items"]}
    print(f"{victim}: {told(samples)}; outage {outage_s(samples):.1f} s; instances back after {took:.1f} s; ", end="")
    print(f"{len(written)} writes acknowledged; {course(cluster, victim, cut)}")
    assert written and set(written) <= held
    assert outage_s(samples) <= OUTAGE_S, told(samples)
    assert took <= BACK_S
    cluster.kubectl("delete", "configmaps", "-n", "default", *written, "--wait=false")


def come_back(cluster: Cluster, host: str) -> None:
    """The power is back."""
    cluster.bed.start(host)
    cluster.node(host, "up")
    until(f"{host} to be ready", lambda: host in cluster.ready(), 120)


def test_losing_the_node_that_holds_the_entry_address(three: Cluster, tmp_path: Path) -> None:
    victim = three.holder(three.entry)
    assert victim is not None
    try:
        lose(three, victim, tmp_path)
    finally:
        come_back(three, victim)


def test_losing_the_node_that_holds_the_apis_address(three: Cluster, tmp_path: Path) -> None:
    victim = three.holder(three.api)
    assert victim is not None
    try:
        lose(three, victim, tmp_path)
    finally:
        come_back(three, victim)


def test_certificates_are_signed_anew_while_everything_goes_on(three: Cluster) -> None:
    load = Load(three.entry, HOST, rate=10).start()
    path = "/etc/kubernetes/pki/apiserver-kubelet-client.crt"
    before = three.bed.read("three-2", path)
    assert "the control plane's" in three.node("three-2", "renew")
    assert three.bed.read("three-2", path) != before
    until("the node with new certificates", lambda: "three-2" in three.ready(), 60)
    samples = load.stop()
    assert not failed(samples), told(samples)
    assert three.kubectl("get", "--raw", "/readyz", host="three-2") == "ok"


def test_a_node_leaves_and_comes_back_as_a_worker(three: Cluster, tmp_path: Path) -> None:
    load = Load(three.entry, HOST, rate=10).start()
    three.node("three-1", "remove", "three-3")
    until("the end of the node", lambda: len(three.get("nodes")["items"]) == 2, 60)
    samples = load.stop()
    assert not failed(samples), told(samples)
    assert "as it was before" in three.node("three-3", "wipe", "--yes")
    three.join("three-3", tmp_path)
    until("three ready nodes", lambda: len(three.ready()) == 3, 120)
    assert members(three) == {"three-1", "three-2"}


def test_a_snapshot_is_restored_while_instances_go_on(three: Cluster, tmp_path: Path) -> None:
    snapshot = tmp_path / "cluster.snapshot"
    three.kubectl("create", "configmap", "before", "-n", SPACE)
    three.node("three-1", "snapshot", str(snapshot))
    assert snapshot.stat().st_mode & 0o077 == 0
    three.kubectl("create", "configmap", "after", "-n", SPACE)
    three.kubectl("delete", "configmap", "before", "-n", SPACE)
    load = Load(three.entry, HOST, rate=10).start()
    three.node("three-1", "restore", str(snapshot), "--yes")
    samples = load.stop()
    found = three.kubectl("get", "configmaps", "-n", SPACE, "-o", "name", host="three-1")
    assert "configmap/before" in found and "configmap/after" not in found
    three.node("three-1", "remove", "three-2", "--gone")
    assert outage_s(samples) <= OUTAGE_S, told(samples)
