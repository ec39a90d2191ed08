"""A real kube-apiserver with its etcd for tests, from the engine's cache; `conftest` offers it as a fixture.

RBAC, the usual admission (also ValidatingAdmissionPolicy and OwnerReferencesPermissionEnforcement), no anonymous
access, an audit log of all writes, Roost's CRDs and the Gateway API's. There is no controller manager: namespaces are
never emptied, nothing is garbage-collected, Deployments make no pods.

Programs die with the test process (parent-death signal); folders of killed earlier runs are removed at the start.
"""

import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import yaml

from roost.kube.client import Client
from roost.node import engine, pki

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "roost-test-apiserver-"
COMPONENTS = ["etcd", "kubernetes", "gateway-api"]
START_S = 180.0  # On a machine that is busy with much else; alone it takes 10.
ADMISSION = "NodeRestriction,OwnerReferencesPermissionEnforcement"
AUDIT = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    verbs: [create, update, patch, delete, deletecollection]
  - level: None
"""


class Write(NamedTuple):
    """One kind of write in the audit log; `resource` is e.g. `apps.roost.dev` or `apps.roost.dev/status`."""

    verb: str
    resource: str
    agent: str


@dataclass
class ApiServer:
    """A running kube-apiserver. `url`, `token` and `authority` (a file) belong to the cluster's administrator."""

    folder: Path
    url: str
    token: str
    authority: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    commands: dict[str, list[str]] = field(default_factory=dict)

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig of the administrator."""
        return self.folder / "kubeconfig"

    def client(self, agent: str = "roost-test") -> Client:
        """A new client of the administrator; `agent` tells its writes apart. Close it in the loop that used it."""
        return Client.connect(str(self.kubeconfig), agent)

    def mark(self) -> int:
        """A moment: give it to `writes` to count from there."""
        return self._audit.stat().st_size

    def writes(self, since: int = 0, agent: str = "") -> Counter[Write]:
        """How many writes were accepted since then, by verb, resource and user agent (only agents beginning so)."""
        counted: Counter[Write] = Counter()
        with self._audit.open("rb") as log:
            log.seek(since)
            for line in log:
                entry = json.loads(line)
                if entry.get("responseStatus", {}).get("code", 500) < 400:
                    counted[_write(entry)] += 1
        return Counter({write: number for write, number in counted.items() if write.agent.startswith(agent)})

    def install(self, manifests: Iterable[Path]) -> None:
        """Apply YAML files as the administrator, and wait until the kinds that they define are served."""
        definitions = []
        with self._http() as http:
            for path in manifests:
                for document in yaml.safe_load_all(path.read_text()):
                    if document and document["kind"] == "CustomResourceDefinition":
                        _apply_definition(http, document)
                        definitions.append(document["metadata"]["name"])
            _until(lambda: all(_established(http, name) for name in definitions), "kinds to be served")

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to `etcd` or `kube-apiserver`."""
        self.processes[name].send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.processes[name].wait(30)

    def start(self, name: str) -> None:
        """Start `etcd` or `kube-apiserver` (again). From the main thread: the program dies with the thread."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self.commands[name], stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent
            )

    def wait(self) -> None:
        """Until it is ready to serve."""
        with self._http() as http:
            _until(lambda: self._ready(http), "kube-apiserver", self._tail)

    def stop(self) -> None:
        """End both programs and remove the folder."""
        for process in self.processes.values():
            process.kill()
            process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _audit(self) -> Path:
        return self.folder / "audit.log"

    def _http(self) -> httpx2.Client:
        context = ssl.create_default_context(cafile=str(self.authority))
        headers = {"Authorization": f"Bearer {self.token}", "User-Agent": "roost-test-setup"}
        return httpx2.Client(base_url=self.url, verify=context, headers=headers, trust_env=False, timeout=20)

    def _ready(self, http: httpx2.Client) -> bool:
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise AssertionError(f"{name} ended with {process.returncode}:\n{self._tail()}")
        try:
            return http.get("/readyz").status_code == 200 and http.get("/api/v1/namespaces/default").status_code == 200
        except httpx2.HTTPError:
            return False

    def _tail(self) -> str:
        logs = [self.folder / f"{name}.log" for name in self.processes]
        return "\n".join(f"{path.name}: …{path.read_text()[-1500:]}" for path in logs)


def start() -> ApiServer:
    """A kube-apiserver that serves, with all kinds installed."""
    clear()
    programs = _engine()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    port, clients, peers = free_ports(3)
    server = ApiServer(folder, f"https://127.0.0.1:{port}", secrets.token_hex(16), folder / "ca.crt")
    _credentials(server)
    server.commands = {
        "etcd": _etcd(programs.path("etcd"), folder, clients, peers),
        "kube-apiserver": _kube_apiserver(programs.path("kube-apiserver"), folder, port, clients),
    }
    try:
        for name in server.commands:
            server.start(name)
        server.wait()
        gateway = sorted(programs.component_dir("gateway-api").glob("crds/*.yaml"))
        server.install([*sorted((ROOT / "deploy" / "crds").glob("*.yaml")), *gateway])
    except BaseException:
        server.stop()
        raise
    return server


def clear() -> None:
    """End what killed earlier runs left, by pid, and remove their folders."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}[0-9]*-*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if Path(f"/proc/{owner}").exists():
            continue
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(folder).encode() in command.read_bytes():
                    os.kill(int(command.parent.name), signal.SIGKILL)
            except (OSError, ValueError):
                continue
        shutil.rmtree(folder, ignore_errors=True)


