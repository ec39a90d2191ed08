"""The steps of `roost node up`, each idempotent, each returning a few words on what it did. `up` runs them in order."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2
import yaml

from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node import (
    addresses,
    bases,
    cgroups,
    control_plane,
    daemons,
    engine,
    images,
    install,
    machine,
    paths,
    prepare,
    runtime,
    supervisor,
    teardown,
    tend,
    trust,
)
from roost.node.engine import Engine
from roost.node.images import Image, Images
from roost.node.installer import deploy, record, rendering
from roost.node.installer.options import DRAIN, IMAGES, Options
from roost.node.installer.record import Installation
from roost.node.kubectl import Kubectl, describe_pods, wait_until, workload_ready
from roost.node.machine import Node
from roost.node.manifests import (
    cilium,
    common,
    dns,
    gateway,
    metrics_server,
    platform,
    registry,
)
from roost.node.pki import write_private
from roost.node.trust import Trust

DEMO_BASE = "base-python-3.13"
CONTROL_PLANE_IMAGES = ("pause", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
SYSTEM_WORKLOADS = (("daemonset", "cilium"), ("deployment", "cilium-operator"), ("deployment", "coredns"))
REGISTRY_DATA = machine.STATE / "registry"
REPOSITORIES = machine.STATE / "git"


@dataclass
class Run:
    """What one `up` knows; filled step by step."""

    node: Node
    kubectl: Kubectl = field(default_factory=Kubectl)
    engine: Engine | None = None
    images: Images | None = None
    trust: Trust | None = None
    importing: Future[list[str]] | None = None  # Images that are still being preloaded.
    password: str | None = None  # Of the administrator, when it was made just now.
    changed: set[str] = field(default_factory=set)  # Programs that were replaced.
    held: Installation | None = None  # What was installed before.
    control_plane: bool = True  # Whether this node serves the API.

    def image(self, name: str) -> str:
        """The reference of an image of ours."""
        assert self.images is not None
        return self.images.ref(name)

    @property
    def options(self) -> Options:
        """What an installation on the embedded cluster decides."""
        return Options(
            domain=self.node.domain,
            embedded=True,
            node=self.node.name,
            address=self.node.entry,
            registry_address=machine.REGISTRY_ADDRESS,
            mirrors=os.environ.get("ROOST_MIRRORS", ""),
            proxy=os.environ.get("ROOST_HTTP_PROXY", ""),
            advisories=os.environ.get("ROOST_ADVISORIES", ""),
            kubernetes_url=f"https://{self.node.endpoint}:{machine.API_PORT}",
        )

    @cached_property
    def kinds(self) -> list[dict[str, Any]]:
        """Definitions of kinds: the Gateway API's and ours."""
        assert self.engine is not None
        return platform_kinds(self.engine)

    @cached_property
    def installation(self) -> Installation:
        """The platform as it is to be installed."""
        assert self.trust is not None
        own = {name: self.image(name) for name in (*IMAGES, DRAIN)}
        parts = rendering.Parts(own, self.kinds, self.trust.registry_files)
        disks = rendering.Disks(*(common.Disk(self.node.name, str(path)) for path in (REGISTRY_DATA, REPOSITORIES)))
        return Installation(record.own_version(), self.options, own, rendering.phases(self.options, parts, disks))


def compile_engine(run: Run) -> str:
    """The engine's programs, from the cache or compiled."""
    run.engine = engine.build()
    return f"Kubernetes {run.engine.version('kubernetes')}"


def make_images(run: Run) -> str:
    """Every image, from the cache or made."""
    assert run.engine is not None
    run.images = images.build(run.engine)
    return f"{len(run.images.images)} images"


def prepare_machine(run: Run) -> str:
    """The machine, and the volumes that only the first node has."""
    done = prepare_host(run)
    for path in (REGISTRY_DATA, REPOSITORIES):
        volume(path)
    return done


def prepare_host(run: Run) -> str:
    """Control groups, mounts, kernel settings; after a power cut first what was left over."""
    cold = supervisor.running() is None and teardown.needed(supervisor.STOP.exists())
    left = cold and teardown.leftovers()
    if cold:
        runtime.stop()
        teardown.everything()
    prepare.machine_for_pods()
    write_private(machine.DOMAIN, run.node.domain)
    return "cleared what an earlier run left" if left else ""


def volume(path: Path) -> None:
    """A directory on this node that a pod of the platform owns."""
    path.mkdir(parents=True, exist_ok=True, mode=0o750)
    if path.stat().st_uid != machine.PLATFORM_UID:
        os.chown(path, machine.PLATFORM_UID, machine.PLATFORM_UID)


