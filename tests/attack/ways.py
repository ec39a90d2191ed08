"""The ways to write an object: the same change by each of them. Used by the attack tests.

Everything but the twin that updates start from is a dry run: admission decides as for a real write, nothing stays.
"""

import copy
from collections.abc import Mapping
from typing import Any

import httpx2

from tests.attack.table import Attack
from tests.attack.world import World, collection

DRY = {"dryRun": "All"}


def _path(manifest: Mapping[str, Any]) -> str:
    """Of an object, or of its status where that is what is written: elsewhere Kubernetes passes over it."""
    path = f"{collection(manifest)}/{manifest['metadata']['name']}"
    return f"{path}/status" if "status" in manifest else path


def stand(world: World, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The twin, standing, as the administrator made it."""
    answer = world.call("", "GET", _path(manifest))
    if answer.status_code == 404:
        answer = world.call("", "POST", collection(manifest), manifest)
        assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _replaced(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The live object with the content of another: what PUT sends. Of a pod only the image may change."""
    if wanted["kind"] == "Pod":
        changed = copy.deepcopy(dict(live))
        changed["spec"]["containers"][0]["image"] = wanted["spec"]["containers"][0]["image"]
        return changed
    body = {**live, **{key: value for key, value in wanted.items() if key != "metadata"}}
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    return {**body, "metadata": {**metadata, **wanted["metadata"], "name": metadata["name"]}}


def _json_patch(twin: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """From the twin to what is wanted. Of a pod only the image may change."""
    if wanted["kind"] == "Pod":
        image = wanted["spec"]["containers"][0]["image"]
        return [{"op": "replace", "path": "/spec/containers/0/image", "value": image}]
    changes: list[dict[str, Any]] = [
        {"op": "add", "path": f"/metadata/{key}", "value": value}
        for key, value in wanted["metadata"].items()
        if key in ("labels", "annotations", "finalizers", "ownerReferences")
    ]
    if "status" in wanted:
        changes.append({"op": "add", "path": "/status", "value": wanted["status"]})
    spec, before = wanted.get("spec") or {}, twin.get("spec") or {}
    changes += [{"op": "add", "path": f"/spec/{key}", "value": value} for key, value in spec.items()]
    return changes + [{"op": "remove", "path": f"/spec/{key}"} for key in before if key not in spec]


def write(world: World, attack: Attack, way: str, wanted: Mapping[str, Any]) -> httpx2.Response:
    """Write `wanted` (the twin or the attack) as the actor, by `post`, `put`, `merge`, `json`, `apply`, `apply-new`."""
    fresh = {**wanted, "metadata": {**wanted["metadata"]}}
    if way in ("post", "apply-new") and fresh["metadata"]["name"] == attack.twin["metadata"]["name"] == "harmless":
        fresh["metadata"]["name"] = "fresh"
    who = attack.actor
    forced = {**DRY, "fieldManager": "attack", "force": "true"}
    if way == "post":
        return world.call(who, "POST", collection(wanted), fresh, params=DRY)
    if way == "apply-new":
        return world.call(who, "PATCH", _path(fresh), fresh, kind="apply", params=forced)
    live = stand(world, attack.twin)
    path = _path(wanted)
    if way == "put":
        return world.call(who, "PUT", path, _replaced(live, wanted), params=DRY)
    if way == "json":
        return world.call(who, "PATCH", path, _json_patch(attack.twin, wanted), kind="json", params=DRY)
    if way == "merge":
        removed = {key: None for key in (attack.twin.get("spec") or {}) if key not in (wanted.get("spec") or {})}
        body = {**fresh, "spec": {**removed, **fresh["spec"]}} if "spec" in fresh else fresh
        return world.call(who, "PATCH", path, body, kind="merge", params=DRY)
    assert way == "apply", way
    return world.call(who, "PATCH", path, fresh, kind="apply", params=forced)
