"""`roost node status`: how the cluster on this machine is, in words. Looks only."""

from collections.abc import Iterator
from dataclasses import dataclass

from roost.node import control_plane, daemons, machine, supervisor
from roost.node.kubectl import Kubectl, describe_pods, workload_ready
from roost.node.run import CommandFailed

NAMESPACES = ("kube-system", "roost-system")


@dataclass(frozen=True)
class Line:
    """One finding. `well` is None where it is neither good nor bad."""

    what: str
    well: bool | None
    words: str


def daemon_line(name: str) -> Line:
    """Whether a daemon of the supervisor runs."""
    try:
        pid, start, _ = (machine.RUN / f"{name}.pid").read_text().split(" ", 2)
    except (OSError, ValueError):
        return Line(name, False, "does not run")
    alive = supervisor.started_at(int(pid)) == start
    return Line(name, alive, f"runs as {pid}" if alive else "has ended; the supervisor starts it again")


def node_lines() -> Iterator[Line]:
    """The machine's side: supervisor and daemons."""
    pid = supervisor.running()
    yield Line("supervisor", pid is not None, f"runs as {pid}" if pid else "does not run: `roost node up` starts it")
    if daemons.SPECIFICATION.exists():
        yield from (daemon_line(daemon.name) for daemon in daemons.read() if not daemon.every_s)


def cluster_lines(kubectl: Kubectl) -> Iterator[Line]:
    """The cluster's side: API, node, workloads."""
    if not kubectl.api_answers():
        yield Line("API", False, "does not answer; see /var/log/roost/kubelet.log")
        return
    yield Line("API", True, "answers")
    for node in kubectl.list("nodes"):
        ready = any(item["type"] == "Ready" and item["status"] == "True" for item in node["status"]["conditions"])
        version = node["status"]["nodeInfo"]["kubeletVersion"]
        yield Line(f"node {node['metadata']['name']}", ready, f"{'ready' if ready else 'not ready'}, {version}")
    for namespace in NAMESPACES:
        for item in kubectl.list("deployments,statefulsets,daemonsets", namespace):
            well = workload_ready(item)
            yield Line(f"{namespace}/{item['metadata']['name']}", well, "runs" if well else "is not ready")
        if pods := describe_pods(kubectl, namespace):
            yield Line(namespace, None, pods.strip())


def look() -> list[Line]:
    """Everything that is known, best first where nothing is wrong."""
    if control_plane.initialised() is None:
        return [Line("cluster", None, "there is none on this machine: `make up` makes one"), *node_lines()]
    found = list(node_lines())
    try:
        found += cluster_lines(Kubectl())
    except CommandFailed as failed:
        found.append(Line("API", False, str(failed).splitlines()[0]))
    return found
