"""SARIF 2.1.0, as scanners tell it, read with distrust: they were given hostile files. Pure.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/. Whatever has another form than it should is left out; only a
text that is no SARIF at all is an error, since nothing found and nothing told are not the same.

    SarifInvalid    it is too long, or no SARIF
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

LARGEST: Final = 8 << 20  # Bytes: what its objects take in memory is ten times that, and the pod has 512 MiB.
MOST_RESULTS: Final = 20_000
LAST_LINE: Final = 10_000_000
_NOTHING: Final[Mapping[str, Any]] = {}


class SarifInvalid(ValueError):
    """It is too long, or no SARIF; the text says which."""


@dataclass(frozen=True)
class Result:
    """One result. score: CVSS, 0 to 10, negative where none is told. text: the lines it is about."""

    tool: str
    rule: str
    level: str
    score: float
    message: str
    help: str
    uri: str
    line: int
    text: str


def read(content: bytes) -> Iterator[Result]:
    """The results of all runs in a log. SarifInvalid."""
    return _results(_runs(content))


def remarks(content: bytes) -> list[str]:
    """What the scanners remarked on their work, the first hundred. SarifInvalid."""
    invocations = [item for run in _runs(content) for item in _list(_map(run).get("invocations"))]
    notes = [note for item in invocations for note in _list(_map(item).get("toolExecutionNotifications"))]
    return [_text(_map(_map(note).get("message")).get("text"), 1000) for note in notes[:100]]


def _runs(content: bytes) -> list[Any]:
    if len(content) > LARGEST:
        raise SarifInvalid(f"The report is longer than {LARGEST >> 20} MiB.")
    try:
        log = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SarifInvalid(f"The report is no JSON: {str(error)[:100]}") from error
    if not isinstance(log, dict) or not isinstance(log.get("runs"), list):
        raise SarifInvalid("The report is no SARIF: it has no runs.")
    runs: list[Any] = log["runs"]
    return runs


def _results(runs: list[Any]) -> Iterator[Result]:
    number = 0
    for run in runs:
        driver = _map(_map(_map(run).get("tool")).get("driver"))
        tool = _text(driver.get("name"), 40)
        rules = {_text(_map(rule).get("id"), 200): _map(rule) for rule in _list(driver.get("rules"))}
        for result in _list(_map(run).get("results")):
            number += 1
            if number > MOST_RESULTS:
                return
            yield _result(tool, rules, _map(result))


def _result(tool: str, rules: Mapping[str, Mapping[str, Any]], result: Mapping[str, Any]) -> Result:
    name = _text(result.get("ruleId"), 200)
    rule = rules.get(name, _NOTHING)
    place = _map(_map(next(iter(_list(result.get("locations"))), None)).get("physicalLocation"))
    region = _map(place.get("region"))
    level = result.get("level") or _map(rule.get("defaultConfiguration")).get("level")
    line = region.get("startLine")
    return Result(
        tool=tool,
        rule=name,
        level=_text(level, 20),
        score=_number(_map(rule.get("properties")).get("security-severity")),
        message=_text(_map(result.get("message")).get("text"), 2000),
        help=_text(_map(rule.get("help")).get("markdown") or _map(rule.get("help")).get("text"), 200_000),
        uri=unquote(_text(_map(place.get("artifactLocation")).get("uri"), 4000)),
        line=min(line, LAST_LINE) if isinstance(line, int) and line > 0 else 0,
        text=_text(_map(region.get("snippet")).get("text"), 4000),
    )


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else _NOTHING


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any, most: int) -> str:
    """At most so many characters of a text, without what no file and no terminal should get."""
    if not isinstance(value, str):
        return ""
    return "".join(each for each in value[:most] if each.isprintable() or each in "\n\t")


def _number(value: Any) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return -1.0
    return found if 0 <= found <= 10 else -1.0
