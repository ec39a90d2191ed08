"""The only instance of a process leaves a node that is about to be emptied, and something serves all the while.

The world below does what Kubernetes does: a changed template makes a new instance, which takes the old one's place once
it is ready; nothing is placed on a node that is to be emptied; an eviction needs the leave of a disruption budget.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from roost.capabilities.app.manifests.pod import CANDIDATE, runtime
from roost.capabilities.app.model import MOVED, LeavingNode, Observed, SeenDeployment, SeenPod, SeenRelease, SeenRoute
from roost.capabilities.app.moving import LONGEST
from roost.capabilities.app.observe import leaving
from roost.capabilities.app.plan import plan
from roost.kernel import golden
from roost.model.content import content_digest
from roost.model.kinds.app import App, AppSpec, AppStatus, Artefact, Process, Rollout, Variable
from roost.model.plan import Plan
from roost.model.resource import Metadata

IMAGE = "registry.roost-system.svc:5000/acme/shop@sha256:" + "a" * 64
ONE = AppSpec(artefact=Artefact(image=IMAGE), processes=(Process(name="web", port=8080),))
NOON = "2026-11-28T12:00:00Z"  # golden.NOW
NEXT = ONE.model_copy(update={"config": (Variable(name="COLOUR", value="green"),)})


def released(number: int, content: AppSpec, phase: Any = "Live") -> SeenRelease:
    fields = {"number": number, "name": f"shop-v{number}", "digest": content_digest(content), "phase": phase}
    return SeenRelease.model_validate({**fields, "served": phase == "Live", "content": content})


@dataclass
class World:
    """One process, its Deployment, its instances, the nodes."""

    content: AppSpec = ONE
    nodes: list[str] = field(default_factory=lambda: ["one", "two"])
    leaving: set[str] = field(default_factory=set)
    pods: list[SeenPod] = field(default_factory=list)
    moved: str = ""
    stuck: bool = False
    made: int = 0
    now: datetime = golden.NOW
    since: datetime | None = golden.NOW

    def __post_init__(self) -> None:
        self.releases = [released(1, self.content)]
        self.start()

    def mark(self) -> str:
        return runtime(self.content, self.content.processes[0])

    def start(self) -> None:
        """An instance of the present template, where there is room."""
        self.made += 1
        node = next((name for name in self.nodes if name not in self.leaving), "")
        state = {"ready": bool(node), "unschedulable": "" if node else "0/2 nodes are available"}
        named = {"name": f"shop-web-{self.made}", "process": "web", "runtime": self.mark(), "moved": self.moved}
        self.pods.append(SeenPod.model_validate({**named, "node": node, **state}))

    def observed(self) -> Observed:
        updated = [pod for pod in self.pods if pod.moved == self.moved and pod.runtime == self.mark()]
        counts = {"wanted": 1, "replicas": len(self.pods), "updated": len(updated), "stuck": self.stuck}
        there = SeenDeployment(
            process="web",
            release="shop-v1",
            runtime=self.mark(),
            moved=self.moved,
            available=sum(pod.ready for pod in self.pods),
            **counts,
        )
        return Observed(
            tenant="acme",
            environment="dev",
            releases=tuple(self.releases),
            deployments=(there,),
            pods=tuple(self.pods),
            leaving=tuple(LeavingNode(name=name, since=self.since) for name in sorted(self.leaving)),
            route=SeenRoute(taken=True),
            helped=True,
        )

    def look(self) -> Plan:
        """One reconciliation; the same observation gives the same plan."""
        app = App(
            metadata=Metadata(name="shop", namespace="acme-dev", uid="a-1"),
            spec=self.content,
            status=AppStatus(live="shop-v1"),
        )
        made = plan(app, self.observed(), self.now)
        assert plan(app, self.observed(), self.now) == made
        annotations = self.manifest(made, "Deployment")["spec"]["template"]["metadata"]["annotations"]
        self.budget = self.manifest(made, "PodDisruptionBudget")["spec"]["maxUnavailable"]
        if (annotations.get(MOVED, ""), annotations["roost.dev/runtime"]) != (self.moved, self.mark()):
            self.moved = annotations.get(MOVED, "")
            self.start()
        return made

    @staticmethod
    def manifest(made: Plan, kind: str) -> Mapping[str, Any]:
        (found,) = [item.manifest for item in made.apply if item.manifest["kind"] == kind]
        return found

    def step(self) -> Plan:
        """A reconciliation, then what the Deployment's controller does: the old goes as the new is ready."""
        made = self.look()
        fresh = [pod for pod in self.pods if pod.moved == self.moved and pod.runtime == self.mark()]
        if any(pod.ready for pod in fresh):
            self.pods = fresh
        return made

    def may_be_evicted(self) -> bool:
        """As the eviction API judges it."""
        return sum(pod.ready for pod in self.pods) - 1 >= 1 - int(self.budget)


def ready(made: Plan) -> tuple[str, str, str]:
    (condition,) = [item for item in made.conditions if item.type == "Ready"]
    return condition.status, condition.reason, condition.message


def test_nobody_may_take_away_the_only_instance() -> None:
    world = World()
    assert ready(world.look())[1] == "Ready"
    assert not world.may_be_evicted()
    assert len(world.pods) == 1, "nothing moves without need"


