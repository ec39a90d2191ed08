"""A scratch cluster with many Apps. P3, P4 and P5 use it; nothing of the machine's own cluster is touched.

kube-apiserver and etcd as the integration tests start them; on top of these, where asked for, the controller manager,
the scheduler, and nodes and pods by kwok, which run nothing. No admission policies and no quotas: both sides of a
comparison lack them. `kube-writer` (engine/kwok) sends prepared requests and does nothing else.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from tests.integration import apiserver
from tests.integration.apiserver import ApiServer

from roost.capabilities.app.model import Observed, SeenRelease
from roost.capabilities.app.plan import plan
from roost.kernel.applied import Owner, dress
from roost.kube.client import APPLY, MERGE, Client
from roost.model.kinds.app import App, AppSpec, Artefact, Health, Process, Variable
from roost.model.names import API_VERSION, DEPLOYER, ENVIRONMENT, TENANT
from roost.node import engine

PER_TENANT = 100
NODES = 20
KINDS = (  # What the app capability watches, with the selector that it uses.
    (API_VERSION, "App", ""),
    (API_VERSION, "Release", ""),
    ("apps/v1", "Deployment", "roost.dev/app"),
    ("batch/v1", "Job", "roost.dev/app"),
    ("v1", "Pod", "roost.dev/app"),
    ("v1", "Service", "roost.dev/app"),
    ("policy/v1", "PodDisruptionBudget", "roost.dev/app"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute", "roost.dev/app"),
)
PATHS = {
    "App": "apis/roost.dev/v1alpha1/namespaces/{space}/apps",
    "Release": "apis/roost.dev/v1alpha1/namespaces/{space}/releases",
    "Deployment": "apis/apps/v1/namespaces/{space}/deployments",
    "Service": "api/v1/namespaces/{space}/services",
    "HTTPRoute": "apis/gateway.networking.k8s.io/v1/namespaces/{space}/httproutes",
    "Pod": "api/v1/namespaces/{space}/pods",
    "ServiceAccount": "api/v1/namespaces/{space}/serviceaccounts",
    "Namespace": "api/v1/namespaces",
    "Node": "api/v1/nodes",
    "ClusterRoleBinding": "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}
Object = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One request for kube-writer; those of one group go in order."""

    group: str
    method: str
    path: str
    type: str
    body: Object
    user: str = ""


def create(item: Object, group: str, user: str = "") -> Request:
    """POST of an object."""
    path = PATHS[item["kind"]].format(space=item["metadata"].get("namespace", ""))
    return Request(group, "POST", f"/{path}?fieldManager=roost-app", "application/json", item, user)


def apply(item: Object, group: str) -> Request:
    """Server-side apply by the environment's deployer, as the controller does it."""
    space, name = item["metadata"]["namespace"], item["metadata"]["name"]
    path = f"/{PATHS[item['kind']].format(space=space)}/{name}?fieldManager=roost-app&force=true"
    return Request(group, "PATCH", path, APPLY, item, f"system:serviceaccount:{space}:{DEPLOYER}")


def status(item: Object, fields: Object, group: str) -> Request:
    """A merge patch of an object's status."""
    space, name = item["metadata"]["namespace"], item["metadata"]["name"]
    path = f"/{PATHS[item['kind']].format(space=space)}/{name}/status?fieldManager=roost-app"
    return Request(group, "PATCH", path, MERGE, {"status": fields})


class Cluster:
    """A scratch cluster that runs."""

    def __init__(self, server: ApiServer, programs: engine.Engine) -> None:
        self.server = server
        self._programs = programs

    def write(self, requests: Iterable[Request], workers: int = 32) -> dict[str, Any]:
        """Send them by kube-writer: writes, seconds, CPU seconds. CalledProcessError when one is refused."""
        with tempfile.NamedTemporaryFile("wb", suffix=".jsonl") as file:
            for request in requests:
                file.write(msgspec.json.encode(vars(request)) + b"\n")
            file.flush()
            server = self.server
            command = [str(self._programs.path("kube-writer")), "-server", server.url, "-token", server.token]
            command += ["-authority", str(server.authority), "-workers", str(workers), file.name]
            done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"kube-writer: {done.stderr}{done.stdout}")
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def controller(self, *arguments: str) -> "Controller":
        """Roost's controller with the app capability, as a process of its own (bench.controller)."""
        command = [sys.executable, "-m", "bench.controller", str(self.server.kubeconfig), *arguments]
        return Controller(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))

    def run_pods(self) -> None:
        """Start what makes Deployments pods, gives them nodes and says that they run."""
        config = str(self.server.kubeconfig)
        fast = ["--kube-api-qps=2000", "--kube-api-burst=4000", "--leader-elect=false", "--secure-port=0"]
        controllers = "deployment-controller,replicaset-controller,serviceaccount-controller,node-lifecycle-controller"
        self.server.commands |= {
            "kube-controller-manager": [
                str(self._programs.path("kube-controller-manager")),
                f"--kubeconfig={config}",
                f"--controllers={controllers}",
                *fast,
            ],
            "kube-scheduler": [str(self._programs.path("kube-scheduler")), f"--kubeconfig={config}", *fast],
            "kwok": [str(self._programs.path("kwok")), f"--kubeconfig={config}", "--manage-all-nodes=true"],
        }
        self.write(create(_node(number), "node") for number in range(NODES))
        for name in ("kube-controller-manager", "kube-scheduler", "kwok"):
            self.server.start(name)


