"""A world with the real app capability: a person releases and goes back, Kubernetes makes of it what it would.

`_kubernetes` plays what is around the controller: Deployments roll out (those of a bad image end over and over),
release commands end, the gateway takes routes.
"""

import asyncio
import base64
from contextlib import suppress
from typing import Any

from roost.capabilities.app import capability
from roost.capabilities.app.manifests.pod import runtime
from roost.capabilities.app.model import RUNTIME
from roost.kube.errors import KubeError
from roost.model import names
from roost.model.conditions import READY, find, timestamp
from roost.model.configuration import secret_copy_name, secret_name, secret_version
from roost.model.content import content_digest
from roost.model.kinds.app import App, AppSpec, Artefact, Process, Release, Variable
from tests.simulation.fake import Object
from tests.simulation.virtual import VirtualClock
from tests.simulation.world import HERE, Violation, World

BAD = "b"  # Instances of this image end over and over.
ROUTE = "gateway.networking.k8s.io/v1"


def spec(letter: str, level: str, replicas: int = 1, migrates: bool = False) -> AppSpec:
    """A version: image, plain configuration, scale, a host name, perhaps a release command."""
    web = Process(name="web", port=8080, replicas=replicas)
    return AppSpec(
        artefact=Artefact(image=f"registry.roost-system.svc:5000/acme/shop@sha256:{letter * 64}"),
        processes=(web,),
        config=(Variable(name="LEVEL", value=level),),
        domains=(f"{level}-dev.acme.roost.localhost",),
        release_command=("migrate",) if migrates else (),
    )


