"""Where P1 works: a tenant of its own with one member, a repository, and the same application made by hand.

Made by `make`, removed at the end; what a killed run left is removed at the start. By hand means: the same
Containerfile built by the same warm BuildKit, pushed to the same registry, and a plain Deployment with a probe.
"""

import asyncio
import base64
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from roost.kube.client import Client
from roost.model.kinds.app import App, AppSpec, Health, Process
from roost.model.kinds.delivery import Project, ProjectSpec
from roost.model.kinds.people import UserSpec
from roost.model.kinds.scan import Scan
from roost.model.kinds.tenant import Environment, Member, Tenant, TenantSpec
from roost.model.names import REGISTRY
from roost.node import engine, machine
from roost.surface.people import People
from roost.surface.registry import Access, mint

TENANT, PERSON, APP, BY_HAND = "benchp", "benchp-dev", "pushed", "byhand"
SPACE, BUILDS, SYSTEM = f"{TENANT}-dev", f"{TENANT}-build", "roost-system"
# What is built by hand is not signed, so it runs in no environment that Roost makes. The labels are for the gateway.
HAND = f"{TENANT}-{BY_HAND}"
HAND_LABELS = {"roost.dev/tenant": TENANT, "roost.dev/environment": "dev"}
DOMAIN = "roost.localhost"
CONTAINERFILE = 'FROM base/python:3.13\nCOPY app.py /srv/app.py\nUSER 1000\nCMD ["python3", "/srv/app.py"]\n'
PROGRAM = """\
import http.server
import signal
import threading


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"VERSION")

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("", 8080), Page)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""


def run(*command: str, stdin: str = "", cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What a program printed. RuntimeError with its words where it fails."""
    told = dict(os.environ) | dict(env or {})
    done = subprocess.run(command, input=stdin, cwd=cwd, env=told, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)[:200]}: {done.stderr[-2000:] or done.stdout[-2000:]}")
    return done.stdout


def kubectl(*arguments: str, stdin: str = "") -> str:
    """kubectl as the cluster's administrator."""
    return run("kubectl", "--kubeconfig", str(machine.ADMIN), *arguments, stdin=stdin)


def apply(*manifests: dict[str, Any]) -> None:
    """Apply objects."""
    kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)}))


def answer(app: str) -> str:
    """What the application answers; empty where it does not."""
    url = f"http://{app}-dev.{TENANT}.{DOMAIN}/"
    done = subprocess.run(["curl", "-sf", "--max-time", "2", url], capture_output=True, text=True, check=False)
    return done.stdout


def wait(what: str, ready: Callable[[], bool], within_s: float = 180) -> None:
    """Wait, often. RuntimeError when it took too long."""
    deadline = time.monotonic() + within_s
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} took longer than {within_s:.0f} s.")
        time.sleep(0.05)


async def _person() -> str:
    client = Client.connect(str(machine.ADMIN), agent="roost-bench")
    try:
        people = People(client, lambda: datetime.now(UTC))
        await people.remove(PERSON)
        made = await people.create(PERSON, UserSpec(), client)
        await people.ensure_account(PERSON)
        return await people.new_password(PERSON, made["metadata"]["uid"])
    finally:
        await client.close()


def remove() -> None:
    """The tenant and all in it, the person, and what was made by hand."""
    kubectl("delete", "namespace", HAND, "--ignore-not-found", "--wait=true", "--timeout=180s")
    kubectl("delete", "tenants.roost.dev", TENANT, "--ignore-not-found", "--wait=true", "--timeout=180s")
    kubectl("delete", "users.roost.dev", PERSON, "--ignore-not-found")


