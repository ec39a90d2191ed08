"""The record of an object's changes: who, when, what; bounded; never in the way."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from roost.api import kinds, operations
from roost.model.kinds.app import App
from roost.model.names import OPERATIONS

NOW = datetime(2026, 11, 29, 1, 2, 3, tzinfo=UTC)
IMAGE = "registry.roost-system.svc:5000/acme/shop@sha256:" + "a" * 64


def manifest(before: dict[str, Any] | None = None, person: str = "ada", **spec: Any) -> dict[str, Any]:
    notes = dict(((before or {}).get("metadata") or {}).get("annotations") or {})
    item = {"metadata": {"name": "shop", "annotations": notes}, "spec": {"artefact": {"image": IMAGE}, **spec}}
    return operations.record(App, kinds.sign(item, person, "r1", "Why"), before, NOW)


def test_who_when_and_what_is_told_newest_first() -> None:
    first = manifest(processes=[{"name": "web", "replicas": 1}])
    second = manifest(first, "bob", processes=[{"name": "web", "replicas": 3}], stopped=True)
    items = operations.read(second).items
    assert [(item.by, item.action, item.at, item.request_id, item.cause) for item in items] == [
        ("ada", "create", "2026-11-29T01:02:03Z", "r1", "Why"),
        ("bob", "change", "2026-11-29T01:02:03Z", "r1", "Why"),
    ]
    assert [(item.path, item.before, item.after) for item in items[1].changes] == [
        ("spec.processes.web.replicas", 1, 3),
        ("spec.stopped", False, True),
    ]


def test_defaults_that_the_cluster_filled_in_are_no_change() -> None:
    standing = manifest()
    standing["spec"] = App.parse({**standing, "kind": "App"}).spec.wire()
    assert operations.read(manifest(standing)).items[-1].changes == ()


def test_it_stays_within_bounds() -> None:
    item = manifest()
    for number in range(60):
        config = [{"name": f"V{each}", "value": f"{number} " + "x" * 5000} for each in range(40)]
        item = manifest(item, config=config)
    text = item["metadata"]["annotations"][OPERATIONS]
    assert len(text.encode()) <= operations.MAX_BYTES
    newest = operations.read(item).items[-1]
    assert len(newest.changes) == operations.MAX_CHANGES and newest.omitted == 20
    assert len(json.loads(text)) <= operations.MAX_ENTRIES


@given(
    st.one_of(st.text(), st.just("[" * 100_000), st.lists(st.dictionaries(st.text(), st.integers())).map(json.dumps))
)
def test_what_somebody_wrote_by_hand_does_no_harm(text: str) -> None:
    item = manifest()
    item["metadata"]["annotations"][OPERATIONS] = text
    operations.read(item)
    assert operations.read(manifest(item)).items[-1].by == "ada"


def test_writes_past_the_api_are_told_by_program() -> None:
    item = manifest()
    fields: dict[str, Any] = {"f:spec": {"f:stopped": {}, "f:processes": {"k:{}": {}}}}
    item["metadata"]["managedFields"] = [
        {"manager": "kubectl-edit", "operation": "Update", "time": "2026-11-30T00:00:00Z", "fieldsV1": fields},
        {"manager": "roost-api", "operation": "Update", "time": "2026-11-30T00:00:00Z", "fieldsV1": fields},
        {"manager": "roost-app", "subresource": "status", "time": "2026-11-30T00:00:00Z", "fieldsV1": fields},
    ]
    told = operations.read(item).items[0]
    assert (told.by, told.program, told.action) == ("", "kubectl-edit", "Update")
    assert [change.path for change in told.changes] == ["spec.stopped", "spec.processes"]


def test_the_record_is_not_shown_with_the_object() -> None:
    assert OPERATIONS not in kinds.shown(manifest())["metadata"]["annotations"]
