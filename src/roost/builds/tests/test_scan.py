"""What a scanner's report becomes, and what stops a run."""

import json
from pathlib import Path

import pytest

from roost.builds import scan
from roost.model import findings
from roost.model.findings import Finding, Findings, blocking

ROOT = Path("/work/source")


def result(rule: str, uri: str, text: str, line: int = 3) -> dict[str, object]:
    region = {"startLine": line, "snippet": {"text": text}}
    place = {"artifactLocation": {"uri": uri}, "region": region}
    return {"ruleId": rule, "message": {"text": f"{text} leaks"}, "locations": [{"physicalLocation": place}]}


def log(*results: object) -> bytes:
    return json.dumps({"runs": [{"tool": {"driver": {"name": "gitleaks"}}, "results": list(results)}]}).encode()


def test_what_was_found_is_told_without_the_secret() -> None:
    (found,) = scan.findings(log(result("github-pat", f"{ROOT}/app.py", "ghp_secret")), ROOT, ()).items
    assert (found.path, found.line, found.severity, found.place) == ("app.py", 3, "high", "app.py:3")
    assert "ghp_secret" not in found.model_dump_json() and "roost config set" in found.fix


def test_the_gravest_comes_first_and_the_same_one_once() -> None:
    guess, known = result("generic-api-key", "a.py", "x"), result("aws-access-token", "b.py", "y")
    found = scan.findings(log(guess, known, {**known}), ROOT, ())
    assert [item.rule for item in found.items] == ["aws-access-token", "generic-api-key"]


def test_a_finding_stays_the_same_where_its_line_moves_and_no_other_is_it() -> None:
    def mark(**change: object) -> str:
        made = {"rule": "r", "uri": "a.py", "text": "x", "line": 3, **change}
        (found,) = scan.findings(log(result(**made)), ROOT, ()).items  # type: ignore[arg-type]
        return found.fingerprint

    assert mark() == mark(line=9)
    assert len({mark(), mark(rule="s"), mark(uri="b.py"), mark(text="y")}) == 4


def finding(severity: str, waived: bool = False, **more: object) -> Finding:
    made = {"tool": "t", "rule": "r", "severity": severity, "path": "p", "fingerprint": "0" * 16, "waived": waived}
    return Finding.model_validate({**made, **more})


@pytest.mark.parametrize(
    ("limit", "stopping"),
    [("high", ["high"]), ("medium", ["high", "medium"]), ("low", ["high", "medium"]), ("never", [])],
)
def test_only_what_is_grave_enough_and_not_waived_stops(limit: str, stopping: list[str]) -> None:
    found = Findings(items=(finding("high"), finding("high", waived=True), finding("medium")))
    assert [item.severity for item in blocking(found, limit)] == stopping  # type: ignore[arg-type]


def test_where_only_new_ones_count_what_the_base_had_stops_nothing() -> None:
    had, came = finding("high", fingerprint="1" * 16), finding("high", fingerprint="2" * 16)
    base = findings.since(Findings(items=(had,)), None, "2026-01-01T00:00:00Z")
    told = findings.since(Findings(items=(had, came)), base, "2026-02-01T00:00:00Z")
    assert [item.first_seen[:7] for item in told.items] == ["2026-01", "2026-02"]
    assert [item.fingerprint for item in blocking(told, "high", only_new=True)] == ["2" * 16]
    assert len(blocking(told, "high")) == 2


def test_more_than_anyone_reads_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "MOST", 2)
    found = scan.findings(log(*(result("r", f"{number}.py", "x") for number in range(5))), ROOT, ())
    assert len(found.items) == 2 and found.more == 3
    assert json.loads(found.model_dump_json(by_alias=True))["more"] == 3
