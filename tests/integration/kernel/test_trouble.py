"""When things go wrong: one bad object, a lost stream, a version that is too old, a server that dies."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from roost.kernel.clock import SystemClock
from roost.kernel.informer import Informer, Scope
from roost.kube.client import SILENCE_S, Client, Event, Selection
from roost.kube.errors import Gone
from roost.model.conditions import READY, find
from tests.integration import apiserver as servers
from tests.integration.apiserver import ApiServer
from tests.integration.conftest import Eventually
from tests.integration.kernel.conftest import Place, Run
from tests.integration.kernel.proxy import Proxy

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def mortal() -> Iterator[ApiServer]:
    """A kube-apiserver of these tests' own, which they kill."""
    server = servers.start()
    yield server
    server.stop()


async def test_a_poisoned_object_holds_nobody_up(place: Place, run: Run, eventually: Eventually) -> None:
    await run(workers=3)
    await place.app("poisoned", A="1", POISON="x")
    await place.app("hanging", HANG="x")
    for number in range(20):
        await place.app(f"app{number}", A=str(number))

    async def healthy() -> bool:
        return all([await place.ready(f"app{number}") == "True Ready" for number in range(20)])

    await eventually(healthy)

    async def told() -> bool:
        return await place.ready("poisoned") == "False InternalError"

    await eventually(told)
    message = find((await place.read("poisoned"))["status"]["conditions"], READY)
    assert message is not None and "ZeroDivisionError" in message["message"] and "a bug" not in message["message"]
    await place.app("poisoned", A="1")

    async def recovered() -> bool:
        return await place.ready("poisoned") == "True Ready"

    await eventually(recovered)


@pytest.mark.parametrize(("variable", "wanted"), [("STALL", "False NotPossible"), ("WAIT", "False NotYet")])
async def test_an_error_says_what_is_wrong(
    place: Place, run: Run, eventually: Eventually, variable: str, wanted: str
) -> None:
    await run()
    await place.app("one", **{variable: "x"})

    async def told() -> bool:
        return await place.ready("one") == wanted

    await eventually(told)
    version = (await place.read("one"))["metadata"]["resourceVersion"]
    await asyncio.sleep(1.5)
    assert (await place.read("one"))["metadata"]["resourceVersion"] == version, "the same trouble was written twice"


async def test_a_half_open_connection_is_noticed(
    apiserver: ApiServer, place: Place, tmp_path: Path, eventually: Eventually
) -> None:
    proxy = Proxy()
    client = Client.connect(str(await proxy.start(apiserver, tmp_path)), "half-open")
    informer = Informer(client, Scope("v1", "ConfigMap", Selection(place.name)), SystemClock(), silence_s=1.5)
    task = asyncio.ensure_future(informer.run())
    await eventually(informer.synced.is_set)
    await place.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": _named("before", place.name)})
    await eventually(lambda: informer.store.get((place.name, "before")))
    connections = proxy.connections
    proxy.freeze()
    await place.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": _named("after", place.name)})
    await eventually(lambda: informer.store.get((place.name, "after")), 15)
    assert proxy.connections > connections
    task.cancel()
    await client.close()
    await proxy.stop()


@pytest.mark.full  # It takes as long as the server leaves an idle stream open.
async def test_an_idle_stream_is_not_taken_for_dead(client: Client, place: Place, eventually: Eventually) -> None:
    informer = Informer(client, Scope("v1", "ConfigMap", Selection(place.name)), SystemClock())
    task = asyncio.ensure_future(informer.run())
    await eventually(informer.synced.is_set)
    await asyncio.sleep(SILENCE_S + 5)
    assert not REGISTRY.get_sample_value("roost_watch_failures_total", {"kind": "ConfigMap"})
    await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": _named("late", place.name)})
    await eventually(lambda: informer.store.get((place.name, "late")))
    task.cancel()


async def test_the_server_may_die_and_come_back(mortal: ApiServer, eventually: Eventually) -> None:
    client = mortal.client()
    informer = Informer(client, Scope("v1", "ConfigMap", Selection("default")), SystemClock())
    task = asyncio.ensure_future(informer.run())
    await eventually(informer.synced.is_set)
    await asyncio.to_thread(mortal.kill, "kube-apiserver")
    await asyncio.sleep(0.5)
    mortal.start("kube-apiserver")
    await asyncio.to_thread(mortal.wait)
    await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": _named("after", "default")})
    await eventually(lambda: informer.store.get(("default", "after")), 40)
    task.cancel()
    await client.close()


async def test_an_informer_lists_anew_after_410(mortal: ApiServer, eventually: Eventually) -> None:
    """A server that was started anew knows no history: it answers 410 to versions from before."""

    class Late(Client):
        """Its first watch asks for a version that the server no longer has."""

        watches = 0

        def watch(self, *arguments: Any, **named: Any) -> AsyncGenerator[Event, None]:
            self.watches += 1
            if self.watches == 1:
                return super().watch(arguments[0], arguments[1], arguments[2], version="1")
            return super().watch(*arguments, **named)

    client = Late.connect(str(mortal.kubeconfig), "late")
    gone = client.watch("v1", "ConfigMap", Selection("default"))
    with pytest.raises(Gone):
        async for event in gone:
            pytest.fail(f"an event of a time that the server no longer knows: {event}")
    client.watches = 0
    informer = Informer(client, Scope("v1", "ConfigMap", Selection("default")), SystemClock())
    task = asyncio.ensure_future(informer.run())
    await eventually(lambda: client.watches >= 2)
    await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": _named("late", "default")})
    await eventually(lambda: informer.store.get(("default", "late")))
    task.cancel()
    await client.close()


async def test_etcd_may_be_restored_from_before(mortal: ApiServer, eventually: Eventually) -> None:
    """Its history goes back: what the cache knows is from a future that never was. Here it begins with nothing."""
    client = mortal.client()
    for number in range(400):
        data = {"n": str(number)}
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _named("x", "default"), "data": data}
        await client.apply(manifest, "tests")
    informer = Informer(client, Scope("v1", "ConfigMap", Selection("default")), SystemClock())
    task = asyncio.ensure_future(informer.run())
    await eventually(lambda: informer.store.get(("default", "x")))
    for name in ("kube-apiserver", "etcd"):
        await asyncio.to_thread(mortal.kill, name)
    shutil.rmtree(mortal.folder / "etcd")
    for name in ("etcd", "kube-apiserver"):
        mortal.start(name)
    await asyncio.to_thread(mortal.wait)
    made = await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": _named("anew", "default")})
    assert int(made["metadata"]["resourceVersion"]) < 400
    await eventually(lambda: informer.store.get(("default", "anew")), 60)
    assert informer.store.get(("default", "x")) is None
    task.cancel()
    await client.close()


def _named(name: str, namespace: str) -> dict[str, str]:
    return {"name": name, "namespace": namespace}
