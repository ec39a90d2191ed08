"""Where P2 works: the same application twice in a tenant of its own, once as an App, once as a plain Deployment.

Both have three instances of the same program, which just exits on SIGTERM, behind the same gateway.
"""

import functools
import json
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.place import APP as ADDRESSED
from bench.place import DOMAIN, SPACE, TENANT, Place, apply, kubectl, project, wait
from roost.model.kinds.app import App, AppSpec, Artefact, Health, Process, Resources, Variable
from roost.node import engine

OURS, PLAIN = ADDRESSED, "plain"
REPLICAS: Final = 3
CONTAINERFILE: Final = (
    'FROM base/python:3.13\nCOPY rolled.py /srv/rolled.py\nUSER 1000\nCMD ["python3", "/srv/rolled.py"]\n'
)
PROGRAM: Final = Path(__file__).with_name("rolled.py")
DRAIN_S: Final = 30
RESOURCES: Final = Resources(cpu="20m", memory="96Mi")


def push(place: Place) -> str:
    """Push the program, so that it is built and signed as any other; its image by digest."""
    web = Process(name="web", port=8080, health=Health(path="/"), resources=RESOURCES)
    apply(App.manifest(OURS, AppSpec(processes=(web,)), SPACE))
    project(OURS)
    place.repository.mkdir()
    place.git("init", "--quiet", "--initial-branch=main")
    (place.repository / "Containerfile").write_text(CONTAINERFILE)
    (place.repository / PROGRAM.name).write_text(PROGRAM.read_text())
    place.git("add", "--all")
    if place.push().wait():
        raise RuntimeError(f"The push failed: {(place.folder / 'push.log').read_text()}")
    app = json.loads(kubectl("-n", SPACE, "get", "apps.roost.dev", OURS, "-o", "json"))
    return str(app["spec"]["artefact"]["image"])


def spec(base: str, colour: str, replicas: int) -> AppSpec:
    """The App of one version."""
    web = Process(
        name="web",
        port=8080,
        replicas=replicas,
        health=Health(path="/"),
        resources=RESOURCES,
        grace_s=5,
        drain_s=DRAIN_S,
    )
    artefact = Artefact(image=base)
    return AppSpec(artefact=artefact, processes=(web,), config=(Variable(name="COLOUR", value=colour),))


