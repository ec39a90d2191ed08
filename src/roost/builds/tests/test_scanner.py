"""What the scanner tells is believed as far as it has the right form: it was given hostile files."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from roost.builds import sarif, scanner
from roost.builds.scanner import ScanFailed, Scanner

GOOD = b'{"runs": [{"tool": {"driver": {"name": "t"}}, "results": [{"ruleId": "r"}]}]}'


class Other:
    """The other side: a pipe that somebody reads, and what that one does between two looks at it."""

    def __init__(self, folder: Path) -> None:
        self.asked, self.told = folder / "asked", folder / "told"
        self.asked.mkdir()
        self.told.mkdir()
        os.mkfifo(self.told / "wanted")
        self.pipe = os.open(self.told / "wanted", os.O_RDWR | os.O_NONBLOCK)
        (self.told / "lives").write_text("began\n")
        self.does: list[Callable[[], object]] = []
        self.waited = 0.0

    def pause(self, seconds: float) -> None:
        self.waited += seconds
        if self.does:
            self.does.pop(0)()

    def answers(self, report: bytes, code: str = "0\n", log: bytes = b"") -> None:
        for name, content in (("sarif", report), ("log", log), ("code", code.encode())):
            (self.told / f"source-1.{name}").write_bytes(content)


@pytest.fixture
def other(tmp_path: Path) -> Other:
    return Other(tmp_path)


@pytest.fixture
def asking(other: Other, tmp_path: Path) -> Scanner:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "app.py").write_text("x = 1\n")
    made = Scanner(other.asked, other.told, other.pause)
    assert made.ask_source(tmp_path / "source").files == 1
    return made


def test_a_question_is_a_word_and_its_number(other: Other, asking: Scanner) -> None:
    assert os.read(other.pipe, 100) == b"source 1\n"
    other.answers(GOOD)
    assert [item.rule for item in asking.answer("source").results] == ["r"]


@pytest.mark.parametrize("code", ["2\n", "137\n", "", "x", "-1", "0; rm -rf /", "9" * 50])
def test_a_scan_that_did_not_end_well_is_none(other: Other, asking: Scanner, code: str) -> None:
    other.answers(GOOD, code, b"Out of memory\x1b[2J")
    with pytest.raises(ScanFailed, match=r"Out of memory \[2J"):
        asking.answer("source")


@pytest.mark.parametrize("report", [b"", b"{}", b"[" * 100_000, b" " * (sarif.LARGEST + 1)])
def test_a_report_of_another_form_is_none(other: Other, asking: Scanner, report: bytes) -> None:
    other.answers(report)
    with pytest.raises(ScanFailed):
        asking.answer("source")


def test_links_in_what_is_told_are_not_followed(other: Other, asking: Scanner, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(GOOD)
    other.answers(GOOD)
    (other.told / "source-1.sarif").unlink()
    (other.told / "source-1.sarif").symlink_to(tmp_path / "token")
    with pytest.raises(ScanFailed, match="no JSON"):
        asking.answer("source")


def test_a_scanner_that_died_is_told(other: Other, asking: Scanner) -> None:
    other.does.append(lambda: (other.told / "lives").write_text("began\nbegan\n"))
    with pytest.raises(ScanFailed, match="more memory"):
        asking.answer("source")


def test_a_scanner_that_says_nothing_is_not_waited_for_for_ever(other: Other, asking: Scanner) -> None:
    with pytest.raises(ScanFailed, match="no answer"):
        asking.answer("source")
    assert other.waited < scanner.ANSWER_S + 1


def test_a_scanner_that_is_not_there_is_told(tmp_path: Path) -> None:
    waited: list[float] = []
    (tmp_path / "told").mkdir()
    for target in ("none", "a file", "a link"):
        wanted = tmp_path / "told" / "wanted"
        if target == "a file":
            wanted.write_text("")
        elif target == "a link":
            wanted.unlink()
            os.mkfifo(tmp_path / "elsewhere")
            wanted.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ScanFailed, match=r"did not start|takes no questions"):
            Scanner(tmp_path / "asked", tmp_path / "told", waited.append).ask_image(b"{}")
    assert sum(waited) < 3 * scanner.START_S


def test_files_that_could_not_be_read_are_named(other: Other, asking: Scanner) -> None:
    wrong = f"Error during extraction: (extracting as python/requirements) {str(other.asked)[1:]}/source/view/a/b.txt: "
    other.answers(GOOD, "1\n", f"{wrong}could not extract: bad\n".encode())
    assert asking.answer("source").unread == ("a/b.txt",)


@pytest.mark.parametrize("text", ["Syntax error at line a/b.py:3:\n `x`", "Timeout when running a-rule on a/b.py:\n "])
def test_files_that_took_too_long_are_named(other: Other, asking: Scanner, text: str) -> None:
    notes = {"toolExecutionNotifications": [{"message": {"text": text}}, {"message": []}, None]}
    other.answers(json.dumps({"runs": [{"invocations": [notes]}]}).encode())
    assert asking.answer("source").unread == ("a/b.py",)


def test_a_database_that_lacks_an_archive_is_no_clean_bill(other: Other, asking: Scanner) -> None:
    other.answers(GOOD, "0\n", b"could not load db for npm ecosystem: no offline version\n")
    with pytest.raises(ScanFailed, match="could not load db for npm"):
        asking.answer("source")
