"""The status patch: only what differs; and the events that lead to an object."""

from typing import Any

import pytest

from roost.kernel.capability import Watch
from roost.kernel.clock import SystemClock
from roost.kernel.controller import Controller
from roost.kernel.informer import Informer, Scope
from roost.kernel.queue import Queue
from roost.kernel.reconciler import difference
from roost.kernel.store import OWNER_UID, Key
from roost.kube.client import Client
from roost.model.kinds.app import App
from roost.model.kinds.tenant import Tenant
from roost.model.names import API_VERSION, TENANT
from roost.model.resource import Resource


@pytest.mark.parametrize(
    ("old", "wanted", "patch"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1, "z": 9}, {"a": 2}, {"a": 2}),
        ({}, {"a": None}, {}),
        ({"a": 1}, {"a": None}, {"a": None}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"x": 1}}, {"a": {"y": None}}),
        ({"a": {"x": 1}}, {"a": {"x": 1}}, {}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 2]}),
    ],
)
def test_a_patch_holds_what_differs(old: dict[str, Any], wanted: dict[str, Any], patch: dict[str, Any]) -> None:
    assert difference(old, wanted) == patch


async def keys(resource: type[Resource], watch: Watch, item: dict[str, Any], *standing: dict[str, Any]) -> list[Key]:
    """Which objects of a kind an event about `item` leads to."""
    client: Client = None  # type: ignore[assignment]  # Nothing is sent.
    clock = SystemClock()
    primary = Informer(client, Scope(API_VERSION, resource.KIND), clock)
    for owner in standing:
        primary.store.put(owner)
    other = Informer(client, Scope(watch.api_version, watch.kind), clock)
    controller = Controller("toy", resource, primary, clock)
    controller.follow(other, watch)
    other.note(item)
    found = []
    while len(controller.queue):
        found.append(await controller.queue.get())
    return sorted(found)


def thing(name: str, namespace: str | None = "acme-dev", kind: str = "Pod", **meta: Any) -> dict[str, Any]:
    """An object."""
    place = {"namespace": namespace} if namespace else {}
    return {"kind": kind, "metadata": {"name": name, **place, "uid": f"uid-{name}", "resourceVersion": "1", **meta}}


POD = Watch("v1", "Pod")


async def test_a_change_of_what_nobody_asks_for_leads_to_nothing() -> None:
    client: Client = None  # type: ignore[assignment]  # Nothing is sent.
    primary = Informer(client, Scope(API_VERSION, App.KIND), SystemClock())
    primary.store.put(thing("hello", kind="App"))
    nodes = Informer(client, Scope("v1", "Node"), SystemClock())
    controller = Controller("toy", App, primary, SystemClock())
    controller.queue = Queue(lambda: 0.5, gap_s=0.0)
    controller.follow(nodes, Watch("v1", "Node", owner="all", only=("spec.unschedulable", "spec.taints")))

    async def looked(version: int, **more: Any) -> bool:
        nodes.note({**thing("one", None, "Node", resourceVersion=str(version)), **more})
        if not len(controller.queue):
            return False
        controller.queue.done(await controller.queue.get())
        return True

    assert await looked(1), "it came"
    assert not await looked(2, status={"images": []})
    assert await looked(3, spec={"unschedulable": True})
    assert not await looked(4, spec={"unschedulable": True}, status={"images": ["new"]})
    assert await looked(5, spec={"taints": [{"key": "gone", "effect": "NoSchedule"}]})
    controller.queue.close()


async def test_an_owner_is_found_by_reference_and_by_label() -> None:
    app = thing("hello", kind="App")
    referring = thing("p", ownerReferences=[{"uid": "uid-hello"}])
    assert await keys(App, POD, referring, app) == [("acme-dev", "hello")]
    elsewhere = thing("p", "acme-build", labels={OWNER_UID: "uid-hello"})
    assert await keys(App, POD, elsewhere, app) == [("acme-dev", "hello")]
    assert await keys(App, POD, thing("p", ownerReferences=[{"uid": "nobody"}]), app) == []


async def test_an_owner_is_found_by_name_label_tenant_or_as_one_of_all() -> None:
    labelled = thing("p", labels={"app": "hello"})
    assert await keys(App, Watch("v1", "Pod", "label:app"), labelled) == [("acme-dev", "hello")]
    assert await keys(App, Watch("v1", "Pod", "label:app"), thing("p")) == []
    assert await keys(App, Watch("v1", "Pod", "name"), thing("hello")) == [("acme-dev", "hello")]
    tenant = Watch("v1", "Pod", "tenant")
    assert await keys(Tenant, tenant, thing("p")) == [("", "acme")]
    assert await keys(Tenant, tenant, thing("p", "kube-system")) == []
    assert await keys(Tenant, tenant, thing("x", None, "ClusterRole", labels={TENANT: "acme"})) == [("", "acme")]
    assert await keys(Tenant, tenant, thing("acme-dev", None, "Namespace")) == [("", "acme")]
    everybody = [thing("a", None, "Tenant"), thing("b", None, "Tenant")]
    assert await keys(Tenant, Watch("v1", "Pod", "all"), thing("p"), *everybody) == [("", "a"), ("", "b")]


async def test_a_watch_sees_only_what_it_asked_for() -> None:
    watch = Watch("v1", "Pod", "name", labels="tier=web", namespace="acme-dev")
    assert await keys(App, watch, thing("p", labels={"tier": "web"})) == [("acme-dev", "p")]
    assert await keys(App, watch, thing("p", labels={"tier": "worker"})) == []
    assert await keys(App, watch, thing("p", "acme-test", labels={"tier": "web"})) == []


async def test_a_watch_that_says_nothing_useful_is_refused() -> None:
    with pytest.raises(ValueError, match="how the owner is found"):
        await keys(App, Watch("v1", "Pod", "somehow"), thing("p"))
