"""Where P2 works: the same application twice in a tenant of its own, once as an App, once as a plain Deployment.

Both have three instances of the same program, which just exits on SIGTERM, behind the same gateway.
"""

import functools
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.measure import cpu_s
from bench.place import APP as ADDRESSED
from bench.place import DOMAIN, SPACE, TENANT, Place, apply, kubectl, project, wait
from bench.timeline import KINDS, Item, Span, Timeline, complete, ends, is_true, parts
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
    """One of the two. A change is one request; it is over when whoever made it sees that, by the same watch."""

    place: Place
    base: str
    name: str
    seen: Timeline
    colour: int = 0
    before: list[int] = field(default_factory=list)

    @property
    def host(self) -> str:
        """Its host name."""
        return f"{self.name}-dev.{TENANT}.{DOMAIN}"

    @property
    def deployment(self) -> str:
        """The name of its Deployment."""
        return f"{OURS}-web" if self.name == OURS else PLAIN

    @property
    def labels(self) -> Mapping[str, str]:
        """What its instances are known by."""
        return {"roost.dev/app": OURS} if self.name == OURS else {"example.org/app": PLAIN}

    def look(self) -> None:
        """Watch anew, and see everything that there is."""
        self.seen.start()

        def whole() -> bool:
            deployment = self.seen.get("Deployment", self.deployment)
            app = self.seen.get("App", OURS)
            if deployment is None or app is None:
                return False
            return len(self.seen.pods(self.labels)) >= int(deployment.get("status", {}).get("replicas", 0))

        self.seen.wait("what there is", whole)

    def settled(self, replicas: int = REPLICAS) -> bool:
        """Whether just so many instances are there, all ready, none at its end."""
        pods = self.seen.pods(self.labels)
        going = any("deletionTimestamp" in pod["metadata"] for pod in pods)
        return len(pods) == replicas and not going and all(is_true(pod, "Ready") for pod in pods)

    def rest(self, replicas: int = REPLICAS) -> None:
        """Wait until it is settled. (Pods are told of apart from Deployments, and may be late.)"""
        while True:
            self.seen.wait(f"{self.name} to settle", lambda: self.settled(replicas))
            time.sleep(0.3)
            if self.settled(replicas):
                return

    def _generation(self, kind: str, name: str) -> int:
        found = self.seen.get(kind, name)
        return int(found["metadata"]["generation"]) if found is not None else 0

    def _set(self, colour: int, replicas: int) -> Span:
        ours = self.name == OURS
        kind, name = ("App", OURS) if ours else ("Deployment", PLAIN)
        before, deployment = self._generation(kind, name), self._generation("Deployment", self.deployment)
        sent = time.monotonic()
        if ours:
            wanted = spec(self.base, str(colour), replicas).wire()
            patch(KINDS[kind], name, "merge", {key: wanted[key] for key in ("processes", "config", "artefact")})
        else:
            template = {"spec": {"containers": [{"name": "web", "env": [{"name": "COLOUR", "value": str(colour)}]}]}}
            patch(KINDS[kind], name, "strategic", {"replicas": replicas, "template": template})

        def rolled() -> bool:
            moved = self._generation("Deployment", self.deployment) > deployment
            return moved and complete(self.seen.get("Deployment", self.deployment), replicas)

        over = self.seen.wait(f"{self.deployment} with version {colour}", rolled)
        if not ours:
            return Span(sent, over, over)
        told = self.seen.wait(f"version {colour} of {OURS}", lambda: served(self.seen.get(kind, name), before))
        return Span(sent, over, told)

    def rollout(self) -> Span:
        """A new version."""
        self.before.append(self.colour)
        self.colour += max([1, *(item - self.colour + 1 for item in self.before)])
        return self._set(self.colour, REPLICAS)

    def rollback(self) -> Span:
        """Back to the version before."""
        self.before.append(self.colour)
        self.colour = self.before[-2]
        return self._set(self.colour, REPLICAS)

    def widen(self) -> Span:
        """Two instances more."""
        return self._set(self.colour, REPLICAS + 2)

    def narrow(self) -> Span:
        """And gone again."""
        return self._set(self.colour, REPLICAS)

    def evict(self) -> Span:
        """What a drain does to each of its instances, one after the other, as the disruption budget lets it."""
        began = time.monotonic()
        for pod in self.seen.pods(self.labels):
            name = pod["metadata"]["name"]
            body = json.dumps(
                {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": SPACE}}
            )
            path = f"/api/v1/namespaces/{SPACE}/pods/{name}/eviction"
            while not evicted(path, body):  # As `kubectl drain` does, which tries again every five seconds.
                if time.monotonic() - began > 300:
                    raise RuntimeError(f"The eviction of {name} took longer than 300 s.")
                time.sleep(1)
        self.rest()
        over = time.monotonic()
        return Span(began, over, over)

    def drain(self) -> Span:
        """A worker on which one of its instances is, drained and put back."""
        began = time.monotonic()
        node = min({pod["spec"]["nodeName"] for pod in self.seen.pods(self.labels)} & set(workers()))
        try:
            kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=300s")
            self.rest()
        finally:
            kubectl("uncordon", node)
        over = time.monotonic()
        return Span(began, over, over)


def patch(plural: str, name: str, how: str, changes: Mapping[str, Any]) -> None:
    """Change fields of an object's spec, in one request."""
    text = json.dumps({"spec": changes})
    kubectl("-n", SPACE, "patch", plural, name, f"--type={how}", "-p", text)


def served(app: Item | None, before: int) -> bool:
    """Whether an App says that what it was asked for after generation `before` serves."""
    if app is None or app["metadata"]["generation"] <= before:
        return False
    status = app.get("status") or {}
    seen = status.get("observedGeneration") == app["metadata"]["generation"]
    return seen and is_true(app, "Ready") and status.get("live") == status.get("release")


def evicted(path: str, body: str) -> bool:
    """Whether an eviction was let through; a disruption budget may refuse it for now."""
    try:
        kubectl("create", "--raw", path, "-f", "-", stdin=body)
    except RuntimeError as refused:
        if "disruption budget" in str(refused):
            return False
        raise
    return True


def workers() -> list[str]:
    """Nodes that may be drained: those of no control plane."""
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    marked = "node-role.kubernetes.io/control-plane"
    return [item["metadata"]["name"] for item in nodes if marked not in item["metadata"]["labels"]]


@contextmanager
def under_load(side: Side, rate: float, told: dict[str, Any]) -> Iterator[Callable[[str], None]]:
    """An open-loop load on a side, while it lasts; `told` is filled with what came of it afterwards.

    What it gives begins a part of the load by name. The load is served before what it measures: else, on two cores, it
    would tell how late it came to send.
    """
    program = engine.build(["load"]).path("load")
    command = ["nice", "-n", "-10", str(program), "-host", side.host, "-rate", str(rate)]
    command += ["-authority", str(side.place.folder / "ca.crt")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        pipe = running.stdin

        def begin(part: str) -> None:
            pipe.write(f"{part}\n")
            pipe.flush()

        try:
            yield begin
        finally:
            out, _ = running.communicate("", timeout=120)
        told |= json.loads(out)


def over_tls_answers(side: Side) -> bool:
    """Whether the gateway shows a certificate for it."""
    command = ["curl", "-sf", "--max-time", "2", "--cacert", str(side.place.folder / "ca.crt"), f"https://{side.host}/"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def make(place: Place, seen: Timeline) -> tuple[Side, Side]:
    """Both, and they serve."""
    base = push(place)
    apply(*plain(base))
    ours, other = Side(place, base, OURS, seen), Side(place, base, PLAIN, seen)
    ours.look()
    ours.rollout()
    for side in (ours, other):
        side.look()
        side.rest()
        wait(f"{side.name} over TLS", functools.partial(over_tls_answers, side))
    return ours, other


def event(side: Side, change: Callable[[], Span], rate: float, steady_s: float, at_least_s: float) -> dict[str, Any]:
    """A change under load, after `steady_s` seconds of load alone; what came of it.

    The parts of the load: `warm`, `before` (steady), `during` (until everything old has ended), `after`. `took`:
    seconds until whoever made the change was told that it is done; `times`: what that is made of (`timeline.PARTS`),
    `ends`: how long each instance took to end, `cpu_s`: of the machine, during it, beyond what the load took before.
    """
    told: dict[str, Any] = {}
    side.look()
    with under_load(side, rate, told) as part:
        began = time.monotonic()
        part("warm")
        time.sleep(1)
        part("before")
        spent = cpu_s()
        time.sleep(steady_s)
        calm = (cpu_s() - spent) / steady_s
        part("during")
        spent, changed = cpu_s(), time.monotonic()
        span = change()
        side.rest()
        lasted = time.monotonic() - changed
        cost = cpu_s() - spent - calm * lasted
        part("after")
        time.sleep(max(1.0, at_least_s - (time.monotonic() - began)))
    history = list(side.seen.told)
    times = parts(history, side.deployment, side.labels, span)
    ended = ends(history, side.labels, (span.sent, time.monotonic()))
    return {**told, "took": span.told - span.sent, "times": times, "ends": ended, "cpu_s": cost}