def _engine() -> engine.Engine:
    try:
        return engine.existing(COMPONENTS)
    except engine.EngineIncomplete:
        return engine.build(COMPONENTS)


def _credentials(server: ApiServer) -> None:
    now = datetime.now(UTC)
    authority = pki.authority("roost-test", now)
    leaf = pki.leaf(authority, "kube-apiserver", ["127.0.0.1", "localhost"], now)
    files = {
        "ca.crt": authority.certificate,
        "tls.crt": leaf.certificate,
        "tls.key": leaf.key,
        "tokens.csv": f'{server.token},admin,admin,"system:masters"\n',
        "audit.yaml": AUDIT,
        "audit.log": "",
        "kubeconfig": yaml.safe_dump(_kubeconfig(server)),
    }
    for name, text in files.items():
        pki.write_private(server.folder / name, text)


def _kubeconfig(server: ApiServer) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "clusters": [
            {"name": "test", "cluster": {"server": server.url, "certificate-authority": str(server.authority)}}
        ],
        "users": [{"name": "admin", "user": {"token": server.token}}],
    }


def _etcd(program: Path, folder: Path, clients: int, peers: int) -> list[str]:
    return [
        str(program),
        f"--data-dir={folder}/etcd",
        f"--listen-client-urls=http://127.0.0.1:{clients}",
        f"--advertise-client-urls=http://127.0.0.1:{clients}",
        f"--listen-peer-urls=http://127.0.0.1:{peers}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
        f"--initial-cluster=default=http://127.0.0.1:{peers}",
        "--unsafe-no-fsync",
        "--log-level=error",
    ]


def _kube_apiserver(program: Path, folder: Path, port: int, etcd: int) -> list[str]:
    return [
        str(program),
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={folder}/tls.crt",
        f"--tls-private-key-file={folder}/tls.key",
        f"--token-auth-file={folder}/tokens.csv",
        f"--service-account-key-file={folder}/tls.crt",
        f"--service-account-signing-key-file={folder}/tls.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.0.0.0/16",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        "--anonymous-auth=false",
        f"--enable-admission-plugins={ADMISSION}",
        f"--audit-policy-file={folder}/audit.yaml",
        f"--audit-log-path={folder}/audit.log",
        "--endpoint-reconciler-type=none",
        "--profiling=false",
        "--v=0",
    ]


def free_ports(number: int) -> list[int]:
    """Ports of the loopback interface that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return ports


def die_with_parent() -> None:
    """For `preexec_fn`: the program dies with the thread that started it."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _apply_definition(http: httpx2.Client, document: dict[str, Any]) -> None:
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{document['metadata']['name']}"
    answer = http.patch(
        path,
        params={"fieldManager": "roost-test", "force": "true"},
        headers={"Content-Type": "application/apply-patch+yaml"},
        content=json.dumps(document),
    )
    assert answer.status_code < 300, f"{document['metadata']['name']}: {answer.text}"


def _established(http: httpx2.Client, name: str) -> bool:
    found = http.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}").json()
    spec = found["spec"]
    version = spec["versions"][0]["name"]
    served = http.get(f"/apis/{spec['group']}/{version}").status_code == 200
    conditions = found.get("status", {}).get("conditions", [])
    return served and any(item["type"] == "Established" and item["status"] == "True" for item in conditions)


def _write(entry: dict[str, Any]) -> Write:
    reference = entry.get("objectRef") or {}
    group = reference.get("apiGroup")
    resource = reference.get("resource", "?") + (f".{group}" if group else "")
    if reference.get("subresource"):
        resource += f"/{reference['subresource']}"
    return Write(entry["verb"], resource, entry.get("userAgent", ""))


def _until(condition: Any, what: str, detail: Any = lambda: "") -> None:
    deadline = time.monotonic() + START_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"Waited {START_S:.0f} s for {what}. {detail()}")
        time.sleep(0.1)
