"""Who changed how a project builds is noted once, and only that counts."""

from datetime import UTC, datetime
from typing import Any

import pytest

from roost.capabilities.project import edits
from roost.model.kinds.delivery import Project
from roost.model.names import AUTHOR

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 29, 13, tzinfo=UTC)


def project(author: str, spec: dict[str, Any], status: dict[str, Any] | None = None) -> Project:
    meta = {"name": "shop", "namespace": "acme-build", "annotations": {AUTHOR: author}}
    return Project.parse({"metadata": meta, "spec": spec, "status": status or {}})


SOUR = {"parameters": [{"name": "FLAVOUR", "default": "sour"}]}


def test_making_a_project_is_no_edit_and_changing_it_is_one() -> None:
    made = edits.status(project("ada", {}), NOW)
    assert made["edits"] == []
    changed = edits.status(project("bob", SOUR, made), NOW)
    assert changed["edits"] == [{"person": "bob", "at": "2026-11-29T12:00:00Z"}]
    assert edits.status(project("cy", SOUR, changed), LATER) == changed, "What is noted is not noted again."
    back = edits.status(project("cy", {}, changed), LATER)
    assert [item["person"] for item in back["edits"]] == ["bob", "cy"]


@pytest.mark.parametrize(
    "spec",
    [
        {"triggers": {"paused": "Calm."}},
        {"concurrency": {"policy": "queue"}},
        {"previews": {"environment": "dev"}},
        {"forge": {"type": "gitea"}},
    ],
)
def test_what_changes_no_image_and_no_destination_is_none(spec: dict[str, Any]) -> None:
    made = edits.status(project("ada", {}), NOW)
    assert edits.status(project("bob", spec, made), LATER) == made


@pytest.mark.parametrize(
    "spec",
    [
        {"environment": "prod"},
        {"branch": "next"},
        {"build": {"containerfile": "Other"}},
        {"stepSecrets": ["npm"]},
        {"triggers": {"tags": [{"pattern": "v*", "environment": "prod"}]}},
        {"scan": {"block": "never"}},
    ],
)
def test_what_changes_either_is_one(spec: dict[str, Any]) -> None:
    made = edits.status(project("ada", {}), NOW)
    assert [item["person"] for item in edits.status(project("bob", spec, made), LATER)["edits"]] == ["bob"]


def test_the_newest_are_kept() -> None:
    status = edits.status(project("ada", {}), NOW)
    for number in range(edits.KEPT + 3):
        status = edits.status(project(f"p{number}", {"branch": f"b{number}"}, status), NOW)
    assert status["edits"][0]["person"] == "p3" and len(status["edits"]) == edits.KEPT
