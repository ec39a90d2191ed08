"""How the only instance of a process leaves a node that is about to be emptied. Pure; part of `plan`.

    node takes no more pods -> the Deployment's template names the instance to be replaced -> a new one comes up
    elsewhere -> it is ready -> the old one ends as in any roll-out

Meanwhile the process's disruption budget refuses the eviction, so nobody takes the old one away first. The mark in the
template is all that is remembered: the name of an instance that stood on a leaving node. It stays until the next
version, because taking it away would replace the instance once more.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from roost.capabilities.app.manifests.pod import runtime
from roost.capabilities.app.model import LeavingNode, Observed, SeenDeployment, SeenPod
from roost.model.kinds.app import App, AppSpec, Process

# No node waits longer for a tenant, however often that changes what it asks for.
LONGEST = timedelta(minutes=15)


def alone(app: App, process: Process) -> bool:
    """Whether nothing would be left without the one instance that there is."""
    return process.replicas == 1 and not app.spec.stopped


def _there(called: str, observed: Observed) -> SeenDeployment | None:
    return next((seen for seen in observed.deployments if seen.process == called), None)


def _instances(called: str, mark: str, observed: Observed) -> list[SeenPod]:
    """Of the version with this mark, not at their end, by name."""
    found = [pod for pod in observed.pods if (pod.process, pod.runtime) == (called, mark) and not pod.terminating]
    return sorted(found, key=lambda pod: pod.name)


def moved(app: App, content: AppSpec, process: Process, observed: Observed, called: str = "") -> str:
    """The mark of the template: whom its instances are made in place of; empty: nobody.

    Only an instance of the present template gives a new mark: one of an older template is on its way out already.
    """
    called, mark = called or process.name, runtime(content, process)
    there = _there(called, observed)
    if there is None or there.runtime != mark:
        return ""  # A new version is made of instances that stand wherever there is room now.
    if alone(app, process):
        for pod in _instances(called, mark, observed):
            if pod.moved == there.moved and pod.node in {node.name for node in observed.leaving}:
                return pod.name
    return there.moved


def stays(app: App, content: AppSpec, process: Process, observed: Observed, now: datetime, called: str = "") -> bool:
    """Whether no instance may be evicted. What found no place elsewhere in time is given up: a node must get empty."""
    called = called or process.name
    there = _there(called, observed)
    tried = there is not None and there.stuck and there.settled and there.runtime == runtime(content, process)
    places = {pod.node for pod in observed.pods if pod.process == called and not pod.terminating}
    left = [_left(node, now) for node in observed.leaving if node.name in places]
    gave_up = bool(left) and (tried or any(item is not None and item <= timedelta(0) for item in left))
    return alone(app, process) and not gave_up


def _left(node: LeavingNode, now: datetime) -> timedelta | None:
    """How long a node still waits; None where nobody noted since when it does."""
    return None if node.since is None else node.since + LONGEST - now


def again(observed: Observed, now: datetime) -> timedelta | None:
    """After how long somebody must look again, because a node has waited long enough then."""
    left = [item for node in observed.leaving if (item := _left(node, now)) is not None and item > timedelta(0)]
    return min(left, default=None)


def under_way(content: AppSpec, observed: Observed) -> Mapping[str, str]:
    """Single processes that serve all the while as their instance moves, or just has: how that stands, in words."""
    found = {}
    for process in content.processes:
        there = _there(process.name, observed)
        instances = _instances(process.name, runtime(content, process), observed)
        if there is None or not there.moved or process.replicas != 1 or not any(pod.ready for pod in instances):
            continue
        old = [pod for pod in instances if pod.moved != there.moved]
        why = next((pod.unschedulable for pod in instances if pod.unschedulable), "")
        words = f"{process.name} moves away from {old[0].node}" if old else f"{process.name} has moved"
        found[process.name] = f"{words}, but no other node has room for it: {why}" if why else words
    return found
