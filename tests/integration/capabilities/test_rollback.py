"""Going back, with controller and API as they are: twenty versions later, in the middle of a roll-out, after one that
failed; and what garbage collection leaves of the images.
"""

import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from roost.adapters.registry_store import collect
from roost.adapters.tests.test_registry_store import NOW, Shelf
from roost.kube.client import Client
from roost.kube.errors import Conflict, NotFound
from roost.mains.collect import read_needs
from roost.model.kinds.app import App, AppSpec, Artefact, History, Release, ReleaseSpec
from roost.model.kinds.tenant import Member
from roost.model.names import API_VERSION, APP, PROCESS, RELEASE, SYSTEM_NAMESPACE
from roost.settings import Settings
from tests.integration.api.conftest import Running, serving
from tests.integration.capabilities.conftest import Cluster
from tests.integration.capabilities.test_flow import image, serve
from tests.integration.conftest import Eventually

pytestmark = pytest.mark.integration
REPOSITORY = "registry.roost-system.svc:5000/{tenant}/shop@sha256:{digest}"


@pytest.fixture
async def api(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Running]:
    """The API beside the controller, as its own ServiceAccount."""
    path = f"api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/roost-api/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    token = (await cluster.client.request("POST", path, request))["status"]["token"]
    config = yaml.safe_load(cluster.server.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    file = tmp_path / "api"
    file.write_text(yaml.safe_dump(config))
    async with serving(file, cluster.client, Settings()) as running:
        yield running


@dataclass
class Shop:
    """An App of a tenant's own, changed through the API by a developer."""

    cluster: Cluster
    eventually: Eventually
    http: httpx2.AsyncClient
    tenant: str
    number: int = 0

    @property
    def space(self) -> str:
        """Its namespace."""
        return f"{self.tenant}-dev"

    @property
    def path(self) -> str:
        """Where the API has it."""
        return f"/v1/tenants/{self.tenant}/environments/dev/apps/shop"

    async def send(self, method: str, verb: str, body: Any) -> dict[str, Any]:
        """A change; the answer."""
        answer = await self.http.request(method, self.path + verb, json=body)
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def live(self) -> None:
        """The next version comes up and serves."""
        self.number += 1

        async def serves() -> bool:
            for item in await self.cluster.client.list("apps/v1", "Deployment", self.space, f"{APP}=shop"):
                with suppress(NotFound, Conflict):  # The controller goes on meanwhile.
                    await self._rolled_out(item)
            await accept(self.cluster.client, self.space)
            status = (await self.cluster.read("App", "shop", self.space)).get("status") or {}
            return bool(status.get("live") == f"shop-v{self.number}")

        await self.eventually(serves)

    async def _rolled_out(self, item: dict[str, Any]) -> None:
        """Say of a Deployment what its controller would: all instances are of the newest version, and ready."""
        wanted = item["spec"]["replicas"]
        status = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), wanted)
        status["observedGeneration"] = item["metadata"]["generation"]
        if {key: value for key, value in (item.get("status") or {}).items() if key in status} != status:
            await self.cluster.client.patch(item, {"status": status | {"conditions": None}}, "tests", "status")

    async def made(self) -> None:
        """The next version is there, and not more."""
        self.number += 1

        async def there() -> bool:
            status = (await self.cluster.read("App", "shop", self.space)).get("status") or {}
            return bool(status.get("release") == f"shop-v{self.number}")

        await self.eventually(there)

    async def state(self) -> dict[str, Any]:
        """All that one sees of it in the cluster: image, configuration, secrets, routes, scale, health, resources."""
        deployment = await self.cluster.client.get("apps/v1", "Deployment", "shop-web", self.space)
        route = await self.cluster.client.get("gateway.networking.k8s.io/v1", "HTTPRoute", "shop", self.space)
        secret = await self.cluster.client.get("v1", "Secret", "shop-config", self.space)
        assert deployment is not None and route is not None and secret is not None
        pod = deployment["spec"]["template"]["spec"]
        container = pod["containers"][0]
        copy = await self.cluster.client.get("v1", "Secret", container["envFrom"][0]["secretRef"]["name"], self.space)
        assert copy is not None and copy["immutable"]
        fields = ("image", "env", "envFrom", "resources", "startupProbe", "readinessProbe", "command")
        return {
            "container": {key: container.get(key) for key in fields},
            "grace": pod["terminationGracePeriodSeconds"],
            "secrets": copy["data"],
            "edited secrets": secret["data"],
            "replicas": deployment["spec"]["replicas"],
            "host names": route["spec"]["hostnames"],
            "processes": await self.processes(),
        }

    async def processes(self) -> list[str]:
        """Of which there are Deployments."""
        found = await self.cluster.client.list("apps/v1", "Deployment", self.space, f"{APP}=shop")
        return sorted(item["metadata"]["labels"][PROCESS] for item in found)


