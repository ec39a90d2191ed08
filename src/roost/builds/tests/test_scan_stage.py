"""What of the scans stops a run, what is kept of them, and what a person reads then."""

from pathlib import Path

import pytest

from roost.adapters.tests.memory_registry import MemoryRegistry
from roost.builds import scan_findings, scan_stage
from roost.builds.bench import StepFailed
from roost.builds.sarif import Result
from roost.builds.scan_stage import Scanned
from roost.model import findings
from roost.model.build_task import Task
from roost.model.findings import Finding, Findings
from roost.model.kinds.scan import Scan

TASK = Task(
    tenant="acme",
    project="shop",
    commit="a" * 40,
    attempt=2,
    git_url="http://git",
    registry="registry:5000",
    builder="tcp://builder:1234",
    timeout_s=60,
)


def finding(kind: str = "source", severity: str = "high", number: int = 0, **more: object) -> Finding:
    made = {"kind": kind, "tool": "t", "rule": "r", "severity": severity, "path": "a.py", "line": 3, "fix": "Mend it."}
    return Finding.model_validate({**made, "fingerprint": f"{number:016x}", **more})


def judged(policy: Scan, *found: Finding) -> str:
    """What stops the run; empty: nothing."""
    try:
        scan_stage.judge(TASK.model_copy(update={"scan": policy}), Scanned(Findings(items=found)))
    except StepFailed as stopped:
        assert stopped.reason == "FindingsBlock"
        return str(stopped)
    return ""


@pytest.mark.parametrize("kind", ["secret", "source", "dependency"])
def test_a_grave_finding_of_any_scan_of_the_code_stops(kind: str) -> None:
    assert "1 finding stops" in judged(Scan(), finding(kind))
    assert judged(Scan(), finding(kind, "medium")) == ""
    assert judged(Scan(), finding(kind, waived=True)) == ""
    assert judged(Scan(block="never"), finding(kind, "critical")) == ""


def test_packages_of_the_image_have_a_gate_of_their_own() -> None:
    assert judged(Scan(), finding("image", "critical")) == ""
    assert "stops" in judged(Scan(block_image="critical"), finding("image", "critical"))


def test_where_only_new_ones_count_known_ones_stop_nothing() -> None:
    assert judged(Scan(only_new=True), finding(new=False)) == ""
    assert "stops" in judged(Scan(only_new=True), finding(new=True))


def test_a_verdict_says_which_where_and_what_to_do() -> None:
    told = judged(Scan(), *(finding(number=number) for number in range(7)))
    assert "7 findings stop" in told and "and 2 more" in told and "a.py:3" in told and "Mend it." in told
    assert "roost waive 0000000000000000 -p shop" in told
    long = [finding(number=n, path="p" * 300, rule="r" * 120, fix=f"{n}" * 500) for n in range(9)]
    assert len(judged(Scan(), *long)) < 1500, "What a pod reports is no longer; the last line counts."


def test_findings_are_kept_by_the_run_and_beside_the_image() -> None:
    held = MemoryRegistry()
    registry = held.registry()
    before = scan_stage.keep(TASK, registry, Scanned(), Findings(items=(finding(),)))
    assert before.found.items[0].first_seen and before.found.items[0].new
    kept = registry.artefact("acme/shop", findings.KIND, tag=findings.tag(2, "a" * 40))
    assert kept and Findings.model_validate_json(kept) == before.found


def test_what_the_base_had_is_not_new() -> None:
    base = findings.since(Findings(items=(finding(number=1),)), None, "2026-01-01T00:00:00Z")
    told = scan_stage.keep(TASK, MemoryRegistry().registry(), Scanned(base=base), Findings(items=(finding(number=1),)))
    assert (told.found.items[0].new, told.found.items[0].first_seen) == (False, "2026-01-01T00:00:00Z")


def vulnerable(package: str = "jinja2@2.10", uri: str = "file:///view/requirements.txt", help: str = "") -> Result:
    text = f"Package '{package}' is vulnerable to 'CVE-2020-28493' (also known as 'GHSA-g3rq-g295-4j3m')."
    return Result("osv-scanner", "CVE-2020-28493", "warning", 9.8, text, help, uri, 0, "")


def test_a_vulnerable_dependency_says_which_version_to_take() -> None:
    table = "| Vulnerability ID | Package Name | Fixed Version |\n| --- | --- | --- |\n| GHSA-x | jinja2 | 2.11.3 |\n"
    (found,) = scan_findings.of_packages([vulnerable(help=table)], "dependency", Path("/view"), ())
    assert (found.path, found.severity) == ("requirements.txt", "critical")
    assert "jinja2 2.10" in found.message and "2.11.3 or later" in found.fix


def test_a_dependency_stays_the_same_finding_over_versions() -> None:
    marks = [
        scan_findings.of_packages([vulnerable(package)], "dependency", Path("/view"), ())[0].fingerprint
        for package in ("jinja2@2.10", "jinja2@2.11", "other@2.10")
    ]
    assert marks[0] == marks[1] != marks[2]


def test_a_scope_is_part_of_the_name() -> None:
    (found,) = scan_findings.of_packages([vulnerable("@babel/traverse@7.0.0")], "dependency", Path("/view"), ())
    assert found.message.startswith("@babel/traverse 7.0.0 ")


def test_source_findings_of_the_same_text_are_told_apart() -> None:
    result = Result("semgrep", "r", "error", -1, "What. Fix: How.", "", "a.py", 3, "x()")
    found = scan_findings.of_source([result, result], ())
    assert len({item.fingerprint for item in found}) == 2 and found[0].fix == "How."
