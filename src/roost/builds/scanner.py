"""Asks the scanner, a container beside the step that has no token and no secret (`images/scanner/serve`).

Two folders lie between them: what is asked, which only the step writes, and what is told, which only the scanner
writes. What is told is believed as far as it is SARIF of bounded size; links in it are not followed.

    ScanFailed    the scanner did not do its work; the text says why
"""

import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Final

import yaml

from roost.builds import sarif, scan_view
from roost.builds.scan_view import View

START_S: Final = 60
ANSWER_S: Final = 330  # Beyond what the scanner itself allows a question.
POLL_S: Final = 0.02
FOUND_CODES: Final = (0, 1)  # 1: something was found.
NO_PACKAGES: Final = 128  # osv-scanner's word for nothing to look at.
FAILED: Final = 127  # Its word for an error, also where no file could be read at all.
# What they say of files that they could not read, or not wholly; and osv-scanner of an archive that is not there.
_UNREAD: Final = re.compile(r"^Error during extraction: \(extracting as [\w/-]+\) (.+): could not extract", re.M)
_WRONG: Final = re.compile(r"\bat line (.+):\d+:|^Timeout when running [\w-]+ on (.+):\s*$")
_NO_DATABASE: Final = "could not load db for "
LOG: Final = 300
_RULES: Final = files("roost.builds") / "rules"
SOURCE, DEPENDENCIES, IMAGE = "source", "dependencies", "image"


class ScanFailed(Exception):
    """The scanner did not do its work; the text says why."""


@dataclass(frozen=True)
class Answer:
    """What was found. unread: files that could not be read, or not wholly, by their paths in the view."""

    results: list[sarif.Result]
    unread: tuple[str, ...]


@dataclass
class Scanner:
    """asked, told: the two folders. pause: waits so many seconds, and raises when the step must stop."""

    asked: Path
    told: Path
    pause: Callable[[float], object]
    _lives: dict[str, int] = field(default_factory=dict)
    _asked: dict[str, int] = field(default_factory=dict)  # How often each was asked; the answer has the number.

    def ask_source(self, root: Path) -> View:
        """Ask what the rules find in a commit's files. Where no file is of a language they know, nothing is asked."""
        folder = self._folder(SOURCE)
        view = scan_view.of_source(root, folder / "view")
        (folder / "rules.json").write_text(rules(view.languages))
        if view.files:
            self._ask(SOURCE)
        return view

    def ask_dependencies(self, root: Path) -> View:
        """Ask which dependencies in lock files have known vulnerabilities."""
        folder = self._folder(DEPENDENCIES)
        view = scan_view.of_locks(root, folder / "view")
        (folder / "config.toml").write_text("")
        if view.files:
            self._ask(DEPENDENCIES)
        return view

    def ask_image(self, bill: bytes) -> None:
        """Ask which packages of a bill of materials (CycloneDX) have known vulnerabilities."""
        folder = self._folder(IMAGE)
        (folder / "view").mkdir()
        (folder / "view" / "bom.cdx.json").write_bytes(bill)
        (folder / "config.toml").write_text("")
        self._ask(IMAGE)

    def answer(self, name: str) -> Answer:
        """What was found, once it is known. ScanFailed."""
        waited, answer = 0.0, f"{name}-{self._asked.get(name, 0)}"
        while (code := self._read(f"{answer}.code", 20)) is None:
            if self._began() != self._lives[name]:
                raise ScanFailed(f"The scan ({name}) died: it needs more memory than a scan may have.")
            if waited > ANSWER_S:
                raise ScanFailed(f"The scan ({name}) gave no answer within {ANSWER_S} s.")
            self.pause(POLL_S)
            waited += POLL_S
        said = (self._read(f"{answer}.log", 1 << 20) or b"").decode(errors="replace")
        number = int(code) if code.strip().isdigit() else -1
        nothing = number == NO_PACKAGES or (number == FAILED and "No package sources found" in said)
        if _NO_DATABASE in said or (number not in FOUND_CODES and not nothing):
            told = "".join(each if each.isprintable() else " " for each in said).strip()[-LOG:]
            raise ScanFailed(f"The scan ({name}) did not end well (code {number}): {told or 'it said nothing'}")
        try:
            content = (self._read(f"{answer}.sarif", sarif.LARGEST + 1) or b"") if not nothing else b'{"runs":[]}'
            unread = [
                *_UNREAD.findall(said),
                *(path for note in sarif.remarks(content) for pair in _WRONG.findall(note) for path in pair if path),
            ]
            view = f"{self.asked / name / 'view'}/".removeprefix("/")
            return Answer(list(sarif.read(content)), tuple(dict.fromkeys(path.removeprefix(view) for path in unread)))
        except sarif.SarifInvalid as error:
            raise ScanFailed(f"The scan ({name}) did not end well. {error}") from error

    def _folder(self, name: str) -> Path:
        folder = self.asked / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def _ask(self, name: str) -> None:
        waited = 0.0
        while True:
            self._lives[name] = self._began()
            try:
                handle = os.open(self.told / "wanted", os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            except OSError as error:
                if waited > START_S:
                    raise ScanFailed(f"The scanner did not start within {START_S} s.") from error
                self.pause(POLL_S)
                waited += POLL_S
                continue
            with os.fdopen(handle, "wb", buffering=0) as pipe:
                if not stat.S_ISFIFO(os.fstat(handle).st_mode):
                    raise ScanFailed("The scanner takes no questions.")
                self._asked[name] = self._asked.get(name, 0) + 1
                pipe.write(f"{name} {self._asked[name]}\n".encode())
            return

    def _began(self) -> int:
        """How often the scanner began."""
        return (self._read("lives", 10_000) or b"").count(b"\n")

    def _read(self, name: str, most: int) -> bytes | None:
        """At most so many bytes of a regular file among what is told; None where there is none."""
        try:
            handle = os.open(self.told / name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(handle, "rb") as file:
            return file.read(most) if stat.S_ISREG(os.fstat(handle).st_mode) else None


def rules(about: Iterable[str]) -> str:
    """Our rules for these languages, as JSON: semgrep does not know YAML's aliases."""
    texts = [(_RULES / f"{language}.yaml").read_text(encoding="utf-8") for language in sorted(about)]
    return json.dumps({"rules": [rule for text in texts for rule in yaml.safe_load(text)["rules"]]})


def languages() -> list[str]:
    """The languages that rules are for."""
    return sorted(item.name.removesuffix(".yaml") for item in _RULES.iterdir() if item.name.endswith(".yaml"))