@pytest.fixture
async def shop(cluster: Cluster, api: Running, eventually: Eventually) -> Shop:
    """Its first version serves, with everything set."""
    tenant = f"t{secrets.token_hex(4)}"
    person = f"dev-{tenant}"
    await cluster.person(person)
    await cluster.tenant(tenant, Member(person=person, role="developer"))

    async def ready() -> bool:
        return await cluster.ready("Tenant", tenant) == "True Ready"

    await eventually(ready)
    made = Shop(cluster, eventually, await api.as_(person), tenant)
    web = {
        "name": "web",
        "port": 8080,
        "replicas": 3,
        "graceS": 7,
        "command": ["serve", "one"],
        "resources": {"cpu": "50m", "memory": "64Mi"},
        "health": {"path": "/one"},
    }
    spec = {
        "artefact": {"image": image(tenant, "1")},
        "processes": [web],
        "config": [{"name": "LEVEL", "value": "one"}],
        "domains": [f"store-dev.{tenant}.roost.localhost"],
    }
    body = {"metadata": {"name": "shop"}, "spec": spec | {"artefact": None}}
    created = await made.http.post(f"/v1/tenants/{tenant}/environments/dev/apps", json=body)
    assert created.status_code == 201, created.text
    await made.send("PATCH", "/config", {"set": {"TOKEN": "one", "GONE": "later"}, "secret": True})
    await made.send("POST", "/deploy", {"image": image(tenant, "1")})
    await made.live()
    return made


async def accept(client: Client, space: str) -> None:
    """Accept the route as it stands, as the gateway does whenever it changes."""
    route = await client.get("gateway.networking.k8s.io/v1", "HTTPRoute", "shop", space)
    if route is None:
        return
    generation = route["metadata"]["generation"]
    known = (route.get("status") or {}).get("parents") or []
    if known and known[0]["conditions"][0]["observedGeneration"] == generation:
        return
    accepted = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""}
    accepted |= {"observedGeneration": generation, "lastTransitionTime": "2026-11-29T00:00:00Z"}
    parent = {"parentRef": route["spec"]["parentRefs"][0], "controllerName": "example.org/gateway"}
    status = {"parents": [parent | {"conditions": [accepted]}]}
    await client.patch(route, {"status": status}, "tests", "status")


def letters(number: int) -> str:
    return "0123456789abcdef"[number % 16]


async def change(shop: Shop, number: int) -> None:
    """One of the changes that make a version; each kind comes round several times."""
    kind = number % 6
    if kind == 0:
        await shop.send("POST", "/deploy", {"image": image(shop.tenant, letters(number))})
    elif kind == 1:
        await shop.send("PATCH", "/config", {"set": {"LEVEL": f"n{number}", f"MORE{number}": "x"}})
    elif kind == 2:
        await shop.send("PATCH", "/config", {"set": {"TOKEN": f"n{number}"}, "unset": [], "secret": True})
    elif kind == 3:
        await shop.send("POST", "/scale", {"processes": {"web": 1 + number % 4}})
    elif kind == 4:
        await shop.send("PATCH", "", {"spec": {"domains": [f"n{number}-dev.{shop.tenant}.roost.localhost"]}})
    else:
        web = {"name": "web", "port": 8000 + number, "health": {"path": f"/n{number}"}, "graceS": number}
        worker = {"name": f"worker{number}", "command": ["work"]}
        await shop.send("PATCH", "", {"spec": {"processes": [web, worker], "releaseCommand": []}})


async def test_twenty_versions_later_the_first_comes_back_whole(shop: Shop, eventually: Eventually) -> None:
    first = await shop.state()
    for number in range(2, 22):
        await change(shop, number)
        await shop.live()
    later = await shop.state()
    assert all(first[key] != later[key] for key in first), "Nothing is as it was, or the comparison shows nothing."
    plan = (await shop.http.get(f"{shop.path}/rollback", params={"to": 1})).json()
    assert (plan["verdict"], plan["current"]) == ("care", 21), plan
    await shop.send("POST", "/rollback", {"to": 1})
    await shop.live()

    async def whole() -> bool:
        return await shop.state() == first

    await eventually(whole)
    one, last = [await shop.cluster.read("Release", f"shop-v{number}", shop.space) for number in (1, 22)]
    assert last["spec"]["content"] == one["spec"]["content"] and last["spec"]["digest"] == one["spec"]["digest"]
    assert (last["spec"]["restores"], last["spec"]["cause"]) == (1, "Back to v1")
    assert last["spec"]["author"] == f"dev-{shop.tenant}"
    told = {item["field"] for item in last["spec"]["changes"]}
    assert {"artefact.image", "config[LEVEL].value", "secrets", "domains", "processes[web].replicas"} <= told
    assert base64.b64encode(b"one").decode() not in str(last["spec"]), "No value of a secret stands in a version."
    app = await shop.cluster.read("App", "shop", shop.space)
    assert app["spec"]["hold"].startswith("Rolled back to v1")