@dataclass
class Controller:
    """A controller process. `line`: the next thing that it says; `stop`: end it."""

    process: "subprocess.Popen[str]"

    def line(self) -> dict[str, Any]:
        """One JSON object of its output."""
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        if not text:
            raise RuntimeError(f"The controller ended with {self.process.wait()}.")
        told: dict[str, Any] = json.loads(text)
        return told

    def stop(self) -> float:
        """Stop it; its CPU seconds in all."""
        self.process.terminate()
        _, _, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = 0
        return usage.ru_utime + usage.ru_stime


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A scratch cluster, gone afterwards."""
    programs = engine.build([*apiserver.COMPONENTS, "kwok"])
    # A watch of all objects by every program: more files than a shell's usual limit.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = apiserver.start()
    try:
        yield Cluster(server, programs)
    finally:
        server.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Objects


def places(number: int) -> list[tuple[str, str]]:
    """(tenant, name) of so many Apps: a hundred in each tenant's one environment."""
    return [(f"bench{index // PER_TENANT}", f"app-{index}") for index in range(number)]


def grounds(number: int) -> Iterator[Request]:
    """Namespaces of the tenants and the deployers' rights."""
    for tenant in dict.fromkeys(tenant for tenant, _ in places(number)):
        labels = {TENANT: tenant, ENVIRONMENT: "dev"}
        space = f"{tenant}-dev"
        yield create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space, "labels": labels}}, tenant)
        for name in (DEPLOYER, "default"):
            meta = {"name": name, "namespace": space}
            yield create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}, tenant)
    rbac = "rbac.authorization.k8s.io"
    yield create(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "bench"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": rbac, "kind": "Group", "name": "system:serviceaccounts"}],
        },
        "rights",
    )


def apps(number: int) -> Iterator[Request]:
    """The Apps."""
    for index, (tenant, name) in enumerate(places(number)):
        image = f"registry.roost-system.svc:5000/{tenant}/{name}@sha256:{index:064x}"
        spec = AppSpec(
            artefact=Artefact(image=image, commit=f"{index:040x}", run=f"{name}-1-abcdef"),
            processes=(Process(name="web", port=8000, health=Health(path="/healthz")),),
            config=(
                Variable(name="LOG_LEVEL", value="info"),
                Variable(name="PUBLIC_URL", value=f"https://{name}.example.org"),
                Variable(name="WORKERS", value="2"),
            ),
        )
        yield create(App.manifest(name, spec, f"{tenant}-dev"), name)


def children(items: Iterable[Object]) -> Iterator[list[Object]]:
    """[Release, Deployment, Service, HTTPRoute] of each App, by the plan itself, as the controller sends them."""
    now = datetime.now(UTC)
    for item in items:
        app = App.parse(item)
        tenant = item["metadata"]["namespace"].removesuffix("-dev")
        first = plan(app, Observed(tenant=tenant, environment="dev"), now)
        made = dress(first.apply[0].manifest, "app", None)
        seen = SeenRelease(
            number=1, name=made["metadata"]["name"], digest=made["spec"]["digest"], content=app.spec, made=now
        )
        second = plan(app, Observed(tenant=tenant, environment="dev", releases=(seen,)), now)
        yield [made, *(dress(entry.manifest, "app", Owner.of(item)) for entry in second.apply)]


def running(deployment: Object) -> Object:
    """A pod of a Deployment, as it would stand."""
    template, meta = deployment["spec"]["template"], deployment["metadata"]
    named = {**template["metadata"], "name": f"{meta['name']}-5d8f7c9b4-x2x7k", "namespace": meta["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": template["spec"]}


def runs(pod: Object) -> Object:
    """The status of a pod that is ready."""
    now = "2026-11-28T12:00:00Z"
    ready = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in ("PodScheduled", "Ready")]
    first = pod["spec"]["containers"][0]
    told = {"name": first["name"], "image": first["image"], "imageID": first["image"], "restartCount": 0}
    told |= {"ready": True, "started": True, "state": {"running": {"startedAt": now}}}
    return {"phase": "Running", "podIP": "10.0.0.1", "startTime": now, "conditions": ready, "containerStatuses": [told]}


def _node(number: int) -> Object:
    size = {"cpu": "1000", "memory": "1Ti", "pods": "2000"}
    meta = {"name": f"kwok-{number}", "annotations": {"kwok.x-k8s.io/node": "fake"}}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {**meta, "labels": {"kubernetes.io/hostname": f"kwok-{number}", "kubernetes.io/os": "linux"}},
        "status": {"allocatable": size, "capacity": size},
    }


async def listed(client: Client, kind: str) -> list[Object]:
    """All objects of a kind that the benchmark uses, as they are."""
    version, _, labels = next(entry for entry in KINDS if entry[1] == kind)
    return await client.list(version, kind, None, labels)
