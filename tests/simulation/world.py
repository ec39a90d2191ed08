"""A world: the fake, controllers that work on it, people who change their minds, a garbage collector; and its judge.

Everything that happens follows from one seed. Controllers are the kernel as it is, with the toy capability of the
kernel's integration tests; one that died is started again after a second.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from roost.kernel.capability import Capability
from roost.kernel.lease import Election, Fence, LeadershipLost, LeaseTimes, Open
from roost.kernel.runtime import Runtime
from roost.kernel.store import OWNER_UID
from roost.kube.client import Client
from roost.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from roost.kube.transport import Request
from roost.model.conditions import READY, find
from roost.model.kinds.app import App, AppSpec, Variable
from roost.model.names import API_VERSION
from roost.settings import Settings
from tests.integration.kernel import toy
from tests.simulation.fake import Object, Server, Write
from tests.simulation.virtual import VirtualClock
from tests.simulation.wire import Chaos, Death, Wire

HERE, ELSEWHERE = "one", "elsewhere"
MINE = {"test/toy": "yes"}


class Violation(AssertionError):
    """The world is not as it must be."""


@dataclass
class Process:
    """A controller that is started again whenever it died. `elects`: it works only while it has the Lease."""

    world: "World"
    name: str
    chaos: Chaos
    elects: bool = False
    fence: Fence = field(default_factory=Fence)
    wire: Wire | None = None
    deaths: int = 0
    writes: int = 0

    async def run(self) -> None:
        """Live, die and live again, until cancelled."""
        while True:
            self.wire = self.world.wire(self.name, self.chaos)
            self.wire.before_write = self._fenced
            try:
                await self._live(Client(self.wire))
            except LeadershipLost:
                self.deaths += 1
            except BaseExceptionGroup as group:
                self._note(group)
            except Death:
                self.deaths += 1
            self.writes += self.wire.sent
            if self.chaos.crash_at:
                self.chaos = Chaos(self.chaos.seed, self.chaos.latency_s)
            await asyncio.sleep(1.0)

    async def _live(self, client: Client) -> None:
        clock = VirtualClock(self.world.chance.getrandbits(32))
        # No second look saves who missed something: `World.restart` has everything looked at again.
        runtime = Runtime(client, self.world.capabilities, Settings(workers=4, resync_s=10**6), clock)
        if not self.elects:
            await runtime.run(Open())
            return

        async def work(fence: Fence) -> None:
            self.fence = fence
            await runtime.run(fence)

        await Election(client, HERE, "lead", self.name, clock).run(work, LeaseTimes())

    def _fenced(self, request: Request) -> None:
        """No process writes to what it looks after while another one may."""
        if (
            not self.elects
            or request.path.split("/")[-2:-1] == ["leases"]
            or request.path.endswith(("leases", "events"))
        ):
            return
        now = asyncio.get_running_loop().time()
        others = [p for p in self.world.processes if p is not self and p.elects and p.fence.deadline > now]
        if others:
            told = f"{self.name} writes while {others[0].name} may: {request.method} {request.path}"
            self.world.problems.append(Violation(told))  # Raised here, the kernel would take it for a bug of its own.

    def _note(self, group: "BaseExceptionGroup[BaseException]") -> None:
        rest = group.split(Death)[1]
        if rest is not None:
            self.world.problems.append(rest)
        self.deaths += 1


class World:
    """Make it inside a virtual loop."""

    capabilities: Sequence[Capability] = (toy.FINAL,)  # Of its controllers.

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        clock = VirtualClock(seed)
        self.server = Server(random.Random(seed + 1), clock.now)
        self.server.ring = self._ring
        self._wires: list[Wire] = []
        self._asked: dict[str, dict[str, str]] = {}  # The configuration that people gave last.
        self._tasks: list[asyncio.Task[None]] = []
        self.processes: list[Process] = []
        self.problems: list[BaseException] = []
        self.person = Client(self.wire("person", Chaos(seed, latency_s=0.0)))
        self._tasks.append(asyncio.ensure_future(self._collect()))

    def wire(self, agent: str, chaos: Chaos) -> Wire:
        """A new way to the server."""
        made = Wire(self.server, agent, Chaos(**{**vars(chaos), "seed": self.chance.getrandbits(32)}))
        self._wires = [wire for wire in self._wires if not wire.dead] + [made]
        return made

    def start(self, name: str, chaos: Chaos, elects: bool = False) -> Process:
        """A controller begins."""
        process = Process(self, name, chaos, elects)
        self.processes.append(process)
        self._tasks.append(asyncio.ensure_future(process.run()))
        return process

    def heal(self) -> None:
        """From now on nothing goes wrong by itself."""
        for process in self.processes:
            process.chaos = Chaos(process.chaos.seed, process.chaos.latency_s)
            if process.wire is not None:
                process.wire.calm()

    def restart(self) -> None:
        """Kill all controllers: those that come after them look at everything."""
        for process in self.processes:
            if process.wire is not None:
                process.wire.dead = True
        self._ring()

    async def end(self) -> None:
        """Stop everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # What people do

    async def set_app(self, name: str, **config: str) -> None:
        """Make an App or change it."""
        spec = AppSpec(config=tuple(Variable(name=key, value=value) for key, value in sorted(config.items())))
        stands = await self.person.apply(App.manifest(name, spec, HERE), "person")
        if "deletionTimestamp" not in stands["metadata"]:  # What is being deleted goes, whatever is asked of it.
            self._asked[name] = config

    async def delete(self, kind: str, name: str, namespace: str = HERE) -> None:
        """Delete something, if it is there."""
        meta = {"name": name, "namespace": namespace}
        if kind == "App":
            self._asked.pop(name, None)
        with suppress(NotFound):
            await self.person.delete(
                {"apiVersion": API_VERSION if kind == "App" else "v1", "kind": kind, "metadata": meta}
            )

    async def occupy(self, name: str) -> bool:
        """Make a ConfigMap that is nobody's; whether there was room."""
        meta = {"name": name, "namespace": HERE, "labels": dict(MINE)}
        with suppress(AlreadyExists):
            made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"value": "theirs"}}
            await self.person.create(made, "person")
            return True
        return False

    async def meddle(self, name: str, namespace: str) -> None:
        """Change what a controller looks after."""
        found = await self.person.get("v1", "ConfigMap", name, namespace)
        if found is not None:
            with suppress(NotFound, Conflict):
                await self.person.patch(found, {"data": {"value": "meddled"}}, "person")

    # What the judge sees

    def maps(self) -> dict[tuple[str, str], Object]:
        """The toy's ConfigMaps by place."""
        found = [item for item in self.server.standing("ConfigMap") if item["metadata"].get("labels", {}) != {}]
        return {(item["metadata"]["namespace"], item["metadata"]["name"]): item for item in found}

    def apps(self) -> dict[str, Object]:
        """The Apps."""
        return {item["metadata"]["name"]: item for item in self.server.standing("App")}

    def judge(self, occupied: frozenset[str] = frozenset()) -> None:
        """Everything stands as the Apps say, and nothing else. Violation says what does not."""
        if self.problems:
            raise Violation(f"A controller broke: {self.problems[0]!r}")
        config = {name: _config(item) for name, item in self.apps().items()}
        if config != self._asked:
            raise Violation(f"People asked for {self._asked} and there is {config}.")
        wanted: dict[tuple[str, str], tuple[str, str]] = {}
        for name, item in self.apps().items():
            if item["metadata"].get("deletionTimestamp"):
                raise Violation(f"{name} is still being deleted.")
            uid = item["metadata"]["uid"]
            for variable, value in _config(item).items():
                wanted[value if variable == "AWAY" else HERE, f"{name}-{variable.lower()}"] = uid, value
            _judge_status(name, item)
        standing = {
            place: (item["metadata"]["labels"].get(OWNER_UID, ""), item["data"]["value"])
            for place, item in self.maps().items()
            if place[1] not in occupied
        }
        if standing != wanted:
            only = {place: found for place, found in standing.items() if wanted.get(place) != found}
            lacks = {place: found for place, found in wanted.items() if standing.get(place) != found}
            raise Violation(f"It has {only} and should have {lacks}.")

    def judge_calm(self, since: int) -> None:
        """Nothing was written by a controller since then, but for Leases."""
        told = [write for write in self.server.writes[since:] if write.agent != "person" and write.kind != "Lease"]
        if told:
            raise Violation(f"All stands, and still {len(told)} writes: {told[:3]}")

    # What goes on by itself

    def _ring(self) -> None:
        for wire in self._wires:
            wire.ring()

    async def _collect(self) -> None:
        """Kubernetes' garbage collector: what names owners that are all gone goes too."""
        seen = 0
        while True:
            await asyncio.sleep(0.5 + self.chance.random() * 2.0)
            if seen == self.server.version:
                continue
            seen = self.server.version
            living = {item["metadata"]["uid"] for item in self.server.standing("App")}
            for item in self.server.standing("ConfigMap"):
                owners = {owner["uid"] for owner in item["metadata"].get("ownerReferences") or ()}
                if owners and not owners & living:
                    with suppress(KubeError):
                        await self.person.delete(item, uid=item["metadata"]["uid"])


def _config(item: Object) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in item["spec"].get("config") or ()}


def _judge_status(name: str, item: Object) -> None:
    status = item.get("status") or {}
    condition = find(status.get("conditions") or (), READY) or {}
    now = (condition.get("status"), condition.get("observedGeneration"))
    if now != ("True", item["metadata"]["generation"]):
        raise Violation(f"{name} is not Ready for its generation {item['metadata']['generation']}: {condition}")
    listed = [entry["name"] for entry in status.get("inventory") or ()]
    wanted = [f"{name}-{variable.lower()}" for variable in _config(item)]
    if sorted(listed) != sorted(wanted):
        raise Violation(f"The inventory of {name} has {listed} and should have {wanted}.")


Trace = list[Write]
Story = Callable[[World], Any]


def follow(world: World, process: Process, number: int) -> None:
    """A second controller begins when the first one sends its n-th write."""
    wire = process.wire
    assert wire is not None

    def begin(request: Request) -> None:
        if wire.sent == number:
            world.start("second", Chaos(number, latency_s=0.02))

    wire.before_write = begin
