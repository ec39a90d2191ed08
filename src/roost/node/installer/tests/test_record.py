"""The record of an installation, and what follows from it."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from roost.node.installer import deploy, record
from roost.node.installer.options import Options
from roost.node.installer.record import Installation, RecordUnreadable


def item(kind: str, name: str, namespace: str = "roost-system", **more: Any) -> dict[str, Any]:
    version = "apps/v1" if kind in ("Deployment", "DaemonSet") else "v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **more}


OPTIONS = Options("apps.example.com", registry="r.example.com/roost")
HELD = Installation(
    "0.1.0",
    OPTIONS,
    {"platform": "r.example.com/roost/platform@sha256:1"},
    {
        "workloads": [item("Secret", "s"), item("ConfigMap", "gone"), item("Deployment", "roost-api")],
        "kinds": [{"apiVersion": "v1", "kind": "CustomResourceDefinition", "metadata": {"name": "old.roost.dev"}}],
    },
)


def test_an_installation_comes_back_as_it_was_written() -> None:
    written = record.manifest(record.CURRENT, HELD)
    assert record.parse(written) == HELD and list(record.parse(written).phases) == ["workloads", "kinds"]
    assert record.manifest(record.CURRENT, HELD) == written


def test_the_record_fits_into_an_object_and_the_same_is_the_same() -> None:
    assert HELD.name.startswith("0.1.0+") and len(HELD.digest) == 12
    assert replace(HELD, phases={"kinds": []}).digest != HELD.digest


@pytest.mark.parametrize("harm", ["binaryData", "data", "digest", "bytes"])
def test_a_damaged_record_says_what_to_do(harm: str) -> None:
    written = record.manifest(record.CURRENT, HELD)
    if harm == "digest":
        written["data"]["digest"] = "0" * 12
    elif harm == "bytes":
        written["binaryData"][record.MANIFESTS] = base64.b64encode(b"no gzip").decode()
    else:
        del written[harm]
    with pytest.raises(RecordUnreadable, match="install again"):
        record.parse(written)


def test_only_what_was_applied_by_the_version_before_and_holds_no_data_is_removed() -> None:
    wanted = replace(HELD, phases={"workloads": [item("Deployment", "roost-api")]})
    assert deploy.surplus(HELD, wanted) == [("v1", "ConfigMap", "roost-system", "gone")]
    assert deploy.surplus(None, wanted) == [] and deploy.surplus(HELD, HELD) == []


def test_what_is_waited_for_is_what_runs_in_the_platforms_namespace() -> None:
    assert deploy.workloads(HELD) == [("Deployment", "roost-api")]
