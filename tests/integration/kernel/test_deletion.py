"""Deletion: what stands elsewhere goes first, effects outside are undone, then the object may go."""

import secrets

import pytest

from tests.integration.conftest import Eventually
from tests.integration.kernel import toy
from tests.integration.kernel.conftest import Place, Run

pytestmark = pytest.mark.integration


async def test_an_object_goes_after_everything_that_it_owns(place: Place, run: Run, eventually: Eventually) -> None:
    elsewhere = f"t{secrets.token_hex(4)}"
    await place.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": elsewhere}})
    await run(capability=toy.FINAL)
    await place.app("one", A="1", AWAY=elsewhere)

    async def stands() -> bool:
        return await place.maps(elsewhere) == {"one-away": elsewhere} and await place.ready("one") == "True Ready"

    await eventually(stands)
    item = await place.read("one")
    assert item["metadata"]["finalizers"] == ["roost.dev/toyfinal"]
    child = await place.client.get("v1", "ConfigMap", "one-away", elsewhere)
    assert child is not None and "ownerReferences" not in child["metadata"]
    await place.client.patch(child, {"metadata": {"finalizers": ["test.roost.dev/slow"]}})
    await place.delete("one", "App")

    async def waits() -> bool:
        return await place.ready("one") == "False Deleting"

    await eventually(waits)
    assert await place.maps() == {}
    assert f"undone {place.name}/one" not in toy.DONE
    await place.client.patch(child, {"metadata": {"finalizers": None}})

    async def gone() -> bool:
        return await place.read("one") == {}

    await eventually(gone)
    assert await place.maps(elsewhere) == {}
    assert toy.DONE.count(f"undone {place.name}/one") == 1