@dataclass
class Place:
    """Both ways to bring a changed line to the people. `version` counts the changes of both."""

    folder: Path
    password: str
    buildctl: str
    version: int = 0

    @property
    def repository(self) -> Path:
        """The checkout of whoever pushes."""
        return self.folder / "repository"

    def remote(self, project: str) -> str:
        """Where a project is pushed to, with the person's name and password."""
        return f"https://{PERSON}:{self.password}@api.{DOMAIN}/{TENANT}/{project}.git"

    def git(self, *arguments: str, cwd: Path | None = None) -> None:
        """git in the checkout, or in another."""
        env = {"GIT_SSL_CAINFO": str(self.folder / "ca.crt"), "GIT_TERMINAL_PROMPT": "0"}
        run(
            "git",
            "-c",
            "user.name=Bench",
            "-c",
            "user.email=bench@example.org",
            *arguments,
            cwd=cwd or self.repository,
            env=env,
        )

    def write(self) -> str:
        """A program with one line changed; what it answers."""
        self.version += 1
        text = f"version-{self.version}"
        (self.repository / "app.py").write_text(PROGRAM.replace("VERSION", text))
        return text

    def push(self) -> subprocess.Popen[bytes]:
        """Commit and push; the push goes on."""
        self.git("commit", "--quiet", "--all", "--message", f"Change {self.version}.")
        env = dict(os.environ) | {"GIT_SSL_CAINFO": str(self.folder / "ca.crt"), "GIT_TERMINAL_PROMPT": "0"}
        return subprocess.Popen(
            ["git", "push", "--quiet", self.remote(APP), "main"],
            cwd=self.repository,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "push.log").open("wb"),
        )

    def build(self) -> str:
        """buildctl against the tenant's builder, pushed; the image by digest."""
        pod = json.loads(kubectl("-n", BUILDS, "get", "pod", "builder", "-o", "json"))
        name = f"{REGISTRY}/{TENANT}/{BY_HAND}"
        metadata = self.folder / "metadata.json"
        run(
            self.buildctl,
            f"--addr=tcp://{pod['status']['podIP']}:1234",
            "build",
            "--frontend=dockerfile.v0",
            f"--local=context={self.repository}",
            f"--local=dockerfile={self.repository}",
            "--opt=filename=Containerfile",
            f"--opt=context:base/python:3.13=docker-image://{REGISTRY}/base/python:3.13",
            f"--output=type=image,name={name}:v{self.version},push=true,oci-mediatypes=true",
            f"--metadata-file={metadata}",
            env={"DOCKER_CONFIG": str(self.folder)},
        )
        return f"{name}@{json.loads(metadata.read_text())['containerimage.digest']}"

    def roll_out(self, image: str) -> None:
        """`kubectl set image`, and wait as a person would."""
        kubectl("-n", HAND, "set", "image", f"deployment/{BY_HAND}", f"web={image}")
        kubectl("-n", HAND, "rollout", "status", f"deployment/{BY_HAND}", "--timeout=120s")

    def warm(self) -> bool:
        """Whether a pod waits for the next run, as the builder does for the next build."""
        items = json.loads(kubectl("-n", BUILDS, "get", "pods", "-l", "roost.dev/spare", "-o", "json"))["items"]
        free = [item for item in items if item["metadata"]["ownerReferences"][0]["kind"] == "Project"]
        return any(item["status"].get("phase") == "Running" for item in free)

    def settled(self, app: str) -> bool:
        """Whether one instance of it runs, and none is on its way out."""
        space = HAND if app == BY_HAND else SPACE
        items = json.loads(kubectl("-n", space, "get", "pods", "-o", "json"))["items"]
        return [item["metadata"]["name"].startswith(f"{app}-") for item in items].count(True) == 1


def by_hand(image: str) -> list[dict[str, Any]]:
    """The Deployment, Service and route that a careful person writes."""
    labels = {"example.org/app": BY_HAND}
    container = {
        "name": "web",
        "image": image,
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}},
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    meta = {"name": BY_HAND, "namespace": HAND}
    strategy = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HAND, "labels": HAND_LABELS}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {"selector": {"matchLabels": labels}, "strategy": strategy, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": meta,
            "spec": {
                "parentRefs": [{"name": "roost", "namespace": SYSTEM}],
                "hostnames": [f"{BY_HAND}-dev.{TENANT}.{DOMAIN}"],
                "rules": [{"backendRefs": [{"name": BY_HAND, "port": 80}]}],
            },
        },
    ]


def tenant(folder: Path) -> Place:
    """The tenant, with nothing in it."""
    remove()
    password = asyncio.run(_person())
    spec = TenantSpec(environments=(Environment(name="dev"),), members=(Member(person=PERSON),))
    apply(Tenant.manifest(TENANT, spec))
    kubectl("wait", "--for=condition=Ready", f"tenants.roost.dev/{TENANT}", "--timeout=120s")
    trust = json.loads(kubectl("-n", SYSTEM, "get", "configmap", "roost-trust", "-o", "json"))
    (folder / "ca.crt").write_text(trust["data"]["ca.crt"])
    return Place(folder, password, str(engine.build().component_dir("buildkit") / "bin/buildctl"))


def project(name: str) -> None:
    """A repository to push to, whose runs are not scanned: the builds that these are compared with are not either."""
    none = Scan(secrets=False, source=False, dependencies=False, image=False)
    apply(Project.manifest(name, ProjectSpec(scan=none), BUILDS))
    kubectl("-n", BUILDS, "wait", "--for=condition=Ready", f"projects.roost.dev/{name}", "--timeout=60s")


def make(folder: Path) -> Place:
    """The tenant with both applications, each brought out once: builder and caches are warm."""
    place = tenant(folder)
    web = Process(name="web", port=8080, health=Health(path="/"))
    apply(App.manifest(APP, AppSpec(processes=(web,)), SPACE))
    project(APP)
    (folder / "config.json").write_text(json.dumps({"auths": {REGISTRY: {"registrytoken": registry_token()}}}))
    place.repository.mkdir()
    place.git("init", "--quiet", "--initial-branch=main")
    (place.repository / "Containerfile").write_text(CONTAINERFILE)
    place.write()
    place.git("add", "--all")
    if place.push().wait():
        raise RuntimeError(f"The first push failed: {(folder / 'push.log').read_text()}")
    apply(*by_hand(place.build()))
    wait("the application made by hand", lambda: bool(answer(BY_HAND)))
    return place


def registry_token() -> str:
    """Leave to push the image that is built by hand, for as long as a benchmark may take."""
    secret = json.loads(kubectl("-n", SYSTEM, "get", "secret", "registry-token", "-o", "json"))
    key = base64.b64decode(secret["data"]["key.pem"])
    access = (Access("base/python", ("pull",)), Access(f"{TENANT}/{BY_HAND}", ("pull", "push")))
    return mint(key, "bench", access, datetime.now(UTC), timedelta(hours=2))