@pytest.mark.full
async def test_every_version_that_is_kept_can_come_back(shop: Shop) -> None:
    contents = {1: (await shop.cluster.read("Release", "shop-v1", shop.space))["spec"]["digest"]}
    for number in range(2, 7):
        await change(shop, number)
        await shop.live()
        contents[number] = (await shop.cluster.read("Release", f"shop-v{number}", shop.space))["spec"]["digest"]
    for number in range(5, 0, -1):
        await shop.send("POST", "/rollback", {"to": number})
        await shop.live()
        found = await shop.cluster.read("Release", f"shop-v{shop.number}", shop.space)
        assert (found["spec"]["digest"], found["spec"]["restores"]) == (contents[number], number)


async def test_a_version_on_its_way_is_left_for_the_one_that_serves(shop: Shop) -> None:
    before = await shop.state()
    await shop.send("POST", "/deploy", {"image": image(shop.tenant, "2")})
    await shop.made()
    plan = (await shop.http.get(f"{shop.path}/rollback")).json()
    assert plan["target"] == 1, "What still serves, not the one before."
    await shop.send("POST", "/rollback", {})
    await shop.live()
    assert await shop.state() == before
    plan = await shop.http.get(f"{shop.path}/rollback")
    assert plan.status_code == 422, "There is nothing earlier that served well."


async def test_a_version_that_failed_is_left_for_what_served(shop: Shop, eventually: Eventually) -> None:
    before = await shop.state()
    await shop.send("POST", "/deploy", {"image": image(shop.tenant, "2")})
    await shop.made()
    await fail(shop)

    async def failed() -> bool:
        found = await shop.cluster.read("Release", "shop-v2", shop.space)
        return bool((found.get("status") or {}).get("phase") == "Failed")

    await eventually(failed)
    await shop.send("POST", "/rollback", {})
    await shop.live()
    assert await shop.state() == before
    phases = [
        ((await shop.cluster.read("Release", f"shop-v{n}", shop.space)).get("status") or {}).get("phase")
        for n in (1, 2, 3)
    ]
    assert phases == ["Superseded", "Failed", "Live"]


async def fail(shop: Shop) -> None:
    """The newest version does not come up in time, as the Deployment controller would tell it."""

    async def begun() -> dict[str, Any]:
        found = await shop.cluster.client.get("apps/v1", "Deployment", "shop-web", shop.space) or {}
        made_for = found["spec"]["template"]["metadata"]["labels"][RELEASE] if found else ""
        return found if made_for == f"shop-v{shop.number}" else {}

    deployment = await shop.eventually(begun)
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "late"}
    status = {"observedGeneration": deployment["metadata"]["generation"], "updatedReplicas": 1, "conditions": [late]}
    await shop.cluster.client.patch(deployment, {"status": status}, "tests", "status")


async def test_images_of_versions_that_are_kept_outlive_garbage_collection(
    cluster: Cluster, tmp_path: Path, eventually: Eventually
) -> None:
    """Pinned and kept versions keep their image in the registry's store; what is forgotten gives it up."""
    tenant = f"t{secrets.token_hex(4)}"
    await cluster.tenant(tenant)

    async def ready() -> bool:
        return await cluster.ready("Tenant", tenant) == "True Ready"

    await eventually(ready)
    space, shelf = f"{tenant}-dev", Shelf(tmp_path)
    digests = [shelf.image(f"{tenant}/shop", f"layer {number}".encode()) for number in range(6)]
    history = History(count=2, days=0, pins=(2,))
    app = await cluster.client.create(App.manifest("shop", AppSpec(history=history), space))
    owner = {"apiVersion": API_VERSION, "kind": "App", "name": "shop", "uid": app["metadata"]["uid"]}
    for number, digest in enumerate(digests[:5], 1):
        content = AppSpec(artefact=Artefact(image=REPOSITORY.format(tenant=tenant, digest=digest)))
        spec = ReleaseSpec(app="shop", number=number, content=content, digest=f"{number:064x}")
        made = Release.manifest(f"shop-v{number}", spec, space, labels={APP: "shop"}, ownerReferences=[owner])
        await cluster.client.create(made)
    newest = AppSpec(artefact=Artefact(image=REPOSITORY.format(tenant=tenant, digest=digests[5])), history=history)
    await cluster.client.apply(App.manifest("shop", newest, space), "tests")
    await serve(cluster, eventually, "shop", space, "shop-v6")

    async def bounded() -> bool:
        found = await cluster.client.list(API_VERSION, "Release", space)
        return {item["metadata"]["name"] for item in found} == {"shop-v2", "shop-v5", "shop-v6"}

    await eventually(bounded)
    reader = Client.connect(str(cluster.server.kubeconfig), "tests")
    try:
        needs = await read_needs(reader)
    finally:
        await reader.close()
    kept = {digests[1], digests[4], digests[5]}
    assert needs.pinned & set(digests) == kept
    for _ in range(2):
        collect(shelf.store, type(needs)(needs.pinned, needs.tenants, newest=0), NOW)
    assert shelf.digests(f"{tenant}/shop") == kept