def start_runtime(run: Run) -> str:
    """containerd under the supervisor."""
    assert run.engine is not None
    run.changed = install.programs(run.engine)
    stale = install.containerd_files(run.image("pause")) or "containerd" in run.changed
    stale = stale and supervisor.running() is not None
    wanted = addresses.wanted(run.node)
    moved = wanted and addresses.write(run.node, run.control_plane)
    more = [addresses.daemon()] if wanted else []
    more += [tend.daemon()] if run.control_plane else []
    runtime.keep((daemons.containerd(), daemons.kubelet(run.node), *more))
    if stale:
        runtime.restart("containerd")
    if moved:
        runtime.restart("addresses")
    wait_until("containerd", runtime.containerd_answers, within_s=60, explain=lambda: tail("containerd"))
    return f"{len(run.changed)} programs renewed" if run.changed else ""


def tail(name: str, lines: int = 8) -> str:
    """The end of a daemon's log."""
    path = machine.LOGS / f"{name}.log"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""


def preload_images(run: Run) -> str:
    """The control plane's images into containerd; the others follow while it starts."""
    assert run.images is not None
    pods = [image for image in run.images.images.values() if not image.offered]
    first = [image for image in pods if image.name in CONTROL_PLANE_IMAGES]
    done = install.preload(first)
    pool = ThreadPoolExecutor(1)
    run.importing = pool.submit(install.preload, [image for image in pods if image not in first])
    pool.shutdown(wait=False)
    return f"{len(done)} imported" if done else ""


def start_control_plane(run: Run) -> str:
    """kubeadm, then wait for the API. What an interrupted one left is cleared first: its pods hold the ports."""
    assert run.engine is not None
    if control_plane.half_made():
        if run.importing is not None:
            run.importing.result()
        runtime.stop()
        teardown.everything()
        control_plane.forget_half()
        prepare.machine_for_pods()
        start_runtime(run)
    version = run.engine.version("kubernetes")
    done = control_plane.start(run.node, version, run.image("etcd").rsplit(":", 1)[1])
    if done == "updated" or (done == "unchanged" and "kubelet" in run.changed):
        runtime.restart("kubelet")
    return done


def crds(folder: Path) -> list[dict[str, Any]]:
    """Every document of the YAML files in a folder."""
    return [item for path in sorted(folder.glob("*.yaml")) for item in yaml.safe_load_all(path.read_text()) if item]


def platform_kinds(built: Engine) -> list[dict[str, Any]]:
    """Definitions of kinds: the Gateway API's and ours."""
    found = [*crds(built.component_dir("gateway-api") / "crds"), *crds(paths.source() / "deploy" / "crds")]
    return [item for item in found if item["kind"] == "CustomResourceDefinition"]


def apply_foundation(run: Run) -> str:
    """Network, DNS, namespaces, kinds: all that the rest stands on, in one go."""
    assert run.engine is not None
    # First of all: Kubernetes looks for new kinds to count only every half minute, and what it does not count yet is
    # refused wherever a quota names it.
    deploy.apply_kinds(run.kubectl, run.kinds)
    if run.importing is not None:
        run.importing.result()
    replicas = 2 if len(run.kubectl.list("nodes")) > 1 else 1
    run.kubectl.apply_patiently(
        [
            *cilium.everything(run.node, run.image("cilium"), run.image("cilium-operator"), replicas),
            *dns.everything(run.image("coredns"), replicas),
            *platform.namespaces(),
        ]
    )
    return ""


def establish_trust(run: Run) -> str:
    """Authorities, certificates, shared secrets."""
    now = datetime.now(UTC)
    outside = trust.machines_bundle()
    run.trust = trust.establish(run.kubectl, run.node.domain, [machine.REGISTRY_ADDRESS], outside, now)
    trust.node_certificate(run.node.name, run.trust.authority, run.trust.node_authority, now)
    trust.metrics_certificate(run.kubectl, run.trust.authority, now)
    trust.view_certificates(run.kubectl, run.trust.authority, now)
    return ""


def apply_platform(run: Run) -> str:
    """Metrics, registry, gateway, roles, and Roost itself. They start while the network still comes up."""
    assert run.trust is not None
    metrics = metrics_server.everything(run.image("metrics-server"), run.trust.authority.certificate)
    run.kubectl.apply_patiently(metrics)
    run.held = deploy.begin(run.kubectl, run.installation)
    deploy.apply(run.kubectl, run.installation, rendering.RIGHTS, rendering.WORKLOADS)
    return ""


