"""The pieces that commands share: the login file, texts for terminals, tables, steps, streams."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from roost.surface.terminal import output as out
from roost.surface.terminal import words
from roost.surface.terminal.difference import Change, difference
from roost.surface.terminal.failure import REFUSED, TIMED_OUT, Failure, Unreachable, printable
from roost.surface.terminal.follow import Progress, Step, follow
from roost.surface.terminal.rollout import LOOKS, Patience, steps
from roost.surface.terminal.state import Login, read_login, write_login
from roost.surface.terminal.stream import Once, clean

NOW = datetime(2026, 11, 28, 20, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("name", ["mei", 'a"b', "back\\slash", "李明", "😀", "tab\there", "line\nbreak", "\x7f"])
def test_a_login_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    environment = {"HOME": str(tmp_path)}
    file = write_login(environment, Login("https://api", "/ca", "rst_x", name))
    assert tomllib.loads(file.read_text())["name"] == name
    assert read_login(environment) == Login("https://api", "/ca", "rst_x", name)


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    write_login(environment, Login("https://one", "", "t1", "mei"))
    assert read_login(environment | {"ROOST_SERVER": "https://two"}) == Login("https://two", "", "t1", "mei")


def test_writing_a_login_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = write_login({"ROOST_CONFIG": str(tmp_path / "deep" / "file.toml")}, Login())
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-11-28T19:59:48Z", "12s"),
        ("2026-11-28T19:58:30Z", "90s"),
        ("2026-11-28T19:50:00Z", "10m"),
        ("2026-11-28T10:00:00Z", "10h"),
        ("2026-11-01T20:00:00Z", "27d"),
        ("2026-11-28T20:00:09Z", "0s"),
        (None, "-"),
        ("soon", "soon"),
    ],
)
def test_how_long_ago_something_was(moment: str | None, text: str) -> None:
    assert out.since(moment, NOW) == text


def test_columns_stand_under_each_other_also_in_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"a": "商店", "b": "1"}, {"a": "shop", "b": "2"}]
    out.table(rows, (out.field("A", "a"), out.field("B", "b")))
    assert capsys.readouterr().out == "A     B\n商店  1\nshop  2\n"


def test_a_pipe_gets_whole_lines_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    out.table([{"a": "x" * 500, "b": "y" * 500}], (out.field("A", "a"), out.field("B", "b")))
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_markup_in_data_is_data(capsys: pytest.CaptureFixture[str]) -> None:
    out.table([{"a": "[red]x[/red] :smile:"}], (out.field("A", "a"),))
    assert "[red]x[/red] :smile:" in capsys.readouterr().out


def test_control_characters_become_visible() -> None:
    assert printable("a\x1b[2J\x07\x9bb\tc") == "a\ufffd[2J\ufffd\ufffdb\tc"


def test_a_log_line_keeps_its_colours_and_loses_what_steers_the_terminal() -> None:
    assert clean("\x1b[31mred\x1b[0m \x1b[2J\x1b]0;x\x07", terminal=True).startswith("\x1b[31mred\x1b[0m \ufffd[2J")
    assert clean("\x1b[2J", terminal=False) == "\x1b[2J"


HOSTILE = "a\x1b[2J\x1b]8;;http://evil\x07\x9b1A\u202eb\x1b[31mred\x1b[0m\tc\nd"


def test_a_terminal_gets_text_and_colours_only_and_a_pipe_what_there_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out.write(HOSTILE)
    assert capsys.readouterr().out == HOSTILE + "\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    out.write(HOSTILE)
    shown = capsys.readouterr().out
    assert shown == "a\ufffd[2J\ufffd]8;;http://evil\ufffd\ufffd1A\ufffdb\x1b[31mred\x1b[0m\tc\nd\n"


def test_without_its_guard_the_terminal_is_steered(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr(out, "unsteered", lambda text: text)
    out.write(HOSTILE)
    assert "\x1b]8;;" in capsys.readouterr().out


def line(instance: str, moment: str) -> dict[str, str]:
    return {"instance": instance, "time": moment, "process": "web", "line": ""}


def test_a_line_passes_once_over_a_reconnection() -> None:
    once = Once()
    first, second = line("a", "2026-11-28T20:00:00.000000001Z"), line("a", "2026-11-28T20:00:00.000000002Z")
    assert once.new(first)
    assert once.new(first)  # Two lines of one moment on one connection are two lines.
    once.reconnected()
    assert not once.new(first)
    assert once.new(second)
    assert once.new(line("b", "2026-11-28T19:00:00Z"))
    assert once.since() == "2026-11-28T19:59:55Z"


def test_without_lines_there_is_no_time_to_go_on_from() -> None:
    assert Once().since() == ""


def test_following_ends_with_the_failure_of_the_work() -> None:
    failed = Failure("It fell.", code=7)
    with pytest.raises(Failure) as caught:
        follow(lambda: Progress((Step("Build", "failed"),), failure=failed), 5)
    assert caught.value is failed


def test_following_that_takes_too_long_tells_the_step_and_how_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Failure) as caught:
        follow(lambda: Progress((Step("Build", "running", "compiling"),)), 0.01, "roost build show")
    assert caught.value.code == TIMED_OUT
    assert caught.value.why == "Build: compiling"
    assert "roost build show" in caught.value.hint
    assert capsys.readouterr().err == "› Build  compiling\n"


def test_following_looks_again_when_the_api_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    answers: list[Failure | Progress] = [
        Unreachable("It does not answer."),
        Progress((Step("Build", "done"),), finished=True),
    ]

    def look() -> Progress:
        answer = answers.pop(0)
        if isinstance(answer, Failure):
            raise answer
        return answer

    follow(look, 30)
    assert "✓ Build" in capsys.readouterr().err


def app(**status: object) -> dict[str, object]:
    return {"spec": {"artefact": {"image": "x"}}, "status": status}


def test_an_old_status_is_no_success_of_a_new_change() -> None:
    ready = [{"type": "Ready", "status": "True"}]
    before = app(observedGeneration=1, release="shop-v1", live="shop-v1", conditions=ready)
    assert not steps(before, {}, [], generation=2).finished
    after = app(observedGeneration=2, release="shop-v2", live="shop-v2", conditions=ready)
    assert steps(after, {}, [], generation=2).finished


def test_a_failed_release_is_a_failure_with_the_reason_of_the_instances() -> None:
    broken = app(observedGeneration=2, release="shop-v2", live="shop-v1", conditions=[])
    instances = [{"process": "web", "ready": False, "reason": "OOMKilled", "message": "256Mi\nmore"}]
    found = steps(broken, {"status": {"phase": "Failed"}}, instances, generation=2)
    assert found.failure is not None
    assert found.failure.why == "web: OOMKilled (256Mi)"


def test_an_image_that_may_not_run_is_refused_and_a_registry_that_is_away_is_waited_for() -> None:
    def found(reason: str) -> Progress:
        ready = [{"type": "Ready", "status": "False", "reason": reason, "message": "It is not signed."}]
        return steps(app(observedGeneration=2, release="shop-v1", conditions=ready), {}, [], generation=2)

    refused = found("Unsigned").failure
    assert refused is not None and refused.code == REFUSED and refused.why == "It is not signed."
    assert found("RegistryUnavailable").failure is None and found("Unverified").failure is None


def test_a_failure_of_a_moment_is_none() -> None:
    patience = Patience()
    failed = Progress((Step("Instances", "failed"),), failure=Failure("It fell."))
    for _ in range(LOOKS - 1):
        assert patience(failed).failure is None
    assert patience(Progress((Step("Instances", "running"),))).failure is None
    assert [patience(failed).failure is None for _ in range(LOOKS)] == [True] * (LOOKS - 1) + [False]


def test_differences_are_told_by_field_and_secrets_by_version_only() -> None:
    old = {"processes": [{"name": "web", "replicas": 1}], "secretVersion": "0123456789abcdef", "stopped": False}
    new = {"processes": [{"name": "web", "replicas": 2}, {"name": "worker"}], "domains": ["a", "b"]}
    assert difference(old, new) == (
        Change("domains", None, "a b"),
        Change("processes[web].replicas", "1", "2"),
        Change("processes[worker]", None, "is there"),
        Change("secrets", "******** (01234567)", None),
    )
    assert difference(old, old) == ()


def test_values_go_into_the_text_of_either_language() -> None:
    words.use({"{name} is missing.": "缺少 {name}。"})
    try:
        assert words.tr("{name} is missing.", name="X") == "缺少 X。"
        assert words.tr("{other} stays.", other="X") == "X stays."
    finally:
        words.use({})