def plain(base: str) -> list[dict[str, Any]]:
    """What somebody writes who knows Kubernetes' defaults: probe and all, but nothing for the end of an instance."""
    labels = {"example.org/app": PLAIN}
    container = {
        "name": "web",
        "image": base,
        "env": [{"name": "COLOUR", "value": "0"}],
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": RESOURCES.cpu, "memory": RESOURCES.memory}, "limits": {"memory": "96Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    meta = {"name": PLAIN, "namespace": SPACE}
    template = {"metadata": {"labels": labels}, "spec": pod}
    selected = {"matchLabels": labels}
    route = {
        "parentRefs": [{"name": "roost", "namespace": "roost-system"}],
        "hostnames": [f"{PLAIN}-dev.{TENANT}.{DOMAIN}"],
        "rules": [{"backendRefs": [{"name": PLAIN, "port": 80}]}],
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {"replicas": REPLICAS, "selector": selected, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
        },
        {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": meta, "spec": route},
    ]


@dataclass
class Side:
    """One of the two. Every change returns how many seconds it took, as whoever makes it sees that."""

    place: Place
    base: str
    name: str
    colour: int = 0
    before: list[int] = field(default_factory=list)

    @property
    def host(self) -> str:
        """Its host name."""
        return f"{self.name}-dev.{TENANT}.{DOMAIN}"

    def pods(self) -> list[Mapping[str, Any]]:
        """Its instances, also those that end."""
        label = f"roost.dev/app={OURS}" if self.name == OURS else f"example.org/app={PLAIN}"
        found: list[Mapping[str, Any]] = json.loads(kubectl("-n", SPACE, "get", "pods", "-l", label, "-o", "json"))[
            "items"
        ]
        return found

    def settled(self, replicas: int = REPLICAS) -> bool:
        """Whether just so many instances are there, all ready, none at its end."""
        pods = self.pods()
        ready = [
            condition["status"] == "True"
            for pod in pods
            for condition in pod["status"].get("conditions", ())
            if condition["type"] == "Ready"
        ]
        return len(pods) == replicas and all(ready) and not any("deletionTimestamp" in pod["metadata"] for pod in pods)

    def _set(self, colour: int, replicas: int) -> float:
        began = time.monotonic()
        if self.name == OURS:
            self._apply(colour, replicas)
        elif replicas != REPLICAS:
            kubectl("-n", SPACE, "scale", f"deployment/{PLAIN}", f"--replicas={replicas}")
            kubectl("-n", SPACE, "rollout", "status", f"deployment/{PLAIN}", "--timeout=300s")
        else:
            kubectl("-n", SPACE, "scale", f"deployment/{PLAIN}", f"--replicas={replicas}")
            kubectl("-n", SPACE, "set", "env", f"deployment/{PLAIN}", f"COLOUR={colour}")
            kubectl("-n", SPACE, "rollout", "status", f"deployment/{PLAIN}", "--timeout=300s")
        return time.monotonic() - began

    def _apply(self, colour: int, replicas: int) -> None:
        apply(App.manifest(OURS, spec(self.base, str(colour), replicas), SPACE))

        def serves() -> bool:
            app = json.loads(kubectl("-n", SPACE, "get", "apps.roost.dev", OURS, "-o", "json"))
            status = app.get("status", {})
            ready = [item for item in status.get("conditions", ()) if item["type"] == "Ready"]
            seen = status.get("observedGeneration") == app["metadata"]["generation"]
            return seen and bool(ready) and ready[0]["status"] == "True" and status["live"] == status["release"]

        wait(f"version {colour} of {OURS}", serves, 300)

    def rollout(self) -> float:
        """A new version."""
        self.before.append(self.colour)
        self.colour += max([1, *(item - self.colour + 1 for item in self.before)])
        return self._set(self.colour, REPLICAS)

    def rollback(self) -> float:
        """Back to the version before."""
        self.before.append(self.colour)
        self.colour = self.before[-2]
        return self._set(self.colour, REPLICAS)

    def widen(self) -> float:
        """Two instances more."""
        return self._set(self.colour, REPLICAS + 2)

    def narrow(self) -> float:
        """And gone again."""
        return self._set(self.colour, REPLICAS)

    def evict(self) -> float:
        """What a drain does to each of its instances, one after the other, as the disruption budget lets it."""
        began = time.monotonic()
        for pod in self.pods():
            name = pod["metadata"]["name"]
            body = {
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": name, "namespace": SPACE},
            }
            path = f"/api/v1/namespaces/{SPACE}/pods/{name}/eviction"

            def evicted(body: Mapping[str, Any] = body, path: str = path) -> bool:
                try:
                    kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(body))
                except RuntimeError as refused:
                    if "disruption budget" in str(refused):
                        return False
                    raise
                return True

            wait(f"the eviction of {name}", evicted, 120)
        wait("the new instances", self.settled, 180)
        return time.monotonic() - began

    def drain(self) -> float:
        """`kubectl drain` of a node that holds some of its instances, but not the platform's disks; open again then."""
        began = time.monotonic()
        (node, *_) = sorted({str(pod["spec"]["nodeName"]) for pod in self.pods()} & set(workers()))
        try:
            kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=300s")
            wait("the new instances", self.settled, 180)
        finally:
            kubectl("uncordon", node)
        return time.monotonic() - began


def workers() -> list[str]:
    """Nodes that may be drained: those of no control plane."""
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    marked = "node-role.kubernetes.io/control-plane"
    return [item["metadata"]["name"] for item in nodes if marked not in item["metadata"]["labels"]]


@contextmanager
def under_load(side: Side, rate: float, told: dict[str, Any]) -> Any:
    """An open-loop load on a side, while it lasts; `told` is filled with what came of it afterwards."""
    program = engine.build(["load"]).path("load")
    command = [str(program), "-host", side.host, "-rate", str(rate), "-authority", str(side.place.folder / "ca.crt")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield
        finally:
            out, _ = running.communicate("", timeout=120)
        told |= json.loads(out)


def over_tls_answers(side: Side) -> bool:
    """Whether the gateway shows a certificate for it."""
    command = ["curl", "-sf", "--max-time", "2", "--cacert", str(side.place.folder / "ca.crt"), f"https://{side.host}/"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def make(place: Place) -> tuple[Side, Side]:
    """Both, and they serve."""
    base = push(place)
    ours, other = Side(place, base, OURS), Side(place, base, PLAIN)
    apply(*plain(base))
    ours.rollout()
    kubectl("-n", SPACE, "rollout", "status", f"deployment/{PLAIN}", "--timeout=180s")
    for side in (ours, other):
        wait(f"{side.name} to settle", side.settled)
        wait(f"{side.name} over TLS", functools.partial(over_tls_answers, side))
    return ours, other


def event(side: Side, change: Callable[[], float], rate: float, at_least_s: float) -> dict[str, Any]:
    """A change under load, from 2 s before it until everything old has ended; what came of it, `took` among that."""
    told: dict[str, Any] = {}
    with under_load(side, rate, told):
        began = time.monotonic()
        time.sleep(2)
        took = change()
        wait("the end of the old instances", side.settled, 180)
        time.sleep(max(1.0, at_least_s - (time.monotonic() - began)))
    return {**told, "took": took}


def steady(side: Side, rate: float, seconds: float) -> dict[str, Any]:
    """The load alone."""
    told: dict[str, Any] = {}
    with under_load(side, rate, told):
        time.sleep(seconds)
    return told
