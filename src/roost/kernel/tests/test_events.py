"""Events are bounded: a flapping object raises a count, then is silent, and holds no other tenant's back."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from roost.kernel.events import OF_GROUP, OF_OBJECT, Recorder
from roost.kube.errors import NotFound
from roost.model.conditions import Condition, not_ready, ready

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Server:
    """Takes Events; `gone`: those that stand have expired."""

    def __init__(self) -> None:
        self.made: list[Mapping[str, Any]] = []
        self.patched: list[tuple[str, Mapping[str, Any]]] = []
        self.gone = False

    async def create(self, manifest: Mapping[str, Any], manager: str) -> None:
        self.made.append(manifest)

    async def patch(self, target: Mapping[str, Any], changes: Mapping[str, Any], manager: str) -> None:
        if self.gone:
            raise NotFound("It has expired.", 404)
        self.patched.append((target["metadata"]["name"], changes))


def recorder(server: Server) -> Recorder:
    """One whose groups are namespaces."""
    return Recorder(server, lambda item: item["metadata"]["namespace"])  # type: ignore[arg-type]


def app(name: str, namespace: str = "acme-dev", version: int = 1) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "uid": f"{namespace}/{name}", "resourceVersion": str(version)}
    return {"apiVersion": "roost.dev/v1alpha1", "kind": "App", "metadata": meta}


async def tell(told: Recorder, item: dict[str, Any], condition: Condition, after_s: float = 0.0) -> None:
    await told.tell(item, condition, "toy", BEGIN + timedelta(seconds=after_s))


async def test_what_happens_again_raises_a_count() -> None:
    server = Server()
    told = recorder(server)
    for number in range(4):
        await tell(told, app("one", version=number), not_ready("Broken", f"For the {number}. time."), number)
    assert len(server.made) == 1
    name, changes = server.patched[-1]
    assert name == server.made[0]["metadata"]["name"]
    assert changes == {"count": 4, "lastTimestamp": "2026-01-01T00:00:03Z", "message": "For the 3. time."}
    await tell(told, app("one", version=9), not_ready("Broken", "Much later."), 3600)
    assert len(server.made) == 2


async def test_an_event_that_expired_is_told_anew() -> None:
    server = Server()
    told = recorder(server)
    await tell(told, app("one"), ready())
    server.gone = True
    await tell(told, app("one", version=2), ready(), 1)
    assert len(server.made) == 2


async def test_an_object_that_flaps_falls_silent_and_is_heard_again() -> None:
    server = Server()
    told = recorder(server)
    for number in range(1000):
        await tell(told, app("one", version=number), not_ready(f"Reason{number}", ""), number / 1000)
    assert len(server.made) == OF_OBJECT.burst
    await tell(told, app("one", version=2000), ready(), OF_OBJECT.every_s + 2)
    assert len(server.made) == OF_OBJECT.burst + 1


async def test_a_tenant_that_floods_takes_nothing_from_others() -> None:
    server = Server()
    told = recorder(server)
    for number in range(2000):
        await tell(told, app(f"app{number}"), ready())
    assert len(server.made) == OF_GROUP.burst
    await tell(told, app("theirs", "other-dev"), ready())
    assert server.made[-1]["metadata"]["namespace"] == "other-dev"
