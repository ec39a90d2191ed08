"""Any JSON as a body: a manifest or a Problem, nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roost.api import apps, kinds, rollback, session, users
from roost.api.bodies import parse, too_deep
from roost.api.logs import LogQuery
from roost.kernel.discovery import kinds as all_kinds
from roost.model.resource import Resource
from roost.surface.problems import Problem
from roost.surface.registry import TokenRefused, parse_scopes

_WORDS = st.sampled_from(
    [
        "metadata",
        "spec",
        "name",
        "labels",
        "annotations",
        "processes",
        "replicas",
        "port",
        "image",
        "set",
        "unset",
        "to",
    ]
)
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS | st.text(max_size=10), inner, max_size=5),
    max_leaves=15,
)
_OBJECTS = st.dictionaries(_WORDS | st.text(max_size=10), _JSON, max_size=6)


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.KIND)
@settings(max_examples=60, deadline=None)
@given(metadata=_JSON, spec=_JSON, rest=_OBJECTS)
def test_an_object_is_made_or_refused(kind: type[Resource], metadata: Any, spec: Any, rest: dict[str, Any]) -> None:
    current = {"metadata": {"name": "x", "resourceVersion": "1"}, "spec": {}}
    makers: tuple[Callable[[dict[str, Any]], dict[str, Any]], ...] = (
        lambda body: kinds.new_manifest(kind, body, "acme-dev"),
        lambda body: kinds.replaced(kind, current, body),
        lambda body: kinds.patched(kind, current, body),
    )
    for body in (rest, {"metadata": metadata, "spec": spec}, {"metadata": {"name": "shop"}, "spec": spec}):
        for make in makers:
            try:
                manifest = make(body)
            except Problem as problem:
                assert problem.status == 422 and problem.detail
            else:
                assert set(manifest) == {"apiVersion", "kind", "metadata", "spec"}


@settings(max_examples=200, deadline=None)
@given(body=_OBJECTS)
def test_a_small_body_is_read_or_refused(body: dict[str, Any]) -> None:
    for model in (apps.ConfigChange, apps.Scale, rollback.Rollback, apps.Deploy, session.SignIn, users.NewUser):
        try:
            parse(model, body)
        except Problem as problem:
            assert problem.status == 422 and problem.errors
    assert not too_deep(body)


@given(
    text=st.text(max_size=60)
    | st.from_regex(r"\A[0-9]{1,6}[smhd]\Z")
    | st.datetimes().map(lambda at: f"{at.isoformat()}+14:00")
)
def test_a_scope_and_a_time_are_read_or_refused(text: str) -> None:
    try:
        parse_scopes([text])
    except TokenRefused as error:
        assert "scope" in str(error)
    try:
        LogQuery(since=text).wanted(datetime(2026, 1, 31, tzinfo=UTC))
    except Problem as problem:
        assert problem.status == 422