def agent_healthy() -> bool:
    """Whether Cilium's agent on this node says that it is well."""
    try:
        answer = httpx2.get(f"http://127.0.0.1:{cilium.HEALTH_PORT}/healthz", headers={"brief": "true"}, timeout=3)
    except httpx2.HTTPError:
        return False
    return answer.status_code == 200


def node_ready(run: Run) -> bool:
    """Whether the node takes pods."""
    found = run.kubectl.get("node", run.node.name) or {}
    conditions = found.get("status", {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def nudge_containerd() -> None:
    """Move the CNI configuration into place again: containerd can miss it when the agent writes it."""
    path = machine.CNI_CONFIG / cilium.CNI_CONFIG
    if path.exists():
        fresh = path.with_name(f".{path.name}.again")
        fresh.write_bytes(path.read_bytes())
        fresh.rename(path)


def wait_until_ready(run: Run, explain: Callable[[], str]) -> None:
    """Wait until the node takes pods; containerd is told again of its network until it heeds it."""
    nudged = time.monotonic()

    def ready() -> bool:
        nonlocal nudged
        if node_ready(run):
            return True
        if time.monotonic() - nudged > 4:
            nudge_containerd()
            nudged = time.monotonic()
        return False

    wait_until("The node", ready, within_s=120, explain=explain)


def wait_for_network(run: Run) -> str:
    """The agent is well, the node is ready, cluster DNS answers; then the rules that no tenant can widen."""

    def explain() -> str:
        return describe_pods(run.kubectl, common.SYSTEM)

    wait_until("Cilium's agent", agent_healthy, within_s=240, explain=explain)
    wait_until_ready(run, explain)
    for kind, name in SYSTEM_WORKLOADS:
        wait_for(run, kind, name, common.SYSTEM)
    deploy.apply(run.kubectl, run.installation, rendering.WALLS)
    return ""


def wait_for(run: Run, kind: str, name: str, namespace: str, within_s: float = 180) -> None:
    """Wait until a workload runs as it should. NotReady says which pods do not, and why."""

    def ready() -> bool:
        found = run.kubectl.get(kind, name, namespace)
        return found is not None and workload_ready(found)

    wait_until(f"{kind} {name}", ready, within_s, lambda: describe_pods(run.kubectl, namespace))


def wait_for_registry(run: Run) -> str:
    """The registry serves; the base that the demo runs on is in it."""
    assert run.images is not None
    wait_for(run, "deployment", registry.NAME, HERE)
    return push_bases(run, [run.images.images[DEMO_BASE]])


def offer_bases(run: Run) -> str:
    """All other bases that tenants may build on; the demo does not wait for them."""
    assert run.images is not None
    return push_bases(run, [image for image in run.images.images.values() if image.offered])


def push_bases(run: Run, offered: Sequence[Image]) -> str:
    """Push those that the registry lacks."""
    assert run.trust is not None
    pairs = [(image.archive, image.offered) for image in offered]
    pushed = bases.push(pairs, run.trust.token_key, cgroups.hierarchies().host)
    return f"{len(pushed)} bases offered" if pushed else ""


def wait_for_platform(run: Run) -> str:
    """Gateway, controller, API and git server serve."""
    wait_for(run, "daemonset", gateway.NAME, HERE)
    for kind, name in (
        ("deployment", platform.CONTROLLER),
        ("deployment", platform.API),
        ("statefulset", platform.GIT),
    ):
        wait_for(run, kind, name, HERE)
    # After a power cut the stored states are those of before; an answer is not.
    host = f"api.{run.node.domain}"
    wait_until(
        f"The API at {host}", lambda: gateway_answers(host, "/readyz"), 120, lambda: describe_pods(run.kubectl, HERE)
    )
    deploy.finish(run.kubectl, run.held, run.installation)
    before = record.read(run.kubectl, record.BEFORE)  # Its images stay, for the way back.
    wanted = [image.reference for image in (run.images.images.values() if run.images else ())]
    install.forget_old([*wanted, *(before.images.values() if before else ())])
    return ""


def gateway_answers(host: str, path: str = "/") -> bool:
    """Whether the gateway of this machine answers for a host name with success; no resolver is asked."""
    try:
        answer = httpx2.get(f"http://127.0.0.1{path}", headers={"Host": host}, timeout=5, trust_env=False)
    except httpx2.HTTPError:
        return False
    return answer.status_code == 200
