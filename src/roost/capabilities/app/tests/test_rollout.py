"""A version takes over by steps. What stands in the status is all that is remembered between two looks."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from roost.capabilities.app.manifests.pod import CANDIDATE, runtime
from roost.capabilities.app.model import Observed, SeenDeployment, SeenPod, SeenRelease, SeenRoute
from roost.capabilities.app.plan import plan
from roost.kernel import golden
from roost.model import content as contents
from roost.model.content import content_digest
from roost.model.kinds.app import App, AppSpec, AppStatus, Artefact, Counters, Process, Rollout, Step, Variable
from roost.model.plan import Plan
from roost.model.resource import Metadata

IMAGE = "registry.roost-system.svc:5000/acme/shop@sha256:" + "a" * 64
PROCESSES = (Process(name="web", port=8080, replicas=3), Process(name="worker"))
OLD = AppSpec(artefact=Artefact(image=IMAGE), processes=PROCESSES)
NEW = OLD.model_copy(update={"config": (Variable(name="COLOUR", value="green"),)})
WEB = PROCESSES[0]
CANARY = Rollout(strategy="canary", steps=(Step(weight=10, hold_s=30), Step(weight=50, hold_s=30)), bake_s=30)


def release(number: int, made: AppSpec, phase: Any = "Pending") -> SeenRelease:
    served = phase in ("Live", "Superseded")
    return SeenRelease(
        number=number,
        name=f"shop-v{number}",
        digest=content_digest(made),
        phase=phase,
        served=served,
        content=made,
    )


class World:
    """What there is: instances become ready at once, requests are counted, and the clock goes on by hand."""

    def __init__(self, rollout: Rollout = CANARY, content: AppSpec = NEW) -> None:
        self.now = golden.NOW
        self.spec = content.model_copy(update={"rollout": rollout})
        self.releases = [release(1, OLD, "Live"), release(2, content)]
        self.running = {"web": (OLD, 3), "worker": (OLD, 1)}
        self.traffic = {"web": Counters(), CANDIDATE: Counters()}
        self.trouble: dict[str, Any] = {}  # Of the candidate's instances.
        self.status: dict[str, Any] = {}
        self.told = True

    def _deployment(self, called: str, content: AppSpec, replicas: int) -> SeenDeployment:
        broken = bool(self.trouble) and called == CANDIDATE
        return SeenDeployment(
            process=called,
            release="shop-v1" if content == OLD else "shop-v2",
            runtime=self._mark(called, content),
            wanted=replicas,
            replicas=replicas,
            updated=replicas,
            available=0 if broken else replicas,
        )

    def _mark(self, called: str, content: AppSpec) -> str:
        name = "web" if called == CANDIDATE else called
        return runtime(content, next(item for item in content.processes if item.name == name))

    def _by_these_steps(self, seen: SeenRelease) -> SeenRelease:
        """As if every version had been made with the strategy and the promise of today."""
        kept = contents.content(self.spec)
        said = seen.content.model_copy(update={"rollout": kept.rollout, "slo": kept.slo})
        return seen.model_copy(update={"content": said, "digest": content_digest(said)})

    def observed(self) -> Observed:
        pods = []
        for called, (content, replicas) in self.running.items():
            state = {"ready": True, "started": True} | (self.trouble if called == CANDIDATE else {})
            for number in range(replicas):
                named = {"name": f"{called}-{number}", "process": called, "runtime": self._mark(called, content)}
                pods.append(SeenPod.model_validate(named | state))
        return Observed(
            tenant="acme",
            environment="dev",
            releases=tuple(self._by_these_steps(item) for item in self.releases),
            deployments=tuple(self._deployment(called, *there) for called, there in self.running.items()),
            pods=tuple(pods),
            route=SeenRoute(taken=True),
            helped=True,
            traffic=dict(self.traffic) if self.told else {},
        )

    def look(self, seconds: float = 0, keep: bool = True) -> Plan:
        """One reconciliation after some seconds. `keep`: it lived long enough to write down how things stand."""
        self.now += timedelta(seconds=seconds)
        app = App(
            metadata=Metadata(name="shop", namespace="acme-dev", uid="a-1"),
            spec=self.spec,
            status=AppStatus.model_validate(self.status),
        )
        made = plan(app, self.observed(), self.now)
        assert plan(app, self.observed(), self.now) == made
        self._apply(made)
        if keep:
            self.status |= made.status
        return made

    def _apply(self, made: Plan) -> None:
        wanted = {}
        for item in made.apply:
            if item.manifest["kind"] == "Deployment":
                spec = item.manifest["spec"]
                called = item.manifest["metadata"]["labels"]["roost.dev/process"]
                env = spec["template"]["spec"]["containers"][0]["env"]
                content = NEW if any(item["name"] == "COLOUR" for item in env) else OLD
                wanted[called] = (content, spec["replicas"])
        self.running = wanted
        for action in made.actions:
            if action.name == "mark":
                phase = action.arguments["phase"]
                self.releases = [
                    seen.model_copy(update={"phase": phase, "served": seen.served or phase == "Live"})
                    if seen.name == action.arguments["release"]
                    else seen
                    for seen in self.releases
                ]

    def serve(self, errors: int = 0, requests: int = 100) -> None:
        """The candidate answers requests."""
        seen = self.traffic[CANDIDATE]
        counted = {"requests": seen.requests + requests, "errors": seen.errors + errors}
        self.traffic[CANDIDATE] = seen.model_copy(update=counted)


def shares(made: Plan) -> Mapping[str, int]:
    """Who gets which share of the requests."""
    (route,) = [item.manifest for item in made.apply if item.manifest["kind"] == "HTTPRoute"]
    return {item["name"]: item["weight"] for item in route["spec"]["rules"][0]["backendRefs"]}


def names(made: Plan) -> set[str]:
    return {item.manifest["metadata"]["name"] for item in made.apply if item.manifest["kind"] == "Deployment"}


def phase(world: World) -> tuple[str, int]:
    return world.status["rollout"]["phase"], world.status["rollout"]["weight"]


def reason(made: Plan) -> str:
    return next(item.reason for item in made.conditions if item.type == "Ready")


ALONE = {"shop-web": 1}


def test_a_canary_takes_over_by_steps_and_the_old_instances_go_last() -> None:
    world = World()
    made = world.look()
    assert shares(made) == ALONE
    assert world.running["web"][0] == OLD
    assert world.running[CANDIDATE] == (NEW, 3)
    assert phase(world) == ("Starting", 0)
    seen: list[tuple[str, int]] = []
    for _ in range(60):
        made = world.look(5)
        world.serve()
        if not seen or seen[-1] != phase(world):
            seen.append(phase(world))
    assert seen == [("Testing", 10), ("Testing", 50), ("Testing", 100), ("Replacing", 100), ("Live", 100)]
    assert world.running == {"web": (NEW, 3), "worker": (NEW, 1)}
    assert shares(made) == ALONE
    assert reason(made) == "Ready"
    assert [item.phase for item in world.releases] == ["Superseded", "Live"]


def test_the_shares_are_weights_of_the_route() -> None:
    world = World()
    world.look()
    assert shares(world.look(5)) == {"shop-web": 90, "shop-web--next": 10}
    world.serve()
    assert shares(world.look(30)) == {"shop-web": 50, "shop-web--next": 50}
    world.serve()
    assert shares(world.look(30)) == {"shop-web--next": 100}


def test_a_version_that_fails_its_requests_is_taken_back_and_never_gets_one_again() -> None:
    world = World()
    world.look()
    world.look(5)
    world.serve(errors=20)
    made = world.look(5)
    assert shares(made) == ALONE
    assert reason(made) == "RolledBack"
    assert "20.0 % of 100 requests failed" in made.conditions[0].message
    assert world.running["web"][0] == OLD
    assert world.releases[-1].phase == "Aborted"
    for _ in range(20):
        made = world.look(60)
        assert shares(made) == ALONE
    assert world.running == {"web": (OLD, 3), "worker": (OLD, 1)}
    assert reason(made) == "RolledBack"


def test_it_stays_taken_back_when_the_status_is_lost() -> None:
    world = World()
    world.look()
    world.look(5)
    world.serve(errors=100)
    world.look(5)
    world.status = {}
    for _ in range(20):
        made = world.look(60)
        assert shares(made) == ALONE
        assert world.running["web"][0] == OLD


def test_few_failures_among_few_requests_prove_nothing() -> None:
    world = World()
    world.look()
    world.look(5)
    world.serve(errors=1, requests=2)
    assert reason(world.look(5)) == "Testing"


def test_slow_answers_are_failures_where_a_bound_is_given() -> None:
    checks = CANARY.checks.model_copy(update={"latency_ms": 100})
    world = World(CANARY.model_copy(update={"checks": checks}))
    world.look()
    world.look(5)
    world.traffic[CANDIDATE] = Counters(requests=100, slow=6)
    made = world.look(5)
    assert "took longer than 100 ms" in made.conditions[0].message
    assert shares(made) == ALONE


def test_a_version_that_never_becomes_ready_gets_no_request() -> None:
    world = World()
    world.trouble = {"ready": False, "started": False, "restarts": 3, "exit_code": 1, "last_words": "no such table"}
    for _ in range(5):
        made = world.look(10)
        assert shares(made) == ALONE
        assert world.running["web"][0] == OLD
    assert reason(made) == "RolledBack"
    assert "no such table" in made.conditions[0].message
    assert world.running == {"web": (OLD, 3), "worker": (OLD, 1)}


def test_blue_green_switches_at_once_and_keeps_the_old_instances_meanwhile() -> None:
    world = World(Rollout(strategy="blueGreen", bake_s=60))
    assert shares(world.look()) == ALONE
    assert shares(world.look(5)) == {"shop-web--next": 100}
    world.serve()
    assert shares(world.look(50)) == {"shop-web--next": 100}
    assert world.running["web"][0] == OLD
    world.serve()
    world.look(10)
    assert world.running["web"][0] == NEW


def test_it_pauses_for_a_person() -> None:
    world = World(Rollout(strategy="blueGreen", pause=True))
    world.look()
    for _ in range(5):
        made = world.look(1000)
    assert reason(made) == "Paused"
    assert shares(made) == ALONE
    world.spec = world.spec.model_copy(update={"rollout": world.spec.rollout.model_copy(update={"promote": 2})})
    assert shares(world.look(1)) == {"shop-web--next": 100}


def test_a_person_takes_it_back() -> None:
    world = World()
    world.look()
    world.look(5)
    world.spec = world.spec.model_copy(update={"rollout": world.spec.rollout.model_copy(update={"abort": 2})})
    made = world.look(1)
    assert shares(made) == ALONE
    assert "a person said so" in made.conditions[0].message
    world.spec = world.spec.model_copy(update={"rollout": CANARY})
    assert shares(world.look(100)) == ALONE


def test_a_person_takes_it_back_while_the_old_instances_are_replaced() -> None:
    world = World(Rollout(strategy="blueGreen", bake_s=60))
    world.look()
    world.look(5)
    world.serve()
    world.look(60)
    assert phase(world) == ("Replacing", 100)
    assert world.status["live"] == "shop-v2"
    assert [item.phase for item in world.releases] == ["Superseded", "Live"]
    world.spec = world.spec.model_copy(update={"rollout": world.spec.rollout.model_copy(update={"abort": 2})})
    made = world.look(1)
    assert shares(made) == ALONE
    assert reason(made) == "RolledBack"
    assert world.running["web"][0] == OLD
    assert world.running[CANDIDATE][0] == NEW, "the gateway may still lead to it"
    assert world.status["live"] == "shop-v1"
    assert [item.phase for item in world.releases] == ["Live", "Aborted"]
    for _ in range(5):
        made = world.look(10)
        assert shares(made) == ALONE
    assert world.running == {"web": (OLD, 3), "worker": (OLD, 1)}
    assert world.status["live"] == "shop-v1"
    assert [item.phase for item in world.releases] == ["Live", "Aborted"]


def test_what_serves_alone_is_taken_back_by_a_rollback_only() -> None:
    world = World(Rollout(strategy="blueGreen", bake_s=0))
    for _ in range(10):
        world.look(10)
    assert phase(world) == ("Live", 100)
    world.spec = world.spec.model_copy(update={"rollout": world.spec.rollout.model_copy(update={"abort": 2})})
    made = world.look(1)
    assert reason(made) == "Ready"
    assert world.running["web"][0] == NEW


def test_a_person_takes_back_what_is_replaced_one_by_one() -> None:
    world = World(Rollout(abort=2))
    world.running["web"] = (NEW, 3)
    made = world.look()
    assert world.running["web"][0] == OLD
    assert reason(made) == "RolledBack"
    assert world.releases[-1].phase == "Aborted"


def test_without_automatic_rollback_it_stops_where_it_fails() -> None:
    world = World(CANARY.model_copy(update={"automatic_rollback": False}))
    world.look()
    world.look(5)
    world.serve(errors=50)
    for _ in range(5):
        made = world.look(100)
    assert shares(made) == {"shop-web": 90, "shop-web--next": 10}
    assert "It stops here" in made.conditions[0].message


def test_it_waits_while_the_gateways_do_not_tell() -> None:
    world = World()
    world.look()
    world.look(5)
    world.told = False
    for _ in range(5):
        made = world.look(100)
    assert shares(made) == {"shop-web": 90, "shop-web--next": 10}
    assert "do not tell" in made.conditions[0].message


def test_a_gateway_that_counts_anew_begins_the_step_anew() -> None:
    world = World()
    world.serve()  # Of an earlier trial.
    world.look()
    world.look(5)
    world.serve()
    world.look(29)
    world.traffic[CANDIDATE] = Counters(requests=1)
    world.look(1)
    world.look(1)
    world.serve()
    assert phase(world) == ("Testing", 10)
    world.look(30)
    assert phase(world) == ("Testing", 50)


def test_what_served_before_comes_back_at_once() -> None:
    world = World()
    world.releases = [release(1, NEW, "Superseded"), release(2, OLD, "Live"), release(3, NEW)]
    made = world.look()
    assert world.running["web"][0] == NEW
    assert "shop-web--next" not in names(made)


def test_more_instances_are_no_trial() -> None:
    more = OLD.model_copy(update={"processes": (WEB.model_copy(update={"replicas": 5}), PROCESSES[1])})
    world = World(content=more)
    assert "shop-web--next" not in names(world.look())


def test_the_first_version_has_nobody_to_take_over_from() -> None:
    world = World()
    world.releases = [release(1, NEW)]
    world.running = {}
    assert names(world.look()) == {"shop-web", "shop-worker"}


def test_another_version_in_between_takes_the_place_of_the_one_on_trial() -> None:
    world = World()
    world.look()
    world.look(5)
    back = world.spec.model_copy(update={"config": OLD.config})
    world.spec, world.releases = back, [*world.releases, release(3, OLD)]
    made = world.look(1)
    assert shares(made) == ALONE
    assert "shop-web--next" in names(made), "the gateway may still lead to it"
    made = world.look(10)
    assert "shop-web--next" not in names(made)


@pytest.mark.parametrize("lost", range(1, 30))
def test_whoever_is_killed_before_writing_down_how_it_stands_goes_on(lost: int) -> None:
    """The plan's writes were done, its status was not."""
    world = World()
    seen: list[tuple[str, int]] = []
    for number in range(70):
        world.look(5, keep=number != lost)
        world.serve()
        if not seen or seen[-1] != phase(world):
            seen.append(phase(world))
    assert seen[-1] == ("Live", 100)
    assert [weight for _, weight in seen] == sorted(weight for _, weight in seen)
    assert world.running == {"web": (NEW, 3), "worker": (NEW, 1)}


def test_no_request_ever_goes_to_instances_that_are_not_there() -> None:
    world = World()
    for _ in range(70):
        made = world.look(5)
        world.serve()
        assert set(shares(made)) <= names(made)