class ShopWorld(World):
    """One tenant, one environment, one application."""

    capabilities = (capability,)

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.asked: list[AppSpec] = []  # What people wanted, in turn; what equals the one before it counts once.
        self._tasks.append(asyncio.ensure_future(self._kubernetes()))

    async def open(self) -> None:
        """The environment stands."""
        labels = {names.TENANT: "acme", names.ENVIRONMENT: "dev"}
        place = await self.person.get("v1", "Namespace", HERE)
        assert place is not None
        await self.person.patch(place, {"metadata": {"labels": labels}}, "person")

    # What people do, through an API that may die between its two writes

    async def write_secret(self, value: str) -> str:
        """Secret configuration; its version."""
        data = {"TOKEN": base64.b64encode(value.encode()).decode()}
        meta = {"name": secret_name("shop"), "namespace": HERE}
        await self.person.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data}, "person")
        return secret_version(data, salt="")

    async def release(self, wanted: AppSpec, secret: str) -> None:
        """Ask for a version."""
        await self._ask(wanted.model_copy(update={"secret_version": await self.write_secret(secret)}))

    async def roll_back(self, number: int, die_between: bool = False) -> None:
        """As the API does: the secrets of that version, then the App. `die_between`: the API does not come to that."""
        found = await self.person.get(names.API_VERSION, "Release", f"shop-v{number}", HERE)
        assert found is not None
        content = Release.parse(found).spec.content
        copy = await self.person.get("v1", "Secret", secret_copy_name("shop", content.secret_version), HERE)
        assert copy is not None, "The secrets of a version that is kept are kept."
        meta = {"name": secret_name("shop"), "namespace": HERE}
        data = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": copy["data"]}
        await self.person.apply(data, "person")
        if not die_between:
            await self._ask(content.model_copy(update={"hold": f"Rolled back to v{number} by ada."}))

    async def _ask(self, wanted: AppSpec) -> None:
        if not self.asked or content_digest(self.asked[-1]) != content_digest(wanted):
            self.asked.append(wanted)
        await self.person.apply(App.manifest("shop", wanted, HERE, annotations={names.AUTHOR: "ada"}), "person")

    # What Kubernetes does

    async def _kubernetes(self) -> None:
        clock = VirtualClock(self.seed)
        seen = 0
        while True:
            await asyncio.sleep(0.5 + self.chance.random())
            if seen == self.server.version:
                continue
            seen = self.server.version
            for item in self.server.standing("Deployment"):
                with suppress(KubeError):
                    await self._roll_out(item)
            for item in self.server.standing("Job"):
                with suppress(KubeError):
                    await self._end(item)
            for item in self.server.standing("HTTPRoute"):
                accepted = {"type": "Accepted", "status": "True", "observedGeneration": item["metadata"]["generation"]}
                accepted["lastTransitionTime"] = timestamp(clock.now())
                known = (item.get("status") or {}).get("parents") or [{"conditions": [{}]}]
                if known[0]["conditions"][0].get("observedGeneration") != accepted["observedGeneration"]:
                    with suppress(KubeError):
                        await self._say(item, {"parents": [{"conditions": [accepted]}]})

    async def _say(self, item: Object, status: dict[str, Any]) -> None:
        if (item.get("status") or {}) != status:
            await self.person.patch(item, {"status": status}, "kubernetes", "status")

    async def _roll_out(self, item: Object) -> None:
        template, wanted = item["spec"]["template"], item["spec"]["replicas"]
        bad = template["spec"]["containers"][0]["image"].endswith(BAD * 64)
        replicas = wanted + 1 if bad else wanted
        status = {"observedGeneration": item["metadata"]["generation"], "replicas": replicas}
        status |= {"updatedReplicas": 1 if bad else wanted, "availableReplicas": wanted}
        for pod in self.server.standing("Pod"):
            if not bad:
                await self.person.delete(pod)
        if bad and not self.server.standing("Pod"):
            meta = {**template["metadata"], "name": "shop-web-bad", "namespace": HERE}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}
            ended = {"terminated": {"exitCode": 1, "reason": "Error"}}
            state = {"waiting": {"reason": "CrashLoopBackOff"}}
            told = {"name": "web", "restartCount": 5, "ready": False, "state": state, "lastState": ended}
            await self.person.create({**pod, "status": {"phase": "Running", "containerStatuses": [told]}}, "kubernetes")
        await self._say(item, status)

    async def _end(self, item: Object) -> None:
        await self._say(item, {"conditions": [{"type": "Complete", "status": "True"}]})

    # What the judge sees

    def releases(self) -> list[Release]:
        """By number."""
        return sorted(map(Release.parse, self.server.standing("Release")), key=lambda item: item.spec.number)

    def state(self) -> str:
        """`<status> <reason>` of Ready for what was asked last, or ""."""
        for item in self.server.standing("App"):
            found = find((item.get("status") or {}).get("conditions") or (), READY) or {}
            if found.get("observedGeneration") == item["metadata"]["generation"]:
                return f"{found['status']} {found['reason']}"
        return ""

    def judge_shop(self) -> None:
        """What was asked for last serves, whole; each thing asked for is one version, in turn. Violation."""
        if self.problems:
            raise Violation(f"A controller broke: {self.problems[0]!r}")
        if self.state() != "True Ready":
            raise Violation(f"It is {self.state()!r}.")
        made, wanted = self.releases(), self.asked
        if [item.spec.digest for item in made] != [content_digest(item) for item in wanted]:
            raise Violation(f"{len(wanted)} things were asked for, and there are {[item.spec.cause for item in made]}.")
        if [item.spec.number for item in made] != list(range(1, len(made) + 1)):
            raise Violation(f"Numbers are {[item.spec.number for item in made]}.")
        phases = [item.status.phase for item in made]
        if phases[-1] != "Live" or "Live" in phases[:-1]:
            raise Violation(f"Phases are {phases}.")
        self._judge_what_runs(made[-1].spec.content)
        kept = {item["metadata"]["name"] for item in self.server.standing("Secret")}
        copies = {secret_copy_name("shop", item.spec.content.secret_version) for item in made}
        if kept != copies | {secret_name("shop")}:
            raise Violation(f"Secrets are {kept}, and should be {copies}.")

    def _judge_what_runs(self, content: AppSpec) -> None:
        [deployment], [route] = self.server.standing("Deployment"), self.server.standing("HTTPRoute")
        template, process = deployment["spec"]["template"], content.processes[0]
        found = (
            template["metadata"]["annotations"][RUNTIME],
            deployment["spec"]["replicas"],
            set(route["spec"]["hostnames"]),
            template["spec"]["containers"][0]["envFrom"][0]["secretRef"]["name"],
        )
        wanted = (
            runtime(content, process),
            process.replicas,
            {"shop-dev.acme.roost.localhost", *content.domains},
            secret_copy_name("shop", content.secret_version),
        )
        if found != wanted:
            raise Violation(f"What runs is {found}, and should be {wanted}.")
