"""The one loop on a real kube-apiserver: what is planned stands, what is dropped goes, nothing is written twice."""

import asyncio

import pytest

from roost.kube.client import Client
from roost.kube.errors import Conflict
from roost.model.names import DEPLOYER
from tests.integration.apiserver import ApiServer
from tests.integration.conftest import Eventually
from tests.integration.kernel import toy
from tests.integration.kernel.conftest import Place, Run

pytestmark = pytest.mark.integration


async def test_what_is_planned_stands(place: Place, run: Run, eventually: Eventually) -> None:
    await run()
    toy.DONE.clear()
    await place.app("one", A="1", PLATFORM="2", ONCE="3", ACT="key-1", FIRST="key-2")

    async def done() -> bool:
        return await place.ready("one") == "True Ready"

    await eventually(done)
    values = {"one-a": "1", "one-platform": "2", "one-once": "3", "one-act": "key-1", "one-first": "key-2"}
    assert await place.maps() == values
    item = await place.read("one")
    inventory = {entry["name"]: entry["identity"] for entry in item["status"]["inventory"]}
    assert inventory == {name: "platform" if name == "one-platform" else "deployer" for name in values}
    assert item["status"]["instances"] == 5
    assert toy.DONE[:2] == ["key-2 before", "key-1 after"]
    child = await place.client.get("v1", "ConfigMap", "one-a", place.name)
    assert child is not None
    assert child["metadata"]["ownerReferences"][0]["uid"] == item["metadata"]["uid"]
    events = await place.client.list("v1", "Event", place.name)
    assert [(event["reason"], event["involvedObject"]["name"]) for event in events] == [("Ready", "one")]


async def test_a_restart_writes_nothing(apiserver: ApiServer, place: Place, run: Run, eventually: Eventually) -> None:
    first = await run("toy-first")
    for number in range(20):
        await place.app(f"app{number}", A="1", PLATFORM="2", ONCE="3")

    async def all_ready() -> bool:
        return all([await place.ready(f"app{number}") == "True Ready" for number in range(20)])

    await eventually(all_ready)
    await asyncio.sleep(1)  # What the first one's own writes led to is looked at as well.
    counted = apiserver.writes(agent="toy-first")
    assert sum(number for write, number in counted.items() if write.resource == "configmaps") == 60
    assert sum(number for write, number in counted.items() if write.resource == "apps.roost.dev/status") == 20
    await first.stop()
    mark = apiserver.mark()
    await run("toy-second")
    await asyncio.sleep(2)
    assert not apiserver.writes(mark, "toy-second")


async def test_what_others_change_is_put_right(place: Place, run: Run, eventually: Eventually) -> None:
    await run()
    await place.app("one", A="1", PLATFORM="2")

    async def right() -> bool:
        return await place.maps() == {"one-a": "1", "one-platform": "2"}

    await eventually(right)
    await place.delete("one-a")
    await eventually(right)
    child = await place.client.get("v1", "ConfigMap", "one-platform", place.name)
    assert child is not None
    await place.client.patch(child, {"data": {"value": "wrong"}})
    await eventually(right)


async def test_what_the_plan_drops_goes_and_nothing_else(place: Place, run: Run, eventually: Eventually) -> None:
    await run()
    foreign = {"name": "one-foreign", "namespace": place.name, "labels": {"test/toy": "yes"}}
    await place.client.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": foreign, "data": {"value": "theirs"}}
    )
    await place.app("one", A="1", B="2")

    async def both() -> bool:
        return await place.maps() == {"one-a": "1", "one-b": "2", "one-foreign": "theirs"}

    async def one() -> bool:
        return await place.maps() == {"one-a": "1", "one-foreign": "theirs"}

    await eventually(both)
    await place.app("one", A="1")
    await eventually(one)
    await eventually(lambda: _inventory(place, "one", ["one-a"]))


async def test_what_belongs_to_somebody_else_is_never_taken_over(
    place: Place, run: Run, eventually: Eventually
) -> None:
    meta = {"name": "one-a", "namespace": place.name}
    await place.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"value": "theirs"}})
    await run()
    await place.app("one", A="1")

    async def refused() -> bool:
        return await place.ready("one") == "False NameTaken"

    await eventually(refused)
    standing = await place.client.get("v1", "ConfigMap", "one-a", place.name)
    assert standing is not None and standing["data"] == {"value": "theirs"}
    await place.app("one")
    await asyncio.sleep(0.5)
    assert await place.client.get("v1", "ConfigMap", "one-a", place.name) is not None


async def test_an_object_made_anew_waits_for_what_the_earlier_one_left(
    place: Place, run: Run, eventually: Eventually
) -> None:
    await run()
    await place.app("one", A="1")
    await eventually(lambda: _inventory(place, "one", ["one-a"]))
    await place.delete("one", "App")  # Without a garbage collector its ConfigMap stays.
    await place.app("one", A="2")

    async def waits() -> bool:
        return await place.ready("one") == "False NameTaken"

    async def right() -> bool:
        return await place.maps() == {"one-a": "2"} and await place.ready("one") == "True Ready"

    await eventually(waits)
    assert await place.maps() == {"one-a": "1"}
    await place.delete("one-a")
    await eventually(right)


async def test_the_deployer_s_rights_are_the_limit(place: Place, run: Run, eventually: Eventually) -> None:
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding"}
    await place.client.delete({**rbac, "metadata": {"name": "deployer", "namespace": place.name}})
    await run()
    await place.app("one", A="1")

    async def refused() -> bool:
        return await place.ready("one") == "False Refused"

    await eventually(refused)
    item = await place.read("one")
    assert DEPLOYER in item["status"]["conditions"][0]["message"]
    assert await place.maps() == {}


async def test_what_a_crash_kept_out_of_the_inventory_is_pruned(
    apiserver: ApiServer, place: Place, run: Run, eventually: Eventually
) -> None:
    class Crashing(Client):
        async def patch_status(self, *arguments: object, **named: object) -> dict[str, object]:
            raise Conflict("The status never arrives.", 409)

    fragile = Crashing.connect(str(apiserver.kubeconfig), "toy-crashing")
    first = await run(client=fragile)
    await place.app("one", A="1", B="2")

    async def both() -> bool:
        return len(await place.maps()) == 2

    await eventually(both)
    await first.stop()
    assert "status" not in await place.read("one")
    await place.app("one", B="2")
    await run()

    async def one() -> bool:
        return await place.maps() == {"one-b": "2"}

    await eventually(one)


async def test_a_change_in_mid_work_is_not_lost(place: Place, run: Run, eventually: Eventually) -> None:
    await run()
    for number in range(30):
        await place.app("one", A=str(number))

    async def latest() -> bool:
        return await place.maps() == {"one-a": "29"} and await place.ready("one") == "True Ready"

    await eventually(latest)


async def test_hold_stops_pruning(place: Place, run: Run, eventually: Eventually) -> None:
    await run()
    await place.app("one", A="1", B="2")
    await eventually(lambda: _inventory(place, "one", ["one-a", "one-b"]))
    item = await place.read("one")
    await place.client.patch(item, {"spec": {"hold": "wait", "config": [{"name": "A", "value": "1"}]}})

    async def seen() -> bool:
        return await place.ready("one") == "True Ready"

    await eventually(seen)
    assert await place.maps() == {"one-a": "1", "one-b": "2"}
    await eventually(lambda: _inventory(place, "one", ["one-a", "one-b"]))


async def _inventory(place: Place, name: str, wanted: list[str]) -> bool:
    status = (await place.read(name)).get("status") or {}
    return [entry["name"] for entry in status.get("inventory") or ()] == wanted