def test_it_moves_when_its_node_is_to_be_emptied_and_serves_all_the_while() -> None:
    world = World()
    world.leaving = {"one"}
    world.look()
    assert [pod.name for pod in world.pods] == ["shop-web-1", "shop-web-2"]
    status, reason, message = ready(world.step())
    assert (status, reason) == ("True", "Moving")
    assert "moves away from one" in message
    for _ in range(3):
        made = world.step()
        assert sum(pod.ready for pod in world.pods) >= 1
    assert [(pod.name, pod.node) for pod in world.pods] == [("shop-web-2", "two")]
    assert ready(made)[:2] == ("True", "Ready")
    assert not world.may_be_evicted()


def test_it_moves_again_when_the_other_node_is_emptied_later() -> None:
    world = World()
    for node in ("one", "two", "one"):
        world.leaving = {node}
        for _ in range(4):
            world.step()
        assert node not in {pod.node for pod in world.pods}
    assert world.made == 4


def test_it_stays_where_nobody_has_room_and_is_given_up_in_the_end() -> None:
    world = World(nodes=["one"])
    world.leaving = {"one"}
    for _ in range(5):
        made = world.step()
    assert world.made == 2, "one tries to find a place, no more"
    assert not world.may_be_evicted()
    status, reason, message = ready(made)
    assert (status, reason) == ("True", "Moving")
    assert "no other node has room for it: 0/2 nodes are available" in message
    world.stuck = True
    world.look()
    assert world.may_be_evicted(), "a node must get empty"


def test_no_node_waits_longer_for_a_tenant_whatever_that_changes() -> None:
    world = World(nodes=["one"])
    world.leaving = {"one"}
    made = world.step()
    assert made.next_check == LONGEST, "nothing else would wake anybody then"
    world.now += LONGEST - timedelta(seconds=1)
    world.step()
    assert not world.may_be_evicted()
    world.now += timedelta(seconds=1)
    world.step()
    assert world.may_be_evicted()
    world.since = None
    world.step()
    assert not world.may_be_evicted(), "nobody noted since when"


def test_the_node_that_takes_pods_again_lets_it_move_there() -> None:
    world = World(nodes=["one"])
    world.leaving = {"one"}
    world.step()
    world.leaving = set()
    made = world.step()
    assert world.made == 2
    assert ready(made)[0] == "True"


def test_a_new_version_forgets_the_mark() -> None:
    world = World()
    world.leaving = {"one"}
    for _ in range(3):
        world.step()
    assert world.moved == "shop-web-1"
    world.releases = [released(1, ONE, "Superseded"), released(2, NEXT)]
    world.content = NEXT
    old = [pod.model_copy(update={"runtime": runtime(ONE, ONE.processes[0])}) for pod in world.pods]
    app = App(metadata=Metadata(name="shop", namespace="acme-dev", uid="a-1"), spec=NEXT)
    there = world.observed().deployments[0].model_copy(update={"runtime": runtime(ONE, ONE.processes[0])})
    observed = world.observed().model_copy(update={"pods": tuple(old), "deployments": (there,)})
    template = World.manifest(plan(app, observed, golden.NOW), "Deployment")["spec"]["template"]
    assert MOVED not in template["metadata"]["annotations"]


def test_of_several_instances_one_at_a_time_may_go() -> None:
    several = ONE.model_copy(update={"processes": (Process(name="web", port=8080, replicas=2),)})
    world = World(content=several)
    world.leaving = {"one"}
    world.look()
    assert world.moved == ""
    assert world.budget == 1


def test_what_is_stopped_has_no_budget() -> None:
    world = World()
    app = App(
        metadata=Metadata(name="shop", namespace="acme-dev", uid="a-1"), spec=ONE.model_copy(update={"stopped": True})
    )
    kinds = [item.manifest["kind"] for item in plan(app, world.observed(), golden.NOW).apply]
    assert "PodDisruptionBudget" not in kinds


def test_the_only_instance_of_a_version_on_trial_has_a_budget_too() -> None:
    new = NEXT.model_copy(update={"rollout": Rollout(strategy="blueGreen")})
    app = App(metadata=Metadata(name="shop", namespace="acme-dev", uid="a-1"), spec=new)
    releases = (released(1, ONE), released(2, new, "Pending"))
    made = plan(app, World().observed().model_copy(update={"releases": releases}), golden.NOW)
    budgets = [item.manifest for item in made.apply if item.manifest["kind"] == "PodDisruptionBudget"]
    selected = {item["spec"]["selector"]["matchLabels"]["roost.dev/process"] for item in budgets}
    assert selected == {"web", CANDIDATE}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, None),
        ({"unschedulable": True}, LeavingNode(name="one")),
        (
            {"unschedulable": True, "taints": [{"key": "node.kubernetes.io/unschedulable", "timeAdded": NOON}]},
            LeavingNode(name="one", since=golden.NOW),
        ),
        ({"taints": [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]}, LeavingNode(name="one")),
        ({"taints": [{"key": "ToBeDeletedByClusterAutoscaler", "value": "1"}]}, LeavingNode(name="one")),
        ({"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}]}, None),
    ],
)
def test_which_nodes_are_about_to_be_emptied(spec: dict[str, Any], expected: LeavingNode | None) -> None:
    assert leaving({"metadata": {"name": "one"}, "spec": spec}) == expected
