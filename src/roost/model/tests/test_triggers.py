"""What starts a run: patterns of refs, times, parameters; and what of a hostile text gets through (nothing)."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from roost.model import cron, starts
from roost.model.kinds.delivery import ProjectSpec, RunSpec
from roost.model.kinds.triggers import Parameter, ParameterRefused, RefTrigger, Schedule, Triggers, resolve
from roost.model.refs import matches

LEVEL = Parameter(name="LEVEL", default="info", values=("debug", "info"))
COLOUR = Parameter(name="COLOUR", pattern="#[0-9a-f]{6}|")
FREE = Parameter(name="FREE")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("main", "main", True),
        ("main", "main2", False),
        ("v*", "v1.0", True),
        ("v*", "v", True),
        ("v*", "dev", False),
        ("release/*", "release/1/2", True),
        ("*", "anything/at/all", True),
        ("v*-rc", "v1-rc", True),
        ("ab*ba", "aba", False),
    ],
)
def test_a_pattern_is_gits_own(pattern: str, name: str, fits: bool) -> None:
    assert matches(pattern, name) is fits


@pytest.mark.parametrize("pattern", ["", "a b", "a\nb", "a**", "*a*", "a?", "a:b", "x" * 101, "a\\", "\x00"])
def test_what_is_no_pattern_of_gits_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError):
        RefTrigger(pattern=pattern)


@pytest.mark.parametrize(
    ("expression", "zone", "words"),
    [
        ("* * * * * *", "UTC", "five fields"),
        ("*/1 * * * * *", "UTC", "five fields"),
        ("* * * * *", "UTC", "60 times in an hour"),
        ("*/4 * * * *", "UTC", "15 times in an hour"),
        ("0 0 30 2 *", "UTC", "no cron expression"),
        ("61 * * * *", "UTC", "no cron expression"),
        ("0 0 * * *; reboot", "UTC", "five fields"),
        ("@reboot", "UTC", "at least 9"),
        ("0 0 * * *", "Mars/Base", "no time zone"),
        ("0 0 * * *", "../../etc/passwd", "match pattern"),
        ("0 0 * * *", "/etc/passwd", "no time zone"),
        ("1," * 49 + "1 * * * *", "UTC", "at most 100"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(expression: str, zone: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Schedule(name="nightly", cron=expression, zone=zone)


def test_the_time_zone_counts() -> None:
    due = cron.following("30 2 * * *", "Asia/Shanghai", at("2026-11-28T12:00:00"))
    assert due == at("2026-11-28T18:30:00")


def test_where_the_clock_is_changed_a_time_comes_once() -> None:
    """Half past two comes twice on the 25th of October in Berlin, and not at all on the 29th of March."""
    autumn = cron.following("30 2 * * *", "Europe/Berlin", at("2026-10-24T12:00:00"))
    assert autumn is not None
    after = cron.following("30 2 * * *", "Europe/Berlin", autumn)
    assert after == at("2026-10-26T01:30:00")
    spring = cron.following("30 2 * * *", "Europe/Berlin", at("2026-03-28T12:00:00"))
    assert spring is not None and spring.date().isoformat() == "2026-03-29"


@given(
    st.sampled_from(["*/5 * * * *", "0 3 * * *", "30 4 1 * *", "0 0 * * MON", "15 10 29 2 *", "0 12 L * *"]),
    st.sampled_from(["UTC", "Asia/Shanghai", "Europe/Berlin", "America/St_Johns"]),
    st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2028, 1, 1)),
    st.one_of(st.integers(60, 7200), st.integers(60, 5 * 86400)),
)
@settings(max_examples=40)
def test_however_many_were_missed_the_last_one_is_due(expression: str, zone: str, start: datetime, away_s: int) -> None:
    after = start.replace(tzinfo=UTC, microsecond=0)
    now = after + timedelta(seconds=away_s)
    slow, step = None, cron.following(expression, zone, after)
    while step is not None and step <= now:
        slow, step = step, cron.following(expression, zone, step)
    assert cron.latest(expression, zone, after, now) == slow


def test_what_is_rarely_due_is_not_missed_in_a_long_outage() -> None:
    start, now = at("2024-03-01T00:00:00"), at("2028-06-01T00:00:00")
    assert cron.latest("0 0 29 2 *", "UTC", start, now) == at("2028-02-29T00:00:00")
    assert cron.latest("0 0 1 1 *", "UTC", start, now) == at("2028-01-01T00:00:00")
    assert cron.latest("0 0 29 2 *", "UTC", now, at("2030-01-01T00:00:00")) is None


def test_parameters_get_their_defaults() -> None:
    assert resolve((LEVEL, COLOUR), {"COLOUR": "#00ff00"}) == {"LEVEL": "info", "COLOUR": "#00ff00"}
    assert resolve((), {}) == {}


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"OTHER": "1"}, r"OTHER: the project declares no such parameter; it has: LEVEL, COLOUR, FREE"),
        ({"LEVEL": "trace"}, "LEVEL: 'trace' is none of debug, info"),
        ({"COLOUR": "#00ff00\n"}, "COLOUR: a value is one line"),
        ({"COLOUR": "#00ff00 --evil"}, "COLOUR: .* does not fit the pattern"),
        ({"FREE": "a\nFROM evil"}, "FREE: a value is one line"),
        ({"FREE": "\x00"}, "FREE: a value is one line"),
        ({"FREE": "x" * 1001}, "FREE: a value has 1000 characters at most"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_by_name(given_: dict[str, str], words: str) -> None:
    with pytest.raises(ParameterRefused, match=words):
        resolve((LEVEL, COLOUR, FREE), given_)


def test_shell_text_is_a_value_like_any_other() -> None:
    text = "$(id); `id` && rm -rf / | ${IFS} '\""
    assert resolve((FREE,), {"FREE": text}) == {"FREE": text}


@pytest.mark.parametrize(
    "name", ["PATH", "LD_PRELOAD", "BUILDKIT_SYNTAX", "HTTP_PROXY", "GIT_SSH", "ROOST_TASK", "lower"]
)
def test_names_that_mean_something_else_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Parameter(name=name)


def test_no_pattern_takes_long() -> None:
    begun = time.monotonic()
    with pytest.raises(ParameterRefused):
        Parameter(name="X", pattern="((a+)+)+|").check("a" * 999 + "!")
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize("pattern", ["(", "a)|(b", "(?<x", "(a{1000}){1000}{1000}"])
def test_what_is_no_regular_expression_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match="no regular expression"):
        Parameter(name="X", pattern=pattern)


def test_a_schedule_gives_only_declared_parameters() -> None:
    schedule = {"name": "nightly", "cron": "0 3 * * *", "parameters": {"LEVEL": "trace"}}
    with pytest.raises(ValidationError, match="LEVEL: 'trace' is none of"):
        ProjectSpec.model_validate({"triggers": {"schedules": [schedule]}, "parameters": [LEVEL.wire()]})
    with pytest.raises(ValidationError, match="no such parameter; it has: none"):
        ProjectSpec.model_validate({"triggers": {"schedules": [schedule]}})


def test_where_a_run_goes_follows_from_its_ref() -> None:
    triggers = Triggers(
        branches=(RefTrigger(pattern="release/*", environment="test"), RefTrigger(pattern="*")),
        tags=(RefTrigger(pattern="v*", environment="prod"),),
    )
    project = ProjectSpec(triggers=triggers)
    assert starts.destination(project, "refs/heads/main") == (True, "")
    assert starts.destination(project, "refs/heads/release/1") == (True, "test")
    assert starts.destination(project, "refs/heads/feature") == (False, "")
    assert starts.destination(project, "refs/tags/v1") == (True, "prod")
    assert starts.destination(project, "refs/tags/x") == (False, "")
    assert starts.starts(project, "refs/heads/feature") and not starts.starts(project, "refs/tags/x")
    paused = ProjectSpec(triggers=triggers.model_copy(update={"paused": "The branch is broken."}))
    assert not starts.starts(paused, "refs/heads/main")


def test_a_run_of_an_older_roost_is_ordered_by_its_attempt() -> None:
    spec = {"project": "hello", "ref": "refs/heads/main", "commit": "0" * 40, "attempt": 7}
    assert RunSpec.model_validate(spec).order == 7
    assert RunSpec.model_validate({**spec, "sequence": 9}).order == 9
