"""Filtering, sorting and paging: every object once, in order, whatever the tokens say."""

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roost.api.query import Query, read
from roost.model.kinds.app import App
from roost.surface.problems import Problem


def app(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **more.pop("metadata", {})}, "spec": more.pop("spec", {}), **more}


def names(query: Query, items: list[dict[str, Any]], limit: int = 100) -> list[str]:
    found, rest = [], ""
    while True:
        page, rest, total = query.run(items, limit, rest)
        assert len(page) <= limit and total <= len(items)
        found += [item["metadata"]["name"] for item in page]
        assert len(found) <= len(items), "A page goes on after the one before."
        if not rest:
            return found


def test_fields_choose() -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Live", "status": "False"}]}
    items = [app("a", spec={"stopped": True}), app("b", status=ready), app("c", spec={"stopped": False})]
    assert names(read(App, "spec.stopped=true", ""), items) == ["a"]
    assert names(read(App, "spec.stopped!=true", ""), items) == ["b", "c"]
    assert names(read(App, "status.conditions.Ready.status=True", ""), items) == ["b"]
    assert names(read(App, "status.conditions.status=False,metadata.name!=a", ""), items) == ["b"]


def test_sort_orders_and_what_has_no_value_is_last() -> None:
    items = [app("a", spec={"hold": "x"}), app("b"), app("c", spec={"hold": "y"}), app("d", spec={"hold": "x"})]
    assert names(read(App, "", "spec.hold"), items, 1) == ["a", "d", "c", "b"]
    assert names(read(App, "", "-spec.hold,-metadata.name"), items, 2) == ["c", "d", "a", "b"]


@given(
    st.dictionaries(
        st.text("abc", min_size=1, max_size=4), st.one_of(st.none(), st.integers(), st.text(), st.booleans())
    ),
    st.integers(1, 5),
    st.booleans(),
)
@example({"a": 2**60 + 1, "b": 2**60 + 2}, 1, False)  # No float tells these two apart.
def test_pages_hold_every_object_once(values: dict[str, Any], limit: int, down: bool) -> None:
    items = [app(name, spec={"hold": value}) for name, value in values.items()]
    query = read(App, "", "-spec.hold" if down else "spec.hold")
    assert names(query, items, limit) == names(query, items)
    assert sorted(names(query, items, limit)) == sorted(values)


@pytest.mark.parametrize(
    ("fields", "sort"),
    [
        ("spec", ""),
        ("spec.nosuch=1", ""),
        ("metadata.annotations=1", ""),
        ("spec.__class__=1", ""),
        ("spec.stopped", ""),
        ("x" * 900, ""),
        (",".join(["spec.stopped=true"] * 11), ""),
        ("", "metadata.managedFields"),
        ("", "--spec.stopped"),
        ("", ",".join(["spec.stopped"] * 5)),
        ("", "data.password"),
    ],
)
def test_fields_that_are_none_are_refused(fields: str, sort: str) -> None:
    with pytest.raises(Problem) as caught:
        read(App, fields, sort)
    assert caught.value.status == 422


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode())))
def test_a_token_that_is_none_is_malformed(token: str) -> None:
    with pytest.raises(Problem) as caught:
        read(App, "", "spec.hold").run([app("a")], 1, "r." + token)
    assert caught.value.status == 400


def test_a_token_of_another_order_or_shape_is_malformed() -> None:
    shapes: list[object] = [
        ["", [], "a"],
        ["spec.hold", [], "a"],
        ["spec.hold", [{}], "a"],
        ["spec.hold", ["x"], 1],
        {},
    ]
    for content in shapes:
        token = "r." + base64.urlsafe_b64encode(json.dumps(content).encode()).decode()
        with pytest.raises(Problem):
            read(App, "", "spec.hold").run([app("a")], 1, token)
