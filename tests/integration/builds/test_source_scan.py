"""The real scanner with our rules: what each finds and what it leaves alone, and that a repository has no say in it."""

import re
import shutil
from collections.abc import Collection
from pathlib import Path

import pytest

from roost.builds import scan_findings, scan_view
from roost.builds import scanner as asking_of
from roost.builds.scan_view import View
from roost.builds.scanner import Scanner
from roost.model.findings import Finding

pytestmark = pytest.mark.integration
EXAMPLES = Path(__file__).parent / "rules"
BAD = 'from flask import request\nimport os\n\nos.system("ping " + request.args["host"])\n'
GOOD = "print('hello')\n"


def example(path: Path) -> str:
    """The name under which a scanner knows an example; stored ones end in .txt, so that no other tool reads them."""
    return path.name.removesuffix(".txt")


def scanned(asking: Scanner, root: Path, waived: Collection[str] = ()) -> list[Finding]:
    view = asking.ask_source(root)
    answer = asking.answer(asking_of.SOURCE) if view.files else asking_of.Answer([], ())
    found = scan_findings.of_source(answer.results, waived)
    return [*found, *scan_findings.not_scanned("source", view, answer.unread, waived)]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "app.py").write_text(BAD)
    return folder


def told(found: list[Finding]) -> list[tuple[str, str]]:
    return [(item.rule, item.place) for item in found]


def test_every_rule_finds_what_is_marked_and_nothing_else(scanner: Scanner, tmp_path: Path) -> None:
    root = tmp_path / "source"
    root.mkdir()
    marked = set()
    for path in EXAMPLES.iterdir():
        text = path.read_text()
        (root / example(path)).write_text(text)
        for number, line in enumerate(text.splitlines(), 1):
            if found := re.search(r"finds: (\S+)", line):
                marked.add((found[1], f"{example(path)}:{number + 1}"))
    assert set(told(scanned(scanner, root))) == marked
    known = set(re.findall(r'"id": "([^"]+)"', asking_of.rules(asking_of.languages())))
    assert {rule for rule, _ in marked} == known, "Each rule has an example that it finds."


def test_a_finding_says_what_it_is_and_what_to_do(scanner: Scanner, checkout: Path) -> None:
    (found,) = scanned(scanner, checkout)
    assert (found.kind, found.severity, found.place) == ("source", "high", "app.py:4")
    assert "shell command" in found.message and "subprocess.run" in found.fix


def test_a_clean_twin_passes(scanner: Scanner, checkout: Path) -> None:
    (checkout / "app.py").write_text(GOOD)
    assert scanned(scanner, checkout) == []


def test_a_finding_stays_the_same_when_its_line_moves(scanner: Scanner, checkout: Path) -> None:
    (before,) = scanned(scanner, checkout)
    (checkout / "app.py").write_text("# One more line.\n\n" + BAD)
    (after,) = scanned(scanner, checkout)
    assert (before.fingerprint, before.line + 2) == (after.fingerprint, after.line)


def test_two_of_the_same_text_are_two(scanner: Scanner, checkout: Path) -> None:
    (checkout / "app.py").write_text(BAD + BAD.splitlines()[-1] + "\n")
    assert len({item.fingerprint for item in scanned(scanner, checkout)}) == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".semgrepignore", "*\n"),
        (".gitignore", "*.py\n"),
        (".semgrep.yml", "rules: []\n"),
        (".semgrep/settings.yml", "metrics: on\n"),
    ],
)
def test_what_the_repository_says_does_not_count(scanner: Scanner, checkout: Path, name: str, text: str) -> None:
    (checkout / name).parent.mkdir(exist_ok=True)
    (checkout / name).write_text(text)
    assert told(scanned(scanner, checkout)) == [("python-command-injection", "app.py:4")]


def test_without_the_view_an_ignore_file_hides_a_bug(
    scanner: Scanner, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard taken away: what the tests above attack is no invention."""

    def whole(root: Path, into: Path) -> View:
        shutil.copytree(root, into, symlinks=True)
        return View(1, frozenset(["python"]))

    monkeypatch.setattr(scan_view, "of_source", whole)
    assert told(scanned(scanner, checkout)) == [("python-command-injection", "app.py:4")]
    (checkout / ".semgrepignore").write_text("*\n")
    assert scanned(scanner, checkout) == []


def test_a_comment_hides_nothing_and_is_told_so(scanner: Scanner, checkout: Path) -> None:
    (checkout / "app.py").write_text(BAD.rstrip() + "  # nosemgrep\n")
    (found,) = scanned(scanner, checkout)
    assert "does not count" in found.fix


def test_hostile_files_do_nothing(scanner: Scanner, checkout: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text(BAD)
    (checkout / "link.py").symlink_to(outside / "secret.py")
    (checkout / "folder").symlink_to(outside)
    (checkout / "--config=x.py").write_text(BAD)
    (checkout / "new\nline.py").write_text(BAD)
    (checkout / "deep.py").write_text("(" * 20_000)
    places = {place for _, place in told(scanned(scanner, checkout))}
    assert {"app.py:4", "--config=x.py:4"} <= places and not any(
        "secret" in place or "link" in place for place in places
    )
    assert not any("folder/" in place for place in places)


def test_what_is_too_large_is_told(scanner: Scanner, checkout: Path) -> None:
    (checkout / "app.py").write_text(GOOD)
    (checkout / "large.py").write_text("#" * (scan_view.LARGEST + 1))
    (found,) = scanned(scanner, checkout)
    assert (found.rule, found.severity, found.path) == ("not-scanned", "low", "large.py")


def test_what_cannot_be_read_is_told(scanner: Scanner, checkout: Path) -> None:
    (checkout / "broken.js").write_text("function ( { ] eval(req.body.x)\n")
    (checkout / "Containerfile").write_text("RUN [[[\nFROM\n")
    found = {item.rule: item for item in scanned(scanner, checkout)}
    assert found["not-scanned"].path == "broken.js" and "python-command-injection" in found


@pytest.mark.full
def test_what_takes_too_long_is_told(scanner: Scanner, checkout: Path) -> None:
    lines = "".join(f"  if x: x = x + str({number})\n" for number in range(36_000))
    slow = f'from flask import request\nimport os\ndef f():\n  x = request.args["x"]\n{lines}  os.system(x)\n'
    (checkout / "slow.py").write_text(slow)
    found = {item.path: item for item in scanned(scanner, checkout)}
    assert (found["slow.py"].rule, found["slow.py"].severity) == ("not-scanned", "medium")
    assert found["app.py"].rule == "python-command-injection"


@pytest.mark.full
def test_more_findings_than_anyone_reads_end_the_scan(scanner: Scanner, checkout: Path) -> None:
    for number in range(150):
        (checkout / f"app{number}.py").write_text(BAD + BAD.splitlines(keepends=True)[-1] * 200)
    with pytest.raises(asking_of.ScanFailed, match="did not end well"):
        scanned(scanner, checkout)


def test_a_waived_finding_is_told_as_such(scanner: Scanner, checkout: Path) -> None:
    (found,) = scanned(scanner, checkout)
    assert scanned(scanner, checkout, [found.fingerprint])[0].waived
