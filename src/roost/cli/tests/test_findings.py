"""`roost findings`: of a run or of a version, and what of it is asked for."""

import json

from roost.cli.tests.conftest import Roost
from roost.cli.tests.fake_api import ENV, meta

TENANT = ENV.partition("/environments")[0]
FOUND = {
    "kind": "source",
    "tool": "semgrep",
    "rule": "python-sql-injection",
    "severity": "high",
    "path": "app.py",
    "line": 3,
    "fix": "Give it as a parameter.",
    "fingerprint": "0123456789abcdef",
    "new": True,
    "waived": False,
}


def with_run(roost: Roost) -> Roost:
    roost.api.objects[f"{TENANT}/projects/shop"] = {
        "metadata": meta("shop"),
        "status": {"lastRun": "shop-7-0123456789"},
    }
    roost.api.objects[f"{TENANT}/runs/shop-7-0123456789/findings"] = {"items": [FOUND], "more": 0}
    return roost


def test_the_newest_run_is_meant_and_what_to_do_is_said(roost: Roost) -> None:
    said = with_run(roost)("findings", "-p", "shop")
    assert said.code == 0 and "app.py:3" in said.out and "0123456789abcdef" in said.out
    assert "Give it as a parameter." in said.err


def test_what_is_asked_for_is_sent(roost: Roost) -> None:
    with_run(roost)("findings", "-p", "shop", "--kind", "source", "--severity", "high", "--new", "--open", "-o", "json")
    (query,) = [query for _, path, query, _ in roost.api.calls if path.endswith("/findings")]
    assert query == {"kind": ["source"], "severity": ["high"], "new": ["true"], "waived": ["false"]}


def test_of_a_version_it_is_its_image(roost: Roost) -> None:
    image = FOUND | {"kind": "image", "path": "openssl", "line": 0}
    roost.api.objects[f"{ENV}/releases/shop-v3/findings"] = {"items": [image], "database": "sha256:1"}
    said = roost("findings", "--release", "shop-v3", "-o", "json")
    assert [item["path"] for item in json.loads(said.out)] == ["openssl"]


def test_something_must_be_named(roost: Roost) -> None:
    said = roost("findings")
    assert said.code == 2 and "--release" in said.err
