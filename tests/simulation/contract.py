"""What the kernel asks of a kube-apiserver: one suite, over the real one and over the fake of the simulation.

Where the fake answered differently, a simulation's verdict would mean nothing. `tests/simulation/test_fake.py` runs it
over the fake, `tests/integration/kernel/test_contract.py` over kube-apiserver.
"""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from roost.kube.client import Client, Event, Selection
from roost.kube.errors import AlreadyExists, Conflict, Invalid, NotFound, UnknownKind
from roost.model.names import API_VERSION

Object = dict[str, Any]


def config_map(name: str, namespace: str, **data: str) -> Object:
    """A ConfigMap with a label."""
    meta = {"name": name, "namespace": namespace, "labels": {"tests/kind": "map"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def app(name: str, namespace: str, **spec: Any) -> Object:
    """An App."""
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": "App", "metadata": meta, "spec": spec}


def version(item: Object) -> str:
    return str(item["metadata"]["resourceVersion"])


class Contract:
    """Each test has `client` and `space`, the name of a fresh namespace."""

    async def test_made_and_read(self, client: Client, space: str) -> None:
        made = await client.create(config_map("x", space, a="1"), "tests")
        meta = made["metadata"]
        assert meta["uid"] and int(meta["resourceVersion"]) > 0 and meta["creationTimestamp"].endswith("Z")
        assert "generation" not in meta
        found = await client.get("v1", "ConfigMap", "x", space)
        assert found is not None and version(found) == version(made) and found["data"] == {"a": "1"}
        assert await client.get("v1", "ConfigMap", "none", space) is None
        with pytest.raises(AlreadyExists):
            await client.create(config_map("x", space), "tests")

    async def test_nothing_is_made_in_no_namespace(self, client: Client, space: str) -> None:
        with pytest.raises(NotFound):
            await client.create(config_map("x", f"{space}-none"), "tests")
        with pytest.raises(NotFound):
            await client.apply(config_map("x", f"{space}-none"), "tests")

    async def test_a_kind_that_is_not_served(self, client: Client, space: str) -> None:
        for kind in (("v1", "Wonder"), ("wonders.dev/v1", "Wonder")):
            with pytest.raises(UnknownKind):
                await client.get(*kind, "x", space)

    async def test_apply_makes_and_then_changes_only_what_differs(self, client: Client, space: str) -> None:
        first = await client.apply(config_map("x", space, a="1", b="2"), "one")
        again = await client.apply(config_map("x", space, a="1", b="2"), "one")
        assert version(again) == version(first)
        changed = await client.apply(config_map("x", space, a="3"), "one")
        assert changed["data"] == {"a": "3"}, "what is no longer applied goes"
        assert int(version(changed)) > int(version(first))
        assert changed["metadata"]["uid"] == first["metadata"]["uid"]

    async def test_apply_leaves_what_is_another_s(self, client: Client, space: str) -> None:
        await client.apply(config_map("x", space, a="1"), "one")
        await client.apply(config_map("x", space, b="2"), "two")
        both = await client.apply(config_map("x", space, a="1"), "one")
        assert both["data"] == {"a": "1", "b": "2"}

    async def test_apply_against_another_is_a_conflict_unless_forced(self, client: Client, space: str) -> None:
        await client.apply(config_map("x", space, a="1"), "one")
        with pytest.raises(Conflict):
            await client.apply(config_map("x", space, a="2"), "two", force=False)
        same = await client.apply(config_map("x", space, a="1"), "two", force=False)
        assert same["data"] == {"a": "1"}
        taken = await client.apply(config_map("x", space, a="2"), "two")
        assert taken["data"] == {"a": "2"}
        left = await client.apply(config_map("x", space, c="9"), "one")
        assert left["data"] == {"a": "2", "c": "9"}, "it was taken: its first applier cannot drop it any more"

    async def test_apply_by_uid_reaches_that_object_and_no_other(self, client: Client, space: str) -> None:
        made = await client.apply(config_map("x", space, a="1"), "one")
        named = config_map("x", space, a="2")
        named["metadata"]["uid"] = made["metadata"]["uid"]
        assert (await client.apply(named, "one"))["data"] == {"a": "2"}
        await client.delete(made)
        with pytest.raises(Conflict):
            await client.apply(named, "one")
        await client.create(config_map("x", space, a="theirs"), "two")
        with pytest.raises(Invalid) as refused:
            await client.apply(named, "one")
        assert {cause["field"] for cause in refused.value.causes} == {"metadata.uid"}

    async def test_apply_puts_right_what_somebody_changed(self, client: Client, space: str) -> None:
        made = await client.apply(config_map("x", space, a="1"), "one")
        await client.patch(made, {"data": {"a": "theirs", "more": "1"}}, "kubectl")
        right = await client.apply(config_map("x", space, a="1"), "one")
        assert right["data"] == {"a": "1", "more": "1"}

    async def test_replace_wants_the_version_that_was_read(self, client: Client, space: str) -> None:
        made = await client.create(config_map("x", space, a="1"), "tests")
        second = await client.replace({**made, "data": {"a": "2"}})
        assert second["data"] == {"a": "2"}
        with pytest.raises(Conflict):
            await client.replace({**made, "data": {"a": "3"}})
        with pytest.raises(NotFound):
            await client.replace(config_map("none", space))

    async def test_a_merge_patch(self, client: Client, space: str) -> None:
        made = await client.create(config_map("x", space, a="1", b="2"), "tests")
        patched = await client.patch(made, {"data": {"a": None, "c": "3"}}, "tests")
        assert patched["data"] == {"b": "2", "c": "3"}
        same = await client.patch(made, {"data": {"c": "3"}}, "tests")
        assert version(same) == version(patched), "a change of nothing is no change"
        stale = {"metadata": {"resourceVersion": version(made)}, "data": {"d": "4"}}
        with pytest.raises(Conflict):
            await client.patch(made, stale, "tests")
        with pytest.raises(Invalid):
            await client.patch(made, {"metadata": {"uid": "another"}}, "tests")
        with pytest.raises(NotFound):
            await client.patch(config_map("none", space), {"data": {}}, "tests")

    async def test_the_status_is_apart(self, client: Client, space: str) -> None:
        made = await client.create({**app("x", space), "status": {"url": "lost"}}, "tests")
        assert "status" not in made and made["metadata"]["generation"] == 1
        told = await client.patch_status(made, {"url": "http://x"}, "tests")
        assert told["status"]["url"] == "http://x" and told["metadata"]["generation"] == 1
        with pytest.raises(Conflict):
            await client.patch_status(made, {"url": "http://stale"}, "tests")
        kept = await client.patch(told, {"spec": {"hold": "why"}, "status": {"url": "other"}}, "tests")
        assert kept["status"]["url"] == "http://x" and kept["spec"]["hold"] == "why"
        assert kept["metadata"]["generation"] == 2
        noted = await client.patch(kept, {"metadata": {"annotations": {"a": "b"}}}, "tests")
        assert noted["metadata"]["generation"] == 2 and int(version(noted)) > int(version(kept))
        both = await client.patch(noted, {"spec": {"hold": "no"}, "status": {"url": None}}, "tests", "status")
        assert both["spec"]["hold"] == "why" and "url" not in both["status"]

    async def test_deletion_goes_by_uid(self, client: Client, space: str) -> None:
        made = await client.create(config_map("x", space), "tests")
        with pytest.raises(Conflict):
            await client.delete(made, uid="another")
        assert await client.delete(made, uid=made["metadata"]["uid"]) is True
        with pytest.raises(NotFound):
            await client.delete(made)
        again = await client.create(config_map("x", space), "tests")
        assert again["metadata"]["uid"] != made["metadata"]["uid"]

    async def test_finalizers_hold_an_object(self, client: Client, space: str) -> None:
        held = app("x", space)
        held["metadata"]["finalizers"] = ["roost.dev/one", "roost.dev/two"]
        made = await client.create(held, "tests")
        assert await client.delete(made) is False
        going = await client.get(API_VERSION, "App", "x", space)
        assert going is not None and going["metadata"]["deletionTimestamp"]
        assert going["metadata"]["generation"] == 2
        assert await client.delete(made) is False
        with pytest.raises(Invalid):
            await client.patch(going, {"metadata": {"finalizers": ["roost.dev/one", "roost.dev/new"]}}, "tests")
        await client.patch(going, {"metadata": {"finalizers": ["roost.dev/two"]}}, "tests")
        assert await client.get(API_VERSION, "App", "x", space) is not None
        await client.patch(going, {"metadata": {"finalizers": []}}, "tests")
        assert await client.get(API_VERSION, "App", "x", space) is None

    async def test_a_list_in_pages(self, client: Client, space: str) -> None:
        for name in ("c", "a", "b"):
            await client.create(config_map(name, space), "tests")
        selection = Selection(space, "tests/kind=map")
        first = await client.page("v1", "ConfigMap", selection, limit=2)
        await client.create(config_map("later", space), "tests")
        rest = await client.page("v1", "ConfigMap", selection, first.rest, limit=2)
        assert [item["metadata"]["name"] for item in first.items + rest.items] == ["a", "b", "c"]
        assert first.rest and not rest.rest and first.version == rest.version
        assert all(int(version(item)) <= int(first.version) for item in first.items)
        assert [item["metadata"]["name"] for item in await client.list("v1", "ConfigMap", space, "tests/kind=no")] == []

    async def test_dry_run_changes_nothing(self, client: Client, space: str) -> None:
        await client.create(config_map("x", space), "tests", dry_run=True)
        assert await client.get("v1", "ConfigMap", "x", space) is None
        made = await client.create(config_map("x", space, a="1"), "tests")
        tried = await client.apply(config_map("x", space, a="2"), "tests", dry_run=True)
        assert tried["data"] == {"a": "2"}
        found = await client.get("v1", "ConfigMap", "x", space)
        assert found is not None and found["data"] == {"a": "1"} and version(found) == version(made)

    async def test_a_watch_tells_everything_from_a_version_on(self, client: Client, space: str) -> None:
        selection = Selection(space, "tests/kind=map")
        before = await client.create(config_map("before", space), "tests")
        begin = (await client.page("v1", "ConfigMap", selection)).version
        made = await client.create(config_map("x", space, a="1"), "tests")
        changed = await client.patch(made, {"data": {"a": "2"}}, "tests")
        await client.patch(changed, {"metadata": {"labels": {"tests/kind": "other"}}}, "tests")
        await client.patch(changed, {"metadata": {"labels": {"tests/kind": "map"}}}, "tests")
        await client.delete(before)
        told = await take(client, selection, begin, 5)
        kinds = [(event.type, event.object["metadata"]["name"]) for event in told]
        assert kinds == [
            ("ADDED", "x"),
            ("MODIFIED", "x"),
            ("DELETED", "x"),  # It left the selection.
            ("ADDED", "x"),
            ("DELETED", "before"),
        ]
        versions = [int(version(event.object)) for event in told]
        assert versions == sorted(set(versions)) and versions[0] > int(begin)
        assert versions[-1] > int(version(before)), "a deletion has a version of its own"
        assert (await take(client, selection, version(told[0].object), 1))[0].object["data"] == {"a": "2"}

    async def test_a_lease_is_taken_by_one(self, client: Client, space: str) -> None:
        meta = {"name": "lead", "namespace": space}
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta}
        made = await client.create({**lease, "spec": {"holderIdentity": "a", "leaseDurationSeconds": 5}}, "a")
        taken = await client.replace({**made, "spec": {**made["spec"], "holderIdentity": "b"}})
        assert taken["spec"]["holderIdentity"] == "b"
        with pytest.raises(Conflict):
            await client.replace({**made, "spec": {**made["spec"], "holderIdentity": "c"}})


async def take(client: Client, selection: Selection, since: str, number: int) -> list[Event]:
    """That many events, without bookmarks."""
    found: list[Event] = []
    events = client.watch("v1", "ConfigMap", selection, since)
    async with asyncio.timeout(20), aclosing(events):
        async for event in events:
            found += [event] if event.type != "BOOKMARK" else []
            if len(found) == number:
                break
    return found
