"""The vulnerability database: who fetches it, what the scanner beside it may see, and what a folder must hold."""

import zipfile
from pathlib import Path
from typing import Any

import pytest

from roost.builds.advisories import ArchiveWrong
from roost.node import advisories as by_hand
from roost.node.manifests import advisories

IMAGES = ("roost.internal/platform:1", "roost.internal/scanner:1")
DATABASE = "registry.roost-system.svc:5000/base/advisories@sha256:" + "a" * 64


def pod(manifest: dict[str, Any]) -> dict[str, Any]:
    spec = manifest["spec"]
    found: dict[str, Any] = spec.get("jobTemplate", {"spec": spec})["spec"]["template"]["spec"]
    return found


def test_it_is_fetched_only_where_there_is_a_mirror() -> None:
    kinds = [item["kind"] for item in advisories.everything(*IMAGES, "")]
    assert "CronJob" not in kinds and "ServiceAccount" in kinds
    (cron,) = [item for item in advisories.everything(*IMAGES, "https://osv.example.com") if item["kind"] == "CronJob"]
    (step,) = pod(cron)["containers"]
    assert {"name": "ROOST_ADVISORIES", "value": "https://osv.example.com"} in step["env"]


@pytest.mark.parametrize("hand", [False, True])
def test_the_scanner_has_no_key_and_changes_nothing(hand: bool) -> None:
    cron = advisories.everything(*IMAGES, "https://osv.example.com")[-1]
    spec = pod(advisories.by_hand(*IMAGES, DATABASE) if hand else cron)
    (scanner,) = spec["initContainers"]
    mounts = {item["name"]: item.get("readOnly", False) for item in scanner["volumeMounts"]}
    assert mounts == {"scan-asked": True, "scan-told": False, "scan-scratch": False, "advisories": True}
    assert "env" not in scanner and scanner["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_one_given_by_hand_is_judged_by_once() -> None:
    job = advisories.by_hand(*IMAGES, DATABASE)
    assert job["metadata"]["name"] == "advisories-aaaaaaaaaaaa"
    (volume,) = [item for item in pod(job)["volumes"] if item["name"] == "advisories"]
    assert volume["image"]["reference"] == DATABASE


def test_a_folder_must_hold_archives(tmp_path: Path) -> None:
    with pytest.raises(ArchiveWrong, match="holds none of"):
        by_hand.found(tmp_path)
    (tmp_path / "npm").mkdir()
    with zipfile.ZipFile(tmp_path / "npm" / "all.zip", "w") as archive:
        archive.writestr("X-1.json", '{"id": "X-1", "modified": "2026-11-20T08:30:00Z"}')
    paths, parts = by_hand.found(tmp_path)
    assert list(paths) == list(parts) == ["npm"]
    (tmp_path / "npm" / "all.zip").write_text("nonsense")
    with pytest.raises(ArchiveWrong, match="npm cannot be read"):
        by_hand.found(tmp_path)
