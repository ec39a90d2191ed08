"""Reports of scanners are read with distrust: bombs, nonsense and control characters do nothing."""

import json

import pytest

from roost.builds import sarif


def log(*results: object, rules: object = ()) -> bytes:
    driver = {"name": "tool", "rules": rules}
    return json.dumps({"runs": [{"tool": {"driver": driver}, "results": list(results)}]}).encode()


def test_a_result_is_read_with_what_its_rule_says() -> None:
    place = {"artifactLocation": {"uri": "a%20b.py"}, "region": {"startLine": 3, "snippet": {"text": "x"}}}
    rule = {"id": "r", "defaultConfiguration": {"level": "error"}, "properties": {"security-severity": "9.8"}}
    (found,) = sarif.read(log({"ruleId": "r", "locations": [{"physicalLocation": place}]}, rules=[rule]))
    assert (found.uri, found.line, found.text, found.level, found.score) == ("a b.py", 3, "x", "error", 9.8)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"runs": {}}',
        b"[" * 1_000_000,
        b'{"runs":' * 100_000,
        b'{"runs": [' + b"9" * 100_000 + b"]}",
        b" " * (sarif.LARGEST + 1),
        b"\xff\xfe",
    ],
)
def test_what_is_no_report_is_refused(content: bytes) -> None:
    with pytest.raises(sarif.SarifInvalid):
        list(sarif.read(content))


NONSENSE: list[object] = [None, 1, "x", [], {}, [[]], {"text": {"text": 1}}, -1, 1e308, True]


@pytest.mark.parametrize("nonsense", NONSENSE, ids=repr)
@pytest.mark.parametrize("field", ["ruleId", "level", "message", "locations"])
def test_a_field_of_another_form_is_left_out(field: str, nonsense: object) -> None:
    assert len(list(sarif.read(log({"ruleId": "r", field: nonsense}, rules=[{"id": nonsense}, nonsense])))) == 1


@pytest.mark.parametrize("nonsense", NONSENSE, ids=repr)
def test_a_place_of_another_form_is_none(nonsense: object) -> None:
    for place in (nonsense, {"artifactLocation": nonsense, "region": nonsense}, {"region": {"startLine": nonsense}}):
        (found,) = sarif.read(log({"locations": [{"physicalLocation": place}]}))
        assert found.uri in ("", "x") and 0 <= found.line <= sarif.LAST_LINE


def test_control_characters_do_not_reach_a_terminal() -> None:
    (found,) = sarif.read(log({"ruleId": "r\x1b[2J", "message": {"text": "a\x00b\u202ec\nd"}}))
    assert (found.rule, found.message) == ("r[2J", "abc\nd")


def test_no_more_are_read_than_anyone_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MOST_RESULTS", 3)
    assert len(list(sarif.read(log(*({"ruleId": str(number)} for number in range(9)))))) == 3
