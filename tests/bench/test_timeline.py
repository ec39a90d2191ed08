"""Where a roll-out's time goes, reckoned from what was told when."""

import io
import json
from typing import Any

import pytest
from bench.timeline import PARTS, Span, Timeline, Told, complete, documents, ends, parts

LABELS = {"roost.dev/app": "pushed"}


def pod(name: str, at: float, type_: str = "MODIFIED", **more: Any) -> Told:
    item: dict[str, Any] = {"kind": "Pod", "metadata": {"name": name, "labels": LABELS}, "spec": {}, "status": {}}
    if more.get("placed"):
        item["spec"]["nodeName"] = "node-1"
    if more.get("runs"):
        item["status"]["containerStatuses"] = [{"state": {"running": {}}}]
    if more.get("ready"):
        item["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    if more.get("ending"):
        item["metadata"]["deletionTimestamp"] = "2026-11-29T12:00:00Z"
    return Told(at, type_, item)


def deployment(at: float, generation: int, updated: int = 3) -> Told:
    counts = {"replicas": 3, "updatedReplicas": updated, "availableReplicas": 3, "observedGeneration": generation}
    meta = {"name": "pushed-web", "generation": generation}
    return Told(at, "MODIFIED", {"kind": "Deployment", "metadata": meta, "spec": {"replicas": 3}, "status": counts})


def starts(name: str, at: float) -> list[Told]:
    return [
        pod(name, at, "ADDED"),
        pod(name, at + 0.1, placed=True),
        pod(name, at + 1.1, placed=True, runs=True),
        pod(name, at + 1.6, placed=True, runs=True, ready=True),
    ]


HISTORY = [
    deployment(0.0, 4),
    pod("old", 0.0, "ADDED", placed=True, runs=True, ready=True),
    Told(10.5, "ADDED", {"kind": "Release", "metadata": {"name": "pushed-v5"}}),
    deployment(10.8, 5, updated=0),
    *starts("one", 11.0),
    pod("old", 12.7, placed=True, runs=True, ending=True),
    *starts("two", 12.9),
    pod("old", 14.9, "DELETED", placed=True, ending=True),
    deployment(14.8, 5),
    *starts("another", 20.0),
]


def test_the_parts_make_up_the_whole() -> None:
    span = Span(sent=10.0, complete=14.8, told=15.2)
    found = parts(HISTORY, "pushed-web", LABELS, span)
    assert set(found) == {name for _, name in PARTS}
    assert sum(found.values()) == pytest.approx(span.told - span.sent)
    assert found["Release"] == pytest.approx(0.5)
    assert found["Deployment"] == pytest.approx(0.3)
    assert found["placed"] == pytest.approx(0.2)
    assert found["run"] == pytest.approx(2.0)
    assert found["ready"] == pytest.approx(1.0)
    assert found["next"] == pytest.approx(0.3)
    assert found["told"] == pytest.approx(0.4)
    assert ends(HISTORY, LABELS, (10.0, 16.0)) == [pytest.approx(2.2)]


def test_a_plain_deployment_makes_no_release() -> None:
    history = [change for change in HISTORY if change.kind != "Release"]
    span = Span(sent=10.0, complete=14.8, told=14.8)
    found = parts(history, "pushed-web", LABELS, span)
    assert "Release" not in found
    assert sum(found.values()) == pytest.approx(4.8)


def test_it_is_complete_when_kubectl_says_so() -> None:
    assert not complete(None, 3)
    assert not complete(deployment(0.0, 5, updated=2).item, 3)
    assert not complete(deployment(0.0, 5).item, 5)
    assert complete(deployment(0.0, 5).item, 3)
    late = deployment(0.0, 5).item
    late["status"]["observedGeneration"] = 4
    assert not complete(late, 3)


def test_how_things_stand_follows_what_is_told() -> None:
    seen = Timeline()
    for change in HISTORY:
        seen.take(change)
    assert {item["metadata"]["name"] for item in seen.pods(LABELS)} == {"one", "two", "another"}
    assert seen.wait("nothing", lambda: True) == 21.6
    with pytest.raises(RuntimeError, match="a miracle took longer"):
        seen.wait("a miracle", lambda: False, within_s=0)


@pytest.mark.parametrize("indent", [None, 4])
def test_documents_are_told_apart(indent: int | None) -> None:
    events = [{"type": "ADDED", "object": {"a": {"b": 1}}}, {"type": "DELETED", "object": {}}]
    text = "".join(f"{json.dumps(event, indent=indent)}\n" for event in events)
    assert list(documents(io.StringIO(text))) == events
