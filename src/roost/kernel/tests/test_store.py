"""The cache: indexes hold, and an older version never replaces a newer one."""

import secrets
import tracemalloc
from typing import Any

import msgspec
import pytest

from roost.kernel.selector import contains, matches, parse
from roost.kernel.store import LAST_APPLIED, OWNER_UID, Store


def item(name: str, version: int, namespace: str = "a", **labels: str) -> dict[str, Any]:
    """An object; its uid is its name."""
    named = {key.replace("_", "-"): value for key, value in labels.items()}
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": name,
            "resourceVersion": str(version),
            "labels": named,
            "managedFields": [{}],
        }
    }


def test_an_older_version_is_ignored() -> None:
    store = Store()
    assert store.put(item("x", 5)) is not None
    assert store.put(item("x", 4)) is None and store.put(item("x", 5)) is None
    change = store.put(item("x", 6))
    assert change is not None and change.old is not None and change.new is not None
    assert "managedFields" not in change.new["metadata"]


def test_a_deletion_outlives_late_news() -> None:
    store = Store()
    store.put(item("x", 5))
    assert store.remove(("a", "x"), 7) is not None
    assert store.put(item("x", 6)) is None
    assert store.put(item("x", 8)) is not None
    assert store.remove(("a", "x"), 7) is None, "a new object of that name stands"


def test_a_list_replaces_what_it_knows_about() -> None:
    store = Store()
    store.put(item("old", 3))
    store.put(item("kept", 3))
    store.put(item("newer", 12))
    assert store.put(item("kept", 3)) is None and store.put(item("came", 9)) is not None
    changes = store.retain({("a", "kept"), ("a", "came")}, 10)
    assert [(change.old or {})["metadata"]["name"] for change in changes] == ["old"]
    assert [found["metadata"]["name"] for found in store.list()] == ["came", "kept", "newer"]


def test_a_restored_history_begins_anew() -> None:
    store = Store()
    store.put(item("x", 50))
    store.put(item("y", 60))
    store.remove(("a", "y"), 61)
    assert store.newest == 61
    assert [(change.old or {})["metadata"]["name"] for change in store.reset()] == ["x"]
    assert len(store) == 0 and store.newest == 0
    assert store.put(item("x", 7)) is not None and store.put(item("y", 8)) is not None
    assert store.retain({("a", "x"), ("a", "y")}, 9) == ()


def test_indexes_follow() -> None:
    store = Store()
    child = item("child", 1)
    child["metadata"]["labels"] = {OWNER_UID: "parent"}
    child["metadata"]["ownerReferences"] = [{"uid": "other"}]
    store.put(child)
    assert [found["metadata"]["name"] for found in store.owned_by("parent")] == ["child"]
    assert [found["metadata"]["name"] for found in store.owned_by("other")] == ["child"]
    store.put(item("child", 2))
    assert not list(store.owned_by("parent")) and store.place_of("child") == ("a", "child")
    store.put(item("far", 3, "b", tier="web"))
    assert [found["metadata"]["name"] for found in store.list("b")] == ["far"]
    assert store.list(labels="tier in (web, worker)") == store.list("b")
    store.remove(("b", "far"), 4)
    assert store.list("b") == [] and store.place_of("far") is None


def test_a_label_that_is_asked_for_is_followed_from_then_on() -> None:
    store = Store()
    store.put(item("a", 1, tier="web"))
    store.put(item("b", 2, tier="web", size="big"))
    store.put(item("c", 3, "other", tier="web"))

    def names(labels: str, namespace: str | None = "a") -> list[str]:
        return [found["metadata"]["name"] for found in store.list(namespace, labels)]

    assert names("tier=web") == ["a", "b"] and names("tier=web", None) == ["a", "b", "c"]
    assert names("tier=web,size=big") == ["b"] and names("size=big,tier") == ["b"]
    store.put(item("a", 4, tier="worker"))
    store.put(item("d", 5, tier="web"))
    store.remove(("a", "b"), 6)
    assert names("tier=web") == ["d"] and names("tier=worker") == ["a"] and names("tier=none") == []
    store.reset()
    assert names("tier=web") == []


def test_what_nobody_reads_is_dropped_and_all_else_is_kept() -> None:
    store = Store()
    for number in range(200):
        large = item(f"x{number}", number + 1)
        large["spec"] = {"text": f"é{number}" * 100, "none": None, "number": 1.5}
        large["metadata"]["annotations"] = {LAST_APPLIED: "{}", "kept": "yes"}
        store.put(large)
    for number in range(200):
        found = store.get(("a", f"x{number}"))
        assert found is not None
        assert found["spec"] == {"text": f"é{number}" * 100, "none": None, "number": 1.5}
        assert found["metadata"]["annotations"] == {"kept": "yes"}


def test_a_change_is_seen_at_once_also_where_the_old_one_was_at_hand() -> None:
    store = Store()
    store.put(item("x", 5))
    assert store.get(("a", "x")) is store.get(("a", "x")), "it was unpacked twice"
    store.put(item("x", 6, tier="web"))
    found = store.get(("a", "x"))
    assert found is not None and found["metadata"]["labels"] == {"tier": "web"}
    store.remove(("a", "x"), 7)
    assert store.get(("a", "x")) is None


def test_an_object_takes_less_than_half_of_its_json() -> None:
    """What counts of it is in bench/P5.py; here only that packing has not been lost."""
    store = Store()
    items = [item(f"x{number}", number + 1, tier="web") for number in range(500)]
    for one in items:
        one["metadata"]["uid"] = secrets.token_hex(16)
        one["spec"] = {"processes": [{"name": f"p{index}", "command": ["run", "it"]} for index in range(20)]}
    raw = sum(len(msgspec.json.encode(one)) for one in items)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    while items:
        store.put(items.pop())
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(store) == 500 and kept < raw / 2


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("a=b", {"a": "b"}, {"a": "c"}),
        ("a==b,c", {"a": "b", "c": ""}, {"a": "b"}),
        ("a!=b", {}, {"a": "b"}),
        ("!a", {"b": ""}, {"a": ""}),
        ("a in (x,y),b notin (z)", {"a": "y", "b": "x"}, {"a": "y", "b": "z"}),
        ("", {}, None),
    ],
)
def test_selectors_match(text: str, yes: dict[str, str], no: dict[str, str] | None) -> None:
    assert matches(text, yes)
    assert no is None or not matches(text, no)


def test_a_selector_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no label selector"):
        parse("a b")


@pytest.mark.parametrize(
    ("wide", "narrow", "wanted"),
    [
        ("", "a=b", True),
        ("a", "a=b,c=d", True),
        ("a", "c=d", False),
        ("a in (x,y)", "a=x", True),
        ("a=x", "a in (x,y)", False),
        ("a=b", "", False),
        ("a!=b", "a=c", False),
    ],
)
def test_a_cache_knows_what_it_surely_holds(wide: str, narrow: str, wanted: bool) -> None:
    assert contains(wide, narrow) is wanted
